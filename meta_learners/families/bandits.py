"""Bernoulli bandits, all tasks at once: the smallest problem in which exploring pays.

The setting of RL² (Duan et al. 2016, arXiv:1611.02779, section 3.1): arms pay 1 with probabilities drawn from
U(0, 1). An episode is a number of pulls on one bandit, and nothing but the reward tells the bandits apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meta_learners.acting import Actions
from meta_learners.families.family import Step

Floats = NDArray[np.float64]


class BernoulliBandits:
    """The family; a task is its arms' probabilities (arms,). Every split has the same distribution."""

    name = "bernoulli-bandits"
    observation_size = 1

    def __init__(self, arms: int = 5, pulls: int = 10) -> None:
        self.actions = Actions(arms, discrete=True)
        self.episode_limit = pulls

    def sample_tasks(self, count: int, generator: np.random.Generator, split: str = "train") -> list[Floats]:
        """Draw tasks."""
        return list(generator.random((count, self.actions.size)))

    def worlds(self, count: int) -> BanditWorlds:
        """Make worlds that step together."""
        return BanditWorlds(count, self.episode_limit)


class BanditWorlds:
    """Bandits pulled together; an observation is the constant 1."""

    def __init__(self, count: int, pulls: int) -> None:
        self.num_envs = count
        self._pulls = pulls
        self._chances = np.zeros((count, 1))
        self._done = np.zeros(count, dtype=np.int64)  # pulls of the episode under way
        self._generator = np.random.default_rng(0)
        self._constant = np.ones((count, 1), dtype=np.float32)

    def set_tasks(self, tasks: Sequence[Floats]) -> None:
        """Give every world its task."""
        self._chances = np.stack(tasks)

    def reset(
        self, *, seed: Sequence[int], options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start anew, all worlds or those of `options["reset_mask"]`; all seeds together decide on all luck."""
        if options is None:
            self._generator = np.random.default_rng(list(seed))
        mask = np.ones(self.num_envs, dtype=np.bool_) if options is None else options["reset_mask"]
        self._done[mask] = 0
        return self._constant, {}

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Pull an arm in every world; one whose episode is over begins anew instead."""
        resets = self._done == self._pulls
        chances = self._chances[np.arange(self.num_envs), actions]
        rewards = (self._generator.random(self.num_envs) < chances) & ~resets
        self._done = np.where(resets, 0, self._done + 1)
        return self._constant, rewards.astype(np.float64), self._done == self._pulls, np.zeros_like(resets), {}

    def close(self) -> None:
        """There is nothing to free."""
