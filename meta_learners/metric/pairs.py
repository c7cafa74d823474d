"""What learners of "the same class or not" share: the loss of pairs, and the class of the likeliest example."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from meta_learners.episodes import TaskBatch, one_hot
from meta_learners.predictions import Logits

__all__ = ["balanced", "nearest_class", "pair_loss"]


def pair_loss(logits: Tensor, batch: TaskBatch) -> Tensor:
    """Give the binary cross-entropy of all pairs of query and support, from their logits (M, Q, S)."""
    alike = (batch.query.targets[:, :, None] == batch.support.targets[:, None]).to(logits.dtype)
    counted = batch.query.present[:, :, None] & batch.support.present[:, None]
    losses = nn.functional.binary_cross_entropy_with_logits(logits, alike, reduction="none")
    return (losses * balanced(alike, counted)).sum()


def balanced(alike: Tensor, counted: Tensor) -> Tensor:
    """Give weights that sum to 1, to a half over the pairs of the same class; pairs that do not count weigh 0."""
    same, other = alike * counted, (1 - alike) * counted
    return 0.5 * (same / same.sum().clamp(min=1) + other / other.sum().clamp(min=1))


def nearest_class(pairs: Tensor, batch: TaskBatch) -> Logits:
    """Give each class the logit of its example that is most likely the same (M, Q, N)."""
    assert batch.ways is not None
    of_class = one_hot(batch.support, batch.ways).bool()[:, None]  # (M, 1, S, N)
    floor = torch.finfo(pairs.dtype).min / 4
    return Logits(pairs[..., None].masked_fill(~of_class, floor).amax(2))
