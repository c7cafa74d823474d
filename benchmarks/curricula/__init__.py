"""Learners on what POET exports, beside learners on random tasks."""
