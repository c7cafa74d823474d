"""Tasks as sequences: each example with its label, then a query; for learners that read one after another."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from meta_learners.episodes import TaskBatch, one_hot
from meta_learners.predictions import Logits, Numbers, Prediction

__all__ = ["Sequence", "predicted", "sequence_of", "told_loss"]


@dataclass(frozen=True, slots=True)
class Sequence:
    """M tasks of S examples, those that are not there first, and Q queries, each of which comes after all examples."""

    support: Tensor  # (M, S, *shape)
    labels: Tensor  # (M, S, N) of 0 and 1, or numbers (M, S, o)
    there: Tensor  # (M, S) of 0 and 1
    query: Tensor  # (M, Q, *shape)


def sequence_of(batch: TaskBatch, generator: torch.Generator | None = None) -> Sequence:
    """Lay tasks out in the order of their examples, or in one that is drawn, another for every task."""
    support, present = batch.support, batch.support.present
    labels = support.targets if batch.ways is None else one_hot(support, batch.ways)
    order = torch.arange(present.shape[1], dtype=torch.float32).expand(present.shape).to(present.device)
    if generator is not None:
        order = torch.rand(present.shape, generator=generator).to(present.device)
    # Nothing before the first example is as if there was nothing.
    order = torch.where(present, order, -1.0).argsort(dim=1, stable=True)
    row = torch.arange(len(order), device=order.device)[:, None]
    there = present[row, order]
    inputs, labels = support.inputs[row, order], labels[row, order]
    inputs = torch.where(there.reshape(*there.shape, *(1,) * (inputs.dim() - 2)), inputs, 0)
    labels = torch.where(there[..., None], labels, 0)
    return Sequence(inputs, labels, there.to(inputs.dtype), batch.query.inputs)


def predicted(outputs: Tensor, batch: TaskBatch) -> Prediction:
    """Take outputs (M, Q, o) for logits, or for numbers, whichever a batch asks for."""
    return Numbers.of(outputs) if batch.ways is None else Logits(outputs)


def told_loss(outputs: Tensor, targets: Tensor, present: Tensor) -> Tensor:
    """Give the mean loss of outputs (M, K, o) where something is present (M, K): cross-entropy, or square error."""
    if targets.is_floating_point():
        each = (outputs - targets).square().mean(-1)
    else:
        each = functional.cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)
    return torch.where(present, each, 0).sum() / present.sum().clamp(min=1)
