"""Quadratic functions to minimise (Andrychowicz et al. 2016, arXiv:1606.04474, section 3.1).

The function |W t - y|² of t is a linear regression: rows of W are inputs, and y are targets. A task's query is its
support, for the question is how far down a learner comes, not what else it can tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch

from environments.settings import Bounds, check_bounds
from meta_learners.episodes import Examples, FamilyKind, TaskBatch, check_split
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.predictions import Numbers

__all__ = ["KIND", "QuadraticSettings", "Quadratics"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuadraticSettings:
    """The size of a task."""

    dimensions: Annotated[int, Bounds(1, 1000)] = 10
    even: bool = False  # W and y even in [0, 1], as in the authors' code; normal, as in the paper, if not

    def __post_init__(self) -> None:
        check_bounds(self)


class Quadratics:
    """The family."""

    name = "quadratics"
    splits = ("train", "test")  # of one distribution, drawn by other keys
    ways = None
    target_size = 1

    def __init__(self, settings: QuadraticSettings) -> None:
        self.settings = settings

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.settings.dimensions,)

    def draw(self, count: int, split: str, key: Key) -> TaskBatch:
        """Draw tasks."""
        check_split(self.name, self.splits, split)
        generator = torch_generator((*key, self.splits.index(split), Stream.TASKS))
        size = self.settings.dimensions
        draw = torch.rand if self.settings.even else torch.randn
        examples = Examples(draw(count, size, size, generator=generator), draw(count, size, 1, generator=generator))
        return TaskBatch(examples, examples)

    def rivals(self, batch: TaskBatch) -> dict[str, Numbers]:
        """Predict from the starting point 0, and from the least squares solution."""
        found = torch.linalg.lstsq(batch.support.inputs.double(), batch.support.targets.double()).solution
        exact = (batch.query.inputs.double() @ found).float()
        return {"starting point": Numbers.of(torch.zeros_like(batch.query.targets)), "least squares": Numbers.of(exact)}


KIND = FamilyKind(settings=QuadraticSettings, make=lambda settings, source: Quadratics(settings))
