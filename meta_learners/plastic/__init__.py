"""Learners whose synapses change while examples are shown, by a local rule that is learned.

| name | rule | source |
|---|---|---|
| plasticity | a synapse has a fixed part and a Hebbian one that it weighs | Miconi et al. 2018, arXiv:1804.02464 |
| fast-weights | a recurrent network attends to its past states by a fading sum | Ba et al. 2016, arXiv:1610.06258 |
| fast-weight-programmer | keys times values of the examples add up: linear attention | Schmidhuber 1992 |
| parametric-rule | all synapses share a rule of nine terms, whose weights are learned | Bengio et al. 1995 |
"""
