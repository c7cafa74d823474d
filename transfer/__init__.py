"""Agents moving between environments."""
