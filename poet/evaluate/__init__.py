"""Agents on fixed ground."""
