"""Holding the hull at an angle that only the reward tells: the walker on flat ground, all worlds at once.

A task is an angle of the hull in rad. It is drawn evenly from ±`HALF_RANGE` and is hidden. Of a step the reward falls
evenly from 1 at the angle to 0 at `HALF_RANGE` beside it. A fall ends the episode, so the rest of it earns nothing.
Whoever does not know the angle earns most by an upright hull: half of all there is, on average, if it never moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments import FLAT
from meta_learners.families.environments import EnvironmentFamily
from meta_learners.families.family import Step, Worlds

HALF_RANGE = 0.5  # rad
ANGLE = 0  # where a walker's observation has the hull's angle, rad

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


class HullAngles:
    """The family of all angles; every split draws from the same range.

    Args:
        episode_limit: steps before truncation.
        told: append the angle, in units of `HALF_RANGE`, to observations.
    """

    name = "hull-angle"

    def __init__(self, episode_limit: int = 100, *, told: bool = False) -> None:
        self.episode_limit, self.told = episode_limit, told
        self._walkers = EnvironmentFamily("walker2d", {"train": [FLAT]}, episode_limit=episode_limit)
        self.observation_size = self._walkers.observation_size + told
        self.actions = self._walkers.actions

    def sample_tasks(self, count: int, generator: np.random.Generator, split: str = "train") -> list[float]:
        """Draw angles, rad."""
        return [float(angle) for angle in generator.uniform(-HALF_RANGE, HALF_RANGE, count)]

    def worlds(self, count: int) -> HullWorlds:
        """Make worlds that step together."""
        return HullWorlds(self._walkers.worlds(count), told=self.told)


class HullWorlds:
    """Walkers on flat ground, each with its angle to hold."""

    def __init__(self, walkers: Worlds[Any], *, told: bool) -> None:
        self.num_envs, self.close = walkers.num_envs, walkers.close
        self._walkers, self._told = walkers, told
        walkers.set_tasks([FLAT] * self.num_envs)
        self._coming: Floats = np.zeros(self.num_envs)  # of the episodes that begin next, rad
        self._angles: Floats = np.zeros(self.num_envs)  # of those under way
        self._over: Booleans = np.zeros(self.num_envs, dtype=np.bool_)

    def set_tasks(self, tasks: Sequence[float]) -> None:
        """Give every world its angle, from the next reset on."""
        self._coming = np.array(tasks, dtype=np.float64)

    def reset(
        self, *, seed: Sequence[int], options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start anew, all worlds or those of `options["reset_mask"]`."""
        observations, infos = self._walkers.reset(seed=seed, options=options)
        self._begin((options or {}).get("reset_mask", np.ones(self.num_envs, dtype=np.bool_)))
        return self._seen(observations), infos

    def step(self, actions: NDArray[np.float32]) -> Step:
        """Act in every world; one whose episode is over begins anew instead."""
        began = self._over
        observations, _, terminations, truncations, infos = self._walkers.step(actions)
        self._begin(began)
        missed = np.abs(observations[:, ANGLE] - self._angles) / HALF_RANGE
        rewards = np.where(began | terminations, 0.0, np.maximum(1.0 - missed, 0.0))
        self._over = terminations | truncations
        return self._seen(observations), rewards, terminations, truncations, infos

    def _begin(self, which: Booleans) -> None:
        self._angles = np.where(which, self._coming, self._angles)
        self._over = self._over & ~which

    def _seen(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        if not self._told:
            return observations
        return np.column_stack([observations, self._angles / HALF_RANGE]).astype(np.float32)
