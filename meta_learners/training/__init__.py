"""A training in a folder, and its test."""
