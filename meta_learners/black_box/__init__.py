"""Learners that adapt within a network's memory, or not at all."""
