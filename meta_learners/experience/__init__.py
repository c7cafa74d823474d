"""Rollouts of many tasks at once, and what their rewards were worth."""
