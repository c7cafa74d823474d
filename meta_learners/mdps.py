"""Random tabular Markov decision processes, all tasks at once.

The setting of RL² (Duan et al. 2016, arXiv:1611.02779, section 3.2) after Osband et al. 2013: mean rewards N(1, 1)
for every state and action, rewards N(mean, 1), transitions from a flat Dirichlet, episodes of 10 steps from the
first state.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class TabularTasks:
    """So many processes of S states and A actions."""

    means: Tensor  # (n, S, A) of the rewards
    cumulative: Tensor  # (n, S, A, S) probabilities of the next states, summed up

    def __len__(self) -> int:
        return len(self.means)


@dataclass(frozen=True, slots=True)
class TabularMDPs:
    """The family."""

    states: int = 10
    actions: int = 5
    horizon: int = 10

    @property
    def observation_size(self) -> int:
        return self.states

    def sample_tasks(self, count: int, generator: torch.Generator) -> TabularTasks:
        """Draw tasks, where the generator lives."""
        shape, device = (count, self.states, self.actions), generator.device
        means = 1 + torch.randn(shape, generator=generator, device=device)
        # Normalised exponentials are a flat Dirichlet.
        weights = torch.empty(*shape, self.states, device=device).exponential_(generator=generator).cumsum(-1)
        return TabularTasks(means, weights / weights[..., -1:])

    def worlds(self, tasks: TabularTasks, generator: torch.Generator) -> TabularWorlds:
        """Make one world for each task."""
        return TabularWorlds(tasks, self.horizon, generator)


class TabularWorlds:
    """Processes stepped together; an observation is the state, one-hot."""

    def __init__(self, tasks: TabularTasks, horizon: int, generator: torch.Generator) -> None:
        self._tasks = tasks
        self._horizon = horizon
        self._generator = generator
        self._rows = torch.arange(len(tasks), device=tasks.means.device)
        self._states = torch.zeros_like(self._rows)
        self._steps = 0

    def reset(self) -> Tensor:
        """Begin every world in its first state: observations (n, S)."""
        self._states = torch.zeros_like(self._rows)
        self._steps = 0
        return self._observe()

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Act everywhere: observations (n, S), rewards (n,), whether the episode ended (n,) and another began."""
        count, device = len(self._rows), actions.device
        means = self._tasks.means[self._rows, self._states, actions]
        rewards = means + torch.randn(count, generator=self._generator, device=device)
        luck = torch.rand(count, 1, generator=self._generator, device=device)
        cumulative = self._tasks.cumulative[self._rows, self._states, actions]
        following = (luck > cumulative).sum(1).clamp(max=cumulative.shape[1] - 1)
        self._steps += 1
        over = self._steps % self._horizon == 0
        self._states = torch.zeros_like(following) if over else following
        return self._observe(), rewards, torch.full((count,), over, device=device)

    def _observe(self) -> Tensor:
        return torch.nn.functional.one_hot(self._states, self._tasks.means.shape[1]).to(self._tasks.means.dtype)
