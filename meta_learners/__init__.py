"""Learners that adapt fast, trained on the tasks of an exported curriculum or of any other family."""
