"""How far an environment lies from all that came before it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def encoding_novelty(vector: NDArray[np.float64], archive: NDArray[np.float64], neighbours: int) -> float:
    """Average the Euclidean distance to the k nearest genomes (arXiv:1901.01753, section 3).

    Args:
        vector: (d,) normalised encoding of the environment.
        archive: (n, d) encodings of every environment ever admitted, active ones included.
        neighbours: k; all of the archive counts while it is smaller.

    Raises:
        ValueError: the archive is empty or of another dimension.
    """
    if archive.ndim != 2 or archive.shape[1:] != vector.shape or not len(archive):
        raise ValueError(f"archive has shape {archive.shape}; it must be (n, {vector.size}), n at least 1")
    distances = np.sqrt(((archive - vector) ** 2).sum(axis=1))
    return float(np.sort(distances)[:neighbours].mean())
