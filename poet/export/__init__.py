"""A run's environments and agents as a curriculum for other programs."""
