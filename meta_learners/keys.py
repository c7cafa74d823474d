"""Randomness that is addressed by a key, for NumPy and for PyTorch.

Equal keys give equal draws in any order and after any restart, so that no
generator is ever saved; `evolution.noise` expands them, for everyone. PyTorch's
numbers are drawn on the CPU, whatever the device: a run sees the same noise on
either.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch

from evolution.noise import Key, sequence

__all__ = ["Key", "Stream", "numpy_generator", "torch_generator"]


class Stream(IntEnum):
    """What a draw is for, so that draws of one place differ.

    It comes last in a key, after the seed and what names the place, such as the number of the meta-step: who is handed
    a key may lengthen it before it draws.
    """

    PARAMETERS = 0
    TASKS = 1
    EPISODES = 2
    ACTIONS = 3
    BATCHES = 4
    CHOICES = 5  # of a learner's own, such as what it draws to predict


def numpy_generator(key: Key) -> np.random.Generator:
    """Make NumPy's generator of a key."""
    return np.random.default_rng(sequence(*key))


def torch_generator(key: Key) -> torch.Generator:
    """Make PyTorch's generator of a key, on the CPU."""
    return torch.Generator().manual_seed(int(sequence(*key).generate_state(1, np.uint64)[0] >> np.uint64(1)))
