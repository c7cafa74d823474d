"""Independent normal distributions of all of a network's parameters, for every task."""

from __future__ import annotations

import torch
from torch import Tensor

from meta_learners.networks.policies import Parameters

__all__ = ["Beliefs", "divergence_of", "drawn"]

Beliefs = tuple[Parameters, Parameters]
"""Means and log deviations by name, (M, ...) each."""


def drawn(beliefs: Beliefs, draws: int, generator: torch.Generator) -> Parameters:
    """Draw each task's parameters so many times: (S * M, ...), a draw's tasks behind one another."""
    found = {}
    for name, mean in beliefs[0].items():
        noise = torch.randn(draws, *mean.shape, generator=generator).to(mean)
        found[name] = (mean + beliefs[1][name].exp() * noise).flatten(0, 1)
    return found


def divergence_of(one: Beliefs, other: Beliefs) -> Tensor:
    """Give every task's KL(one || other), summed over all parameters: (M,)."""
    found = []
    for name, mean in one[0].items():
        spread, wide = one[1][name], other[1][name]
        gap = ((mean - other[0][name]) * (-wide).exp()).square()
        each = wide - spread + 0.5 * ((2 * (spread - wide)).exp() + gap - 1)
        found.append(each.flatten(1).sum(1))
    return torch.stack(found).sum(0)
