"""Many small trainings side by side: learners by teachers by curricula by seeds, and one table of what they came to."""
