"""Learners that tell distributions: how sure they are is part of the answer."""
