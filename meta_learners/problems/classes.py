"""N-way K-shot episodes from a table of classes and their examples, for every family that sorts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from environments.settings import Bounds, check_bounds
from meta_learners.episodes import Examples, SplitError, TaskBatch

__all__ = ["EpisodeSettings", "batch_of", "choose_classes", "choose_examples"]

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSettings:
    """The size of a task."""

    ways: Annotated[int, Bounds(2, 1000)] = 5  # classes
    shots: Annotated[int, Bounds(1, 1000)] = 1  # examples of each to learn from
    queries: Annotated[int, Bounds(1, 1000)] = 5  # examples of each to be judged on

    def __post_init__(self) -> None:
        check_bounds(self)


def choose_classes(
    classes: int,
    count: int,
    ways: int,
    rng: np.random.Generator,
    where: str,
    first: NDArray[np.bool_] | None = None,
) -> Integers:
    """Choose each task's classes (count, ways), none twice in a task.

    Args:
        classes: that there are.
        count: of tasks.
        ways: classes of a task.
        rng: chooses.
        where: names the place in errors.
        first: (count, classes), those that each task takes before any other; all alike when None.

    Raises:
        SplitError: there are fewer.
    """
    if classes < ways:
        raise SplitError(f"{where} has {classes} classes, too few for ways={ways}; lower ways")
    places = rng.random((count, classes))
    return np.argsort(places if first is None else places - first, axis=1)[:, :ways]


def choose_examples(available: int, shape: tuple[int, int], number: int, rng: np.random.Generator) -> Integers:
    """Choose examples of each class of each task, (*shape, number), none twice.

    Raises:
        SplitError: a class has fewer.
    """
    if available < number:
        raise SplitError(f"a class has {available} examples, too few for shots + queries = {number}; lower them")
    return np.argsort(rng.random((*shape, available)), axis=2)[..., :number]


def batch_of(drawn: Tensor, settings: EpisodeSettings, classes: Integers) -> TaskBatch:
    """Lay out examples (M, N, shots + queries, *shape) of classes (M, N): first the support's; classes by turns."""
    tasks, ways = drawn.shape[:2]

    def side(part: Tensor) -> Examples:
        turned = part.transpose(1, 2)  # so that class is the fastest index
        labels = torch.arange(ways).expand(tasks, part.shape[2], ways)
        return Examples(turned.reshape(tasks, -1, *part.shape[3:]), labels.reshape(tasks, -1).contiguous())

    support, query = drawn[:, :, : settings.shots], drawn[:, :, settings.shots :]
    return TaskBatch(side(support), side(query), ways, torch.from_numpy(classes))
