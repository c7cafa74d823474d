"""Randomness that is addressed by a key, for NumPy and for PyTorch.

Equal keys give equal draws in any order and after any restart, so that no
generator is ever saved. PyTorch's numbers are drawn on the CPU, whatever the
device: a run sees the same noise on either.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch

Key = tuple[int, ...]
"""The seed comes first, then what names the draw, such as the number of the meta-iteration."""


class Stream(IntEnum):
    """What a draw is for: put last in a key, so that draws of one place differ."""

    PARAMETERS = 0
    TASKS = 1
    EPISODES = 2
    ACTIONS = 3
    BATCHES = 4


def numpy_generator(key: Key) -> np.random.Generator:
    """Make NumPy's generator of a key."""
    return np.random.default_rng(_sequence(key))


def torch_generator(key: Key) -> torch.Generator:
    """Make PyTorch's generator of a key, on the CPU."""
    return torch.Generator().manual_seed(int(_sequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1)))


def _sequence(key: Key) -> np.random.SeedSequence:
    seed, *rest = key
    return np.random.SeedSequence(seed, spawn_key=tuple(rest))
