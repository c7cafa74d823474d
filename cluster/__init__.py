"""Where work items run. Knows nothing of evolution or environments."""
