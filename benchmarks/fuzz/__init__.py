"""Attack every reader of the command line with damaged inputs, and say which of them hurt.

`python -m benchmarks.fuzz` is the long form by hand; `tests/poet/test_fuzz.py` runs the same
attacks, fewer of them, from a fixed seed.
"""
