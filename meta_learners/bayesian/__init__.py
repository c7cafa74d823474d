"""Learners that tell distributions: how sure they are is part of the answer.

| name | rule | source |
|---|---|---|
| cnp | decodes the mean of the encoded points | Garnelo et al. 2018, arXiv:1807.01613 |
| np | draws a latent variable that the mean describes | Garnelo et al. 2018, arXiv:1807.01622 |
| anp | both, with attention from where is asked | Kim et al. 2019, arXiv:1901.05761 |
"""
