"""Distributions of actions: normal for continuous actions, categorical for choices.

A head turns the numbers that a network puts out into actions, their log
probabilities, divergences and entropies. Actions come from noise that the
caller drew, so a rollout draws once and runs under any transform.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from meta_learners.acting import Actions, Head


def head_of(actions: Actions) -> Head:
    """Choose the head that fits the actions of a family."""
    return Categorical(actions.size) if actions.discrete else Normal(actions.size)


@dataclass(frozen=True)
class Normal:
    """Independent normal distributions; the numbers are the means, then the logarithms of the deviations."""

    size: int

    @property
    def numbers(self) -> int:
        return 2 * self.size

    @property
    def spread(self) -> int:
        return self.size

    @property
    def noise_size(self) -> int:
        return self.size

    def noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return torch.randn(*shape, self.size, generator=generator)

    def act(self, numbers: Tensor, noise: Tensor) -> Tensor:
        mean, log_deviation = numbers.chunk(2, -1)
        return mean + log_deviation.exp() * noise

    def best(self, numbers: Tensor) -> Tensor:
        return numbers[..., : self.size]

    def log_probability(self, numbers: Tensor, actions: Tensor) -> Tensor:
        mean, log_deviation = numbers.chunk(2, -1)
        scaled = (actions - mean) * torch.exp(-log_deviation)
        return -(0.5 * scaled.square() + log_deviation).sum(-1) - 0.5 * self.size * math.log(2 * math.pi)

    def divergence(self, old: Tensor, new: Tensor) -> Tensor:
        (old_mean, old_log), (new_mean, new_log) = old.chunk(2, -1), new.chunk(2, -1)
        spread = (torch.exp(2 * old_log) + (old_mean - new_mean).square()) * torch.exp(-2 * new_log)
        return (new_log - old_log + 0.5 * (spread - 1)).sum(-1)

    def entropy(self, numbers: Tensor) -> Tensor:
        return numbers[..., self.size :].sum(-1) + 0.5 * self.size * (1 + math.log(2 * math.pi))


@dataclass(frozen=True)
class Categorical:
    """One of several choices; the numbers are unnormalised log probabilities."""

    size: int

    @property
    def numbers(self) -> int:
        return self.size

    @property
    def spread(self) -> int:
        return 0

    @property
    def noise_size(self) -> int:
        return self.size

    def noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        # Gumbel noise: the largest of logits + noise is a draw from the softmax.
        return -torch.empty(*shape, self.size).exponential_(generator=generator).log()

    def act(self, numbers: Tensor, noise: Tensor) -> Tensor:
        return (numbers + noise).argmax(-1)

    def best(self, numbers: Tensor) -> Tensor:
        return numbers.argmax(-1)

    def log_probability(self, numbers: Tensor, actions: Tensor) -> Tensor:
        return numbers.log_softmax(-1).gather(-1, actions[..., None])[..., 0]

    def divergence(self, old: Tensor, new: Tensor) -> Tensor:
        before, after = old.log_softmax(-1), new.log_softmax(-1)
        return (before.exp() * (before - after)).sum(-1)

    def entropy(self, numbers: Tensor) -> Tensor:
        log = numbers.log_softmax(-1)
        return -(log.exp() * log).sum(-1)


def choice_unread(name: str, family: Any, settings: Any) -> frozenset[str]:
    """Name what no policy reads whose actions are choices: how far continuous ones deviate."""
    return frozenset({"deviation"} if family.actions.discrete else ())
