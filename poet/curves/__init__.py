"""Curves of a run for TensorBoard and Weights & Biases, beside its display."""
