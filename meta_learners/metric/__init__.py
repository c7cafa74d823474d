"""Learners that compare: a query takes the class of what it is like.

| name | rule | source |
|---|---|---|
| prototypical | a class is the mean of its embedded examples; squared distances | Snell et al. 2017, arXiv:1703.05175 |
| matching | attention over the examples by scaled cosines | Vinyals et al. 2016, arXiv:1606.04080 |
| siamese | is this pair of the same class? | Koch, Zemel and Salakhutdinov 2015 |
| relation | a network scores a query's maps beside a class's | Sung et al. 2018, arXiv:1711.06025 |
| ridge | ridge regression of the labels, solved and differentiated through | Lee et al. 2019, arXiv:1904.03758 |
| good-embedding | logistic regression on features that sort all training classes | Tian et al. 2020, arXiv:2003.11539 |
| graph | graph convolutions over examples and a query | Garcia and Bruna 2018, arXiv:1711.04043 |
| arc | an LSTM glimpses at two images by turns | Shyam, Gupta and Dukkipati 2017, arXiv:1703.00767 |
"""
