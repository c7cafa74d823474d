"""Curves drawn from a Gaussian process with a squared-exponential kernel whose length and scale are drawn, too.

The protocol of neural processes (Lee et al. 2020, arXiv:2008.02956): x in [-2, 2], length in [.1, .6], scale in
[.1, 1], noise of deviation .02, 3 to 46 points of context. How well the exact process does that knows a task's kernel
bounds what can be learned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from environments.settings import Bounds, check_bounds
from meta_learners.episodes import Examples, FamilyKind, TaskBatch, check_split
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.predictions import Numbers
from meta_learners.problems.numbers import uniform

__all__ = ["KIND", "CurveSettings", "Curves", "process"]

INPUTS, LENGTHS, SCALES, NOISE = (-2.0, 2.0), (0.1, 0.6), (0.1, 1.0), 0.02
JITTER = 1e-6  # of variance, so that nearly equal points can be factored
GRID = 10  # lengths by scales that the process tries where it must infer them


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveSettings:
    """The size of a task."""

    shots: Annotated[int, Bounds(0, 1000)] = 0  # points of context in every task; drawn, 3 to 46, when 0
    queries: Annotated[int, Bounds(1, 1000)] = 50  # points to be judged on

    def __post_init__(self) -> None:
        check_bounds(self)


LEAST, MOST = 3, 46  # points of context where they are drawn


class Curves:
    """The family."""

    name = "curves"
    splits = ("train", "test")  # of one distribution, drawn by other keys
    input_shape = (1,)
    ways = None
    target_size = 1

    def __init__(self, settings: CurveSettings) -> None:
        self.settings = settings

    def draw(self, count: int, split: str, key: Key) -> TaskBatch:
        """Draw tasks, each with as many points of context as it draws."""
        check_split(self.name, self.splits, split)
        generator = torch_generator((*key, self.splits.index(split), Stream.TASKS))
        shots = self.settings.shots or MOST
        length, scale = (uniform(generator, *ends, count, 1, 1).double() for ends in (LENGTHS, SCALES))
        inputs = uniform(generator, *INPUTS, count, shots + self.settings.queries, 1)
        covariance = kernel(inputs.double(), inputs.double(), length, scale)
        covariance += (NOISE**2 + JITTER) * torch.eye(inputs.shape[1], dtype=torch.float64)
        white = torch.randn(count, inputs.shape[1], 1, generator=generator, dtype=torch.float64)
        values = (torch.linalg.cholesky(covariance) @ white).float()
        least = self.settings.shots or LEAST
        sizes = torch.randint(least, shots + 1, (count, 1), generator=generator)
        support = Examples(inputs[:, :shots].clone(), values[:, :shots].clone(), torch.arange(shots) < sizes)
        return TaskBatch(support, Examples(inputs[:, shots:].clone(), values[:, shots:].clone()))

    def rivals(self, batch: TaskBatch) -> dict[str, Numbers]:
        """Predict by the process that infers a task's kernel from its context, by Bayes on a grid: what is optimal."""
        places = [(low + (high - low) * (torch.arange(GRID) + 0.5) / GRID).double() for low, high in (LENGTHS, SCALES)]
        evidence, means, deviations = [], [], []
        for length, scale in torch.cartesian_prod(*places).tolist():
            told, mean, deviation = process(batch, torch.tensor(length), torch.tensor(scale))
            evidence.append(told)
            means.append(mean)
            deviations.append(deviation)
        # A mixture of a process a kernel: one normal distribution of its moments would say less.
        weights = torch.stack(evidence).log_softmax(0)
        return {"exact process": Numbers(torch.stack(means).float(), torch.stack(deviations).float(), weights.float())}


def kernel(one: Tensor, other: Tensor, length: Tensor, scale: Tensor) -> Tensor:
    """Give covariances (M, K, L) of points (M, K, 1) and (M, L, 1)."""
    return scale.square() * torch.exp(-0.5 * ((one - other.transpose(1, 2)) / length).square())


def process(batch: TaskBatch, length: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Condition the exact process of a kernel on every support.

    Args:
        batch: of this family.
        length: of the kernel, for all tasks or (M, 1, 1).
        scale: of the kernel, likewise.

    Returns:
        The log evidence of each support (M,), and mean and deviation of each query with its noise (M, Q, 1); float64.
    """
    there = batch.support.present[..., None].double()
    points, values = batch.support.inputs.double(), batch.support.targets.double() * there
    pairs = there @ there.transpose(1, 2)
    # A point that is not there is one of variance 1 that goes with no other and is worth 0: it tells nothing.
    own = torch.diag_embed((NOISE**2 + JITTER) * there[..., 0] + (1 - there[..., 0]))
    factor = torch.linalg.cholesky(kernel(points, points, length, scale) * pairs + own)
    white = torch.linalg.solve_triangular(factor, values, upper=False)
    count = there.sum((1, 2))
    logs = factor.diagonal(dim1=1, dim2=2).log().sum(1)
    evidence = -0.5 * white.square().sum((1, 2)) - logs - 0.5 * count * math.log(2 * math.pi)
    across = kernel(points, batch.query.inputs.double(), length, scale) * there
    projected = torch.linalg.solve_triangular(factor, across, upper=False)  # (M, S, Q)
    mean = projected.transpose(1, 2) @ white
    variance = scale.square() + NOISE**2 - projected.square().sum(1)[..., None]
    return evidence, mean, variance.clamp(min=NOISE**2).sqrt()


KIND = FamilyKind(settings=CurveSettings, make=lambda settings, source: Curves(settings))
