"""Learners that adapt by gradients.

| name | rule | source |
|---|---|---|
| maml | a few gradient steps from a learned start | Finn et al. 2017, arXiv:1703.03400 |
| fomaml | as MAML, without second derivatives | the same |
| reptile | as MAML; the start moves towards the adapted parameters | Nichol et al. 2018, arXiv:1803.02999 |
| anil | as MAML; the last layer alone adapts | Raghu et al. 2020, arXiv:1909.09157 |
| meta-sgd | as MAML, with a learned step size for each parameter | Li et al. 2017, arXiv:1707.09835 |
| e-maml | as MAML, with credit for exploring | Stadie et al. 2018, arXiv:1803.01118 |
| promp | as MAML, with unbiased second derivatives; PPO outside | Rothfuss et al. 2019, arXiv:1810.06784 |
| imaml | steps held near the start; meta-gradient by the implicit function | Rajeswaran et al. 2019, arXiv:1909.04630 |
| warpgrad | layers that do not adapt warp slopes at every visited point | Flennerhag et al. 2020, arXiv:1909.00025 |
| ftml | MAML on all tasks so far, round by round | Finn et al. 2019, arXiv:1902.08438 |
"""
