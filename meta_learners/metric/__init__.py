"""Learners that compare: an embedding, and a rule that sorts queries by the support."""
