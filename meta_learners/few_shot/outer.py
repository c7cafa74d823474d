"""What an outer step on few-shot tasks consists of, whoever takes it: a gradient, a check, what is told of it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from meta_learners.episodes import Examples, TaskBatch
from meta_learners.learner import LossError, Metrics
from meta_learners.predictions import Prediction, judge

__all__ = ["check_ways", "gradient_of", "judged_means", "loss_and_norm"]


def gradient_of(value: Tensor, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Differentiate a scalar by named parameters; 0 of those that it does not depend on."""
    slopes = torch.autograd.grad(value, list(parameters.values()), allow_unused=True)
    return {
        name: torch.zeros_like(each) if slope is None else slope
        for (name, each), slope in zip(parameters.items(), slopes, strict=True)
    }


def loss_and_norm(loss: Tensor, gradient: Mapping[str, Tensor], called: str = "loss") -> tuple[float, float]:
    """Read a loss and its gradient's norm, in one reading of the device.

    Raises:
        LossError: either is not finite.
    """
    norm = torch.stack([each.norm() for each in gradient.values()]).norm()
    figures: list[float] = torch.stack([loss.detach(), norm]).tolist()
    if not torch.tensor(figures).isfinite().all():
        raise LossError(f"the {called} is {figures[0]} and its gradient's norm {figures[1]}")
    return figures[0], figures[1]


def judged_means(prediction: Prediction, query: Examples) -> Metrics:
    """Judge what was told of queries: means over tasks, by name."""
    with torch.no_grad():
        judged = judge(prediction, query.targets, query.present)
    return {name: float(each.mean()) for name, each in judged.items()}


def check_ways(batch: TaskBatch, ways: int | None) -> None:
    """Raise ValueError unless tasks have as many classes as a learner was made for."""
    if ways != batch.ways:
        raise ValueError(f"tasks have {batch.ways} classes; this learner was made for {ways}")
