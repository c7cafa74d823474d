"""Learners that learn how to descend: what they learn is the rule of the optimiser.

| name | rule | source |
|---|---|---|
| lstm-optimiser | one LSTM tells every parameter's change by its slope | Andrychowicz et al. 2016, arXiv:1606.04474 |
| hierarchical-optimiser | units at three levels tell directions and rates | Wichrowska et al. 2017, arXiv:1703.04813 |
| meta-lstm | parameters are an LSTM's cell: gates keep them, and take of the slope | Ravi and Larochelle 2017 |
"""
