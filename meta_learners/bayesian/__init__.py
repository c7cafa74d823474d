"""Learners that tell distributions: how sure they are is part of the answer.

| name | rule | source |
|---|---|---|
| cnp | decodes the mean of the encoded points | Garnelo et al. 2018, arXiv:1807.01613 |
| np | draws a latent variable that the mean describes | Garnelo et al. 2018, arXiv:1807.01622 |
| anp | both, with attention from where is asked | Kim et al. 2019, arXiv:1901.05761 |
| llama | as MAML; a normal posterior about the adapted network, by Laplace | Grant et al. 2018, arXiv:1801.08930 |
| platipus | as MAML, from starts drawn about where the support's slope leads | Finn et al. 2018, arXiv:1806.02817 |
| bmaml | networks move by Stein's gradient, and chase ones that saw the queries | Yoon et al. 2018, arXiv:1806.03836 |
| abml | variational inference of every weight, from a learned prior | Ravi and Beatson 2019 |
| mixture | MAML from several starts; each takes the tasks that it explains | Jerfel et al. 2019, arXiv:1812.06080 |
| neural-statistician | a generative model of sets; a class is a set | Edwards and Storkey 2017, arXiv:1606.02185 |
"""
