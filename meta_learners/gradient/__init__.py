"""Learners that adapt by gradients."""
