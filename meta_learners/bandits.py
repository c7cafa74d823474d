"""Bernoulli bandits, all tasks at once: the smallest problem in which exploring pays.

The setting of RL² (Duan et al. 2016, arXiv:1611.02779, section 3.1): arms pay 1 with probabilities drawn from
U(0, 1). A pull is an episode of one step; a trial is a number of pulls on one bandit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Bandits:
    """The family; a task is its arms' probabilities (arms,)."""

    arms: int = 5

    observation_size = 0
    horizon = 1

    @property
    def actions(self) -> int:
        return self.arms

    def sample_tasks(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw tasks (count, arms), where the generator lives."""
        return torch.rand(count, self.arms, generator=generator, device=generator.device)

    def worlds(self, tasks: Tensor, generator: torch.Generator) -> BanditWorlds:
        """Make one world for each row of tasks."""
        return BanditWorlds(tasks, generator)


class BanditWorlds:
    """Bandits played together; there is nothing to observe."""

    def __init__(self, tasks: Tensor, generator: torch.Generator) -> None:
        self._tasks = tasks
        self._generator = generator
        self._nothing = tasks.new_zeros(len(tasks), 0)
        self._ended = torch.ones(len(tasks), dtype=torch.bool, device=tasks.device)

    def reset(self) -> Tensor:
        """Begin: observations (n, 0)."""
        return self._nothing

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pull an arm in every world: observations (n, 0), rewards (n,), whether the episode ended (n,)."""
        chances = self._tasks.gather(1, actions[:, None])[:, 0]
        luck = torch.rand(len(chances), generator=self._generator, device=chances.device)
        return self._nothing, (luck < chances).to(chances.dtype), self._ended
