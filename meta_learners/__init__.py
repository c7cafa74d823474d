"""Learners over an exported curriculum; none is written yet."""
