"""Learners that learn how to descend: what they learn is the rule of the optimiser."""
