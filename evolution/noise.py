"""Randomness that is addressed, not consumed: a key names the draw.

Equal seed and key give equal numbers on any machine, in any order, after any
restart, so neither generators nor noise are ever saved or sent. Keys expand by
`numpy.random.SeedSequence`; perturbations come from the counter-based Philox
generator (Salmon et al. 2011), one counter block a member, in place of the
shared noise table of Salimans et al. 2017.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Key = tuple[int, ...]


class Stream(IntEnum):
    """What a draw is for: the first number of every key."""

    INITIAL_THETA = 0
    PERTURBATION = 1
    EPISODE = 2
    CHILD = 3
    FIXED_EPISODE = 4
    OPTIMISER = 5


def sequence(seed: int, *key: int) -> np.random.SeedSequence:
    """Expand a key of any numbers; here a `Stream` comes first, in `meta_learners.keys` its own last."""
    return np.random.SeedSequence(seed, spawn_key=key)


def keyed_rng(seed: int, stream: Stream, *key: int) -> np.random.Generator:
    """Make the generator of one key."""
    return np.random.default_rng(sequence(seed, stream, *key))


def directions(seed: int, key: Key, start: int, stop: int, size: int) -> NDArray[np.float32]:
    """Draw standard normal directions number `start` to `stop` of a key: (stop - start, size)."""
    philox_key = sequence(seed, Stream.PERTURBATION, *key).generate_state(2, np.uint64)
    drawn = np.empty((stop - start, size), dtype=np.float32)
    for row, member in zip(drawn, range(start, stop), strict=True):
        philox = np.random.Philox(key=philox_key, counter=np.array([0, 0, 0, member], dtype=np.uint64))
        np.random.Generator(philox).standard_normal(dtype=np.float32, out=row)
    return drawn


def episode_seeds(seed: int, key: Key, start: int, stop: int) -> NDArray[np.uint64]:
    """Give the seeds of episodes number `start` to `stop` of a key: (stop - start,)."""
    first = sequence(seed, Stream.EPISODE, *key).generate_state(1, np.uint64)
    # Consecutive numbers: the simulators scramble seeds themselves. Wrap-around is meant.
    return np.asarray(first + np.arange(start, stop, dtype=np.uint64), dtype=np.uint64)


def fixed_episode_seeds(environment_seed: int, episodes: int) -> NDArray[np.uint64]:
    """Give the seed of the one episode that an environment has where its start is fixed, so many times: (episodes,)."""
    return np.repeat(sequence(environment_seed, Stream.FIXED_EPISODE).generate_state(1, np.uint64), episodes)
