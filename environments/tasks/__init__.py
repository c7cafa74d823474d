"""Reading a curriculum, one task's environment, vectors of tasks."""
