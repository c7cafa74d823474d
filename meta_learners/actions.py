"""Distributions of actions: numbers of a choice, or vectors of reals, from a policy's outputs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

LOG_DEVIATIONS = (-2.5, 0.5)  # bounds on what a policy may ask for
FIRST_LOG_DEVIATION = -0.5


class Actions(Protocol):
    """What can be done, and how a policy's outputs describe its choice; batches in front of the last axis."""

    @property
    def outputs(self) -> int:
        """How many numbers describe a distribution."""
        ...

    @property
    def seen(self) -> int:
        """How many numbers show an action to a policy."""
        ...

    def sample(self, outputs: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw actions; without a generator the likeliest."""
        ...

    def log_probability(self, outputs: Tensor, actions: Tensor) -> Tensor:
        """Give the log density of actions."""
        ...

    def entropy(self, outputs: Tensor) -> Tensor:
        """Give each distribution's entropy in nats."""
        ...

    def show(self, actions: Tensor) -> Tensor:
        """Write actions as a policy sees them."""
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """One of `count` actions; outputs are unnormalised log probabilities."""

    count: int

    @property
    def outputs(self) -> int:
        return self.count

    @property
    def seen(self) -> int:
        return self.count

    def sample(self, outputs: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw by the Gumbel-max trick: without the host, which `torch.multinomial` waits for."""
        if generator is None:
            return outputs.argmax(-1)
        waiting = torch.empty_like(outputs).exponential_(generator=generator)
        return (outputs - waiting.log()).argmax(-1)

    def log_probability(self, outputs: Tensor, actions: Tensor) -> Tensor:
        return functional.log_softmax(outputs, -1).gather(-1, actions[..., None])[..., 0]

    def entropy(self, outputs: Tensor) -> Tensor:
        logs = functional.log_softmax(outputs, -1)
        return -(logs.exp() * logs).sum(-1)

    def show(self, actions: Tensor) -> Tensor:
        return functional.one_hot(actions, self.count).float()


@dataclass(frozen=True, slots=True)
class Reals:
    """Vectors of `size` reals, independent and normal; outputs are means, then log deviations."""

    size: int

    @property
    def outputs(self) -> int:
        return 2 * self.size

    @property
    def seen(self) -> int:
        return self.size

    def sample(self, outputs: Tensor, generator: torch.Generator | None) -> Tensor:
        mean, log_deviation = self._parameters(outputs)
        if generator is None:
            return mean
        noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
        return mean + log_deviation.exp() * noise

    def log_probability(self, outputs: Tensor, actions: Tensor) -> Tensor:
        mean, log_deviation = self._parameters(outputs)
        standard = (actions - mean) / log_deviation.exp()
        return -(standard.square() / 2 + log_deviation + math.log(2 * math.pi) / 2).sum(-1)

    def entropy(self, outputs: Tensor) -> Tensor:
        _, log_deviation = self._parameters(outputs)
        return (log_deviation + (1 + math.log(2 * math.pi)) / 2).sum(-1)

    def show(self, actions: Tensor) -> Tensor:
        return actions

    def _parameters(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw = outputs.chunk(2, -1)
        return mean, (raw + FIRST_LOG_DEVIATION).clamp(*LOG_DEVIATIONS)
