"""Losses of networks whose parameters are stacked over tasks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from meta_learners.episodes import Examples
from meta_learners.networks.adaptable import Adaptable
from meta_learners.networks.policies import Parameters

__all__ = ["task_losses"]


def task_losses(network: Adaptable, ways: int | None, parameters: Parameters, examples: Examples) -> Tensor:
    """Give every task's mean loss (M,) by stacked parameters: squared errors, or cross-entropies of N classes."""
    there = examples.present
    # What is not there may be anything, even not finite.
    told = network(parameters, torch.where(there[..., None], examples.inputs.flatten(2), 0))
    if ways is None:
        losses = (told - torch.where(there[..., None], examples.targets, 0)).square().mean(-1)
    else:
        losses = nn.functional.cross_entropy(told.flatten(0, 1), examples.targets.flatten(), reduction="none")
    return torch.where(there, losses.reshape(there.shape), 0).sum(1) / there.sum(1).clamp(min=1)
