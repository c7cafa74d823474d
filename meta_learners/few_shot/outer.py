"""What an outer step on few-shot tasks consists of, whoever takes it: a gradient, a check, what is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from meta_learners.episodes import Examples, TaskBatch
from meta_learners.learner import LossError, Metrics
from meta_learners.predictions import Prediction, judge

__all__ = ["entered", "gradient_of", "judged_means", "loss_and_norm"]


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


def entered(batch: TaskBatch, ways: int | None, device: str | torch.device) -> TaskBatch:
    """Take a batch as learners do: on their device, with 0 where no example is.

    Args:
        batch: of any tasks.
        ways: N classes that tasks must have; None where targets must be numbers, 0 for any.
        device: of the learner.

    Raises:
        ValueError: tasks have not as many classes as the learner was made for.
    """
    if ways not in (0, batch.ways):
        raise ValueError(f"tasks have {batch.ways} classes; this learner was made for {ways}")
    moved = batch.to(device)
    return replace(moved, support=moved.support.cleared(), query=moved.query.cleared())
