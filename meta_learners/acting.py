"""What passes between worlds, policies and learners: actions, what is seen, who acts, and what came of it.

Networks and sampling both stand on this file, and so need not know each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor

__all__ = ["Actions", "Actor", "Begun", "Head", "Rollout", "Seen"]

M = TypeVar("M")  # what an actor remembers


@dataclass(frozen=True, slots=True)
class Actions:
    """What may be done in one step."""

    size: int  # how many numbers, or how many choices
    discrete: bool  # choices 0, ..., size - 1, given as int64 (n,); otherwise float32 (n, size)


class Head(Protocol):
    """A distribution over actions, described by `numbers` numbers in the last axis."""

    @property
    def numbers(self) -> int:
        """How many numbers describe one distribution."""
        ...

    @property
    def spread(self) -> int:
        """How many of them, the last, need not depend on what is seen."""
        ...

    @property
    def noise_size(self) -> int:
        """How many random numbers make one action."""
        ...

    def noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Draw what `act` needs: (*shape, noise_size)."""
        ...

    def act(self, numbers: Tensor, noise: Tensor) -> Tensor:
        """Give actions: (..., size) or, for choices, int64 (...)."""
        ...

    def best(self, numbers: Tensor) -> Tensor:
        """Give the likeliest actions."""
        ...

    def log_probability(self, numbers: Tensor, actions: Tensor) -> Tensor:
        """Give log densities or probabilities (...)."""
        ...

    def divergence(self, old: Tensor, new: Tensor) -> Tensor:
        """Give KL(old || new) (...)."""
        ...

    def entropy(self, numbers: Tensor) -> Tensor:
        """Give entropies (...), in nats."""
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """What an actor sees before a step, of M tasks in N worlds each.

    All but the first are of the step before, for policies that remember; zeros at the first, and where the step before
    only began an episode.
    """

    observations: Tensor  # (M, N, o) float32
    actions: Tensor  # (M, N, a) float32; choices one-hot
    rewards: Tensor  # (M, N) float32
    ends: Tensor  # (M, N) float32: 1 where the step before ended an episode
    places: Tensor  # (M, N, o) float32: what was observed when those actions were chosen


class Actor(Protocol[M]):
    """Chooses the actions of all worlds. A recurrent one carries its memory from step to step, also across episodes."""

    @property
    def head(self) -> Head:
        """The distribution that it acts by; noise comes from there."""
        ...

    def begin(self, tasks: int, copies: int) -> M:
        """Give the memory to begin with."""
        ...

    def act(self, seen: Seen, noise: Tensor, memory: M) -> tuple[Tensor, Tensor, M]:
        """Choose: actions (M, N, ...), the numbers (M, N, k) of their distributions, and the memory for the next step.

        Called without gradients.
        """
        ...

    def greedy(self) -> Self:
        """Give the same actor, but one that chooses the likeliest actions instead of drawing them."""
        ...


@dataclass(frozen=True, slots=True)
class Begun:
    """How far trials had come before a rollout of worlds that run on, of M tasks in N worlds."""

    episodes: int  # of a trial
    lived: Tensor  # (M, N) int64: its episodes that had ended
    seen: Seen  # before the rollout's first step


@dataclass(frozen=True, slots=True)
class Rollout:
    """What happened, of M tasks in N worlds over T steps; all tensors on the sampler's device.

    Where `valid` is false, the step only began an episode anew, or came after the episodes that were asked for:
    it teaches nothing, and its reward is 0.
    """

    observations: Tensor  # (M, T + 1, N, o) float32; the row after an episode's last step holds its last observation
    actions: Tensor  # (M, T, N, a) float32, or choices (M, T, N) int64
    numbers: Tensor  # (M, T, N, k) float32: the distributions of the actions
    rewards: Tensor  # (M, T, N) float32, to learn from: a fall's may be another than the domain's
    scores: Tensor  # (M, T, N) float32: the domain's own rewards
    valid: Tensor  # (M, T, N) bool
    terminated: Tensor  # (M, T, N) bool: ended for good, worth nothing after
    truncated: Tensor  # (M, T, N) bool: cut off by the limit
    fell: Tensor  # (M, T, N) bool: terminated by a fall, where worlds tell of falls
    carried: Tensor  # (M, N) float32: what the episode that was under way had scored before the first step
    diverged: int  # episodes ended by a number that was not finite
    most_ended: int  # in one world; known to the host, so that nobody has to ask the device
    begun: Begun | None = None  # where trials run on

    @property
    def ends(self) -> Tensor:
        """Where an episode ended (M, T, N)."""
        return self.terminated | self.truncated

    @property
    def falls(self) -> Tensor:
        """The share of the episodes that ended which ended by a fall; 0 where none ended."""
        return self.fell.sum() / self.ends.sum().clamp(min=1)

    def episode_returns(self, episodes: int) -> Tensor:
        """Sum the scores of each world's first episodes: (M, N, episodes), NaN where one did not end."""
        sums, ended = self._by_episode(episodes)
        return torch.where(ended > 0, sums, torch.nan)[:, :episodes].transpose(1, 2)

    def mean_return(self) -> Tensor:
        """Give the mean score of the episodes that ended, with what they brought along; NaN where none ended."""
        sums, ended = self._by_episode(self.most_ended)
        sums[:, 0] += self.carried
        return (sums * ended).sum() / ended.sum()

    def mean_returns(self, begun: Begun) -> Tensor:
        """Give the mean score of each of a trial's episodes, of those that ended here: (episodes,), NaN for none."""
        sums, ended = self._by_episode(self.most_ended)
        sums[:, 0] += self.carried
        number = torch.arange(sums.shape[1], device=sums.device)[:, None] + begun.lived[:, None]
        each = torch.stack([ended * (number % begun.episodes == which) for which in range(begun.episodes)])
        return (sums * each).sum((1, 2, 3)) / each.sum((1, 2, 3))

    def _by_episode(self, episodes: int) -> tuple[Tensor, Tensor]:
        """Sum the scores and the ends of each world's first episodes, and of all after them: (M, episodes + 1, N)."""
        ended = self.ends.long()
        number = (ended.cumsum(1) - ended).clamp(max=episodes)  # later ones share a column
        sums = self.scores.new_zeros(ended.shape[0], episodes + 1, ended.shape[2])
        ends = torch.zeros_like(sums).scatter_add(1, number, ended.to(sums.dtype))
        return sums.scatter_add(1, number, self.scores), ends
