"""How far an environment lies from all that came before it.

Two ways to place an environment: by its genome (POET, arXiv:1901.01753,
section 3), which only one encoding understands, or by how all agents do in it
(PATA-EC of Enhanced POET, arXiv:2003.08536, section 3.1), which none need to.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evolution.minimal_criterion import MinimalCriterion
from evolution.optimisers.es import centered_ranks

Floats = NDArray[np.float64]


def novelty(place: Floats, archive: Floats, neighbours: int) -> float:
    """Average the Euclidean distance to the k nearest environments.

    Args:
        place: (d,) of the environment.
        archive: (n, d) of every environment ever admitted, active ones included.
        neighbours: k; all of the archive counts while it is smaller.

    Raises:
        ValueError: the archive is empty or of another dimension.
    """
    if archive.ndim != 2 or archive.shape[1:] != place.shape or not len(archive):
        raise ValueError(f"archive has shape {archive.shape}; it must be (n, {place.size}), n at least 1")
    distances = np.sqrt(((archive - place) ** 2).sum(axis=1))
    return float(np.sort(distances)[:neighbours].mean())


def pata_ec(scores: Floats, criterion: MinimalCriterion) -> Floats:
    """Place environments by how they rank all agents: Performance of All Transferred Agents.

    Scores are clipped to the minimal criterion's bounds, so that agents which all fail, or for
    which all is too easy, count as equals; equals share a rank. A single agent ranks at 0.

    Args:
        scores: (agents, environments) of every agent, active and archived.
        criterion: its bounds clip.

    Returns:
        (environments, agents) ranks scaled to [-0.5, 0.5].
    """
    clipped = np.clip(scores, criterion.lower, criterion.upper)
    if len(clipped) < 2:
        return np.zeros(clipped.T.shape)
    return np.stack([centered_ranks(column) for column in clipped.T])
