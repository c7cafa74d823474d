"""What the learners make of an archive's own tasks."""
