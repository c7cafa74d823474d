"""What knows nothing of other tasks: chance, and the nearest example."""

from __future__ import annotations

import torch

from meta_learners.episodes import TaskBatch, one_hot
from meta_learners.predictions import Logits, Numbers, Prediction

__all__ = ["chance", "nearest"]

LEAST_DEVIATION = 1e-3


def chance(batch: TaskBatch) -> Prediction:
    """Predict without a look at the queries: any class, by lot; or the support's mean and deviation."""
    if batch.ways is not None:
        shape = (*batch.query.targets.shape, batch.ways)
        # Without a leaning, so that the accuracy is what even odds give: the first class is right one time in N.
        return Logits(torch.zeros(shape, device=batch.query.inputs.device))
    there = batch.support.present[..., None]
    count = there.sum(1, keepdim=True).clamp(min=1)
    values = torch.where(there, batch.support.targets, 0)
    mean = values.sum(1, keepdim=True) / count
    spread = (torch.where(there, values - mean, 0).square().sum(1, keepdim=True) / count).sqrt()
    shape = batch.query.targets.shape
    return Numbers.of(mean.expand(shape), spread.clamp(min=LEAST_DEVIATION).expand(shape))


def nearest(batch: TaskBatch) -> Prediction:
    """Predict what the nearest example has, by the distance of raw inputs."""
    gaps = torch.cdist(batch.query.inputs.flatten(2), batch.support.inputs.flatten(2))
    gaps = gaps.masked_fill(~batch.support.present[:, None], torch.inf)  # (M, Q, S)
    if batch.ways is None:
        places = gaps.argmin(2)
        return Numbers.of(batch.support.targets.gather(1, places[..., None].expand(batch.query.targets.shape)))
    of_class = one_hot(batch.support, batch.ways).bool()[:, None]
    return Logits(-gaps[..., None].masked_fill(~of_class, torch.inf).amin(2))
