"""POET: the algorithm, its archive, and what people touch."""
