"""Learners that adapt within a network's memory, or not at all.

| name | rule | source |
|---|---|---|
| rl2 | a GRU whose state lasts through a trial's episodes; PPO outside | Duan et al. 2016, arXiv:1611.02779 |
| ppo | fine-tunes one policy for all tasks: the baseline | Schulman et al. 2017, arXiv:1707.06347 |
"""
