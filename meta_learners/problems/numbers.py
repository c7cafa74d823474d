"""What the families of functions share: the size of a task, and its layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from environments.settings import Bounds, check_bounds
from meta_learners.episodes import Examples, TaskBatch

__all__ = ["FunctionSettings", "split_examples", "uniform"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSettings:
    """The size of a task."""

    shots: Annotated[int, Bounds(1, 10_000)] = 5  # points to learn from
    queries: Annotated[int, Bounds(1, 10_000)] = 15  # points to be judged on

    def __post_init__(self) -> None:
        check_bounds(self)


def split_examples(inputs: Tensor, targets: Tensor, shots: int) -> TaskBatch:
    """Take the first of a task's examples (M, K, ...) for its support, and the others for its query."""
    support = Examples(inputs[:, :shots].contiguous(), targets[:, :shots].contiguous())
    return TaskBatch(support, Examples(inputs[:, shots:].contiguous(), targets[:, shots:].contiguous()))


def uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    """Draw evenly from an interval."""
    return low + (high - low) * torch.rand(*shape, generator=generator)
