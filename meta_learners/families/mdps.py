"""Random tabular Markov decision processes, all tasks at once.

The setting of RL² (Duan et al. 2016, arXiv:1611.02779, section 3.2) after Osband et al. 2013: mean rewards N(1, 1)
for every state and action, rewards N(mean, 1), transitions from a flat Dirichlet, episodes of 10 steps from the
first state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meta_learners.acting import Actions
from meta_learners.families.family import Step

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TabularTask:
    """A process of S states and A actions."""

    means: Floats  # (S, A) of the rewards
    transitions: Floats  # (S, A, S) probabilities

    def best_return(self, horizon: int) -> float:
        """Give the expected return of the best policy that knows the task, by value iteration."""
        values = np.zeros(len(self.means))
        for _ in range(horizon):
            values = (self.means + self.transitions @ values).max(1)
        return float(values[0])


class TabularMDPs:
    """The family. Every split has the same distribution."""

    name = "tabular-mdps"

    def __init__(self, states: int = 10, actions: int = 5, horizon: int = 10) -> None:
        self.observation_size = states
        self.actions = Actions(actions, discrete=True)
        self.episode_limit = horizon

    def sample_tasks(self, count: int, generator: np.random.Generator, split: str = "train") -> list[TabularTask]:
        """Draw tasks."""
        shape = (count, self.observation_size, self.actions.size)
        means = generator.normal(1.0, 1.0, shape)
        transitions = generator.dirichlet(np.ones(self.observation_size), shape)
        return [TabularTask(*each) for each in zip(means, transitions, strict=True)]

    def worlds(self, count: int) -> TabularWorlds:
        """Make worlds that step together."""
        return TabularWorlds(count, self.observation_size, self.episode_limit)


class TabularWorlds:
    """Processes stepped together; an observation is the state, one-hot."""

    def __init__(self, count: int, states: int, horizon: int) -> None:
        self.num_envs = count
        self._horizon = horizon
        self._rows = np.arange(count)
        self._one_hot = np.eye(states, dtype=np.float32)
        self._states = np.zeros(count, dtype=np.int64)
        self._done = np.zeros(count, dtype=np.int64)  # steps of the episode under way
        self._generator = np.random.default_rng(0)
        self._means: Floats = np.zeros((count, states, 1))
        self._cumulative: Floats = np.ones((count, states, 1, states))

    def set_tasks(self, tasks: Sequence[TabularTask]) -> None:
        """Give every world its task."""
        self._means = np.stack([task.means for task in tasks])
        self._cumulative = np.stack([task.transitions for task in tasks]).cumsum(-1)

    def reset(
        self, *, seed: Sequence[int], options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start anew, all worlds or those of `options["reset_mask"]`; all seeds together decide on all chances."""
        if options is None:
            self._generator = np.random.default_rng(list(seed))
        mask = np.ones(self.num_envs, dtype=np.bool_) if options is None else options["reset_mask"]
        self._states[mask] = self._done[mask] = 0
        return self._one_hot[self._states], {}

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Act in every world; one whose episode is over begins anew instead."""
        resets = self._done == self._horizon
        place = (self._rows, self._states, actions)
        rewards = np.where(resets, 0.0, self._means[place] + self._generator.standard_normal(self.num_envs))
        # Less than the last sum, which rounding may leave short of 1.
        luck = self._generator.random(self.num_envs) * self._cumulative[place][:, -1]
        following = (luck[:, None] >= self._cumulative[place]).sum(1)
        self._states = np.where(resets, 0, following)
        self._done = np.where(resets, 0, self._done + 1)
        ended = self._done == self._horizon
        return self._one_hot[self._states], rewards, ended, np.zeros_like(ended), {}

    def close(self) -> None:
        """There is nothing to free."""
