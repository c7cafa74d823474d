"""2D point navigation (Finn et al. 2017, arXiv:1703.03400, section 5.3), all worlds at once in NumPy.

A point starts at the origin and is to find a goal that it cannot see, drawn
uniformly from the square of side 1 about the origin. It moves by up to 0.1 along
each axis; the reward is minus the distance to the goal after the move.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meta_learners.acting import Actions
from meta_learners.families.family import Step

Goal = NDArray[np.float64]  # (2,)
HALF_SIDE, LONGEST_MOVE = 0.5, 0.1


class Navigation:
    """The family of all goals; every split draws from the same square."""

    name = "navigation"
    observation_size = 2
    actions = Actions(2, discrete=False)

    def __init__(self, episode_limit: int = 100) -> None:
        self.episode_limit = episode_limit

    def sample_tasks(self, count: int, generator: np.random.Generator, split: str = "train") -> list[Goal]:
        """Draw goals (2,)."""
        return list(generator.uniform(-HALF_SIDE, HALF_SIDE, (count, 2)))

    def worlds(self, count: int) -> NavigationWorlds:
        """Make worlds that step together."""
        return NavigationWorlds(count, self.episode_limit)


class NavigationWorlds:
    """Points, one a world; nothing about an episode is random. Episodes end by the limit alone."""

    def __init__(self, count: int, episode_limit: int) -> None:
        self.num_envs, self.episode_limit = count, episode_limit
        self._goals = np.zeros((count, 2))
        self._points = np.zeros((count, 2))
        self._steps = np.zeros(count, dtype=np.int64)

    def set_tasks(self, tasks: Sequence[Goal]) -> None:
        """Give every world its goal."""
        self._goals[:] = tasks

    def reset(
        self, *, seed: Sequence[int], options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Put points back to the origin."""
        chosen = (options or {}).get("reset_mask", slice(None))
        self._points[chosen] = 0.0
        self._steps[chosen] = 0
        return self._points.astype(np.float32), {}

    def step(self, actions: NDArray[np.float32]) -> Step:
        """Move every point, or put it back where its episode was over."""
        over = self._steps >= self.episode_limit
        self._points += np.clip(actions, -LONGEST_MOVE, LONGEST_MOVE)
        self._points[over] = 0.0
        self._steps = np.where(over, 0, self._steps + 1)
        rewards = np.where(over, 0.0, -np.hypot(*(self._points - self._goals).T))
        never = np.zeros(self.num_envs, dtype=np.bool_)
        return self._points.astype(np.float32), rewards, never, self._steps >= self.episode_limit, {}

    def close(self) -> None:
        """There is nothing to free."""
