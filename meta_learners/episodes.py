"""What a few-shot learner is given: tasks as sets of labelled examples, and the families that draw them.

A task is a *support* to learn from and a *query* to be judged on (Vinyals et al. 2016, arXiv:1606.04080). Tensors
hold all tasks of a batch at once, so that no learner needs a loop over tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from environments.tasks.curriculum import Curriculum
from meta_learners.errors import MetaLearningError
from meta_learners.keys import Key
from meta_learners.predictions import Prediction

__all__ = [
    "EpisodeFamily",
    "Examples",
    "FamilyKind",
    "Numbered",
    "Ordered",
    "Published",
    "Rivalled",
    "Source",
    "SplitError",
    "TaskBatch",
    "check_split",
    "one_hot",
    "outputs_of",
]


class SplitError(MetaLearningError, ValueError):
    """A family has no such split, or too little in it."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Labelled examples of M tasks, K of each."""

    inputs: Tensor  # (M, K, *shape) float32
    targets: Tensor  # (M, K, o) float32, or classes (M, K) int64
    mask: Tensor | None = None  # (M, K) bool: which of them there are; all where None

    @property
    def present(self) -> Tensor:
        """Which examples there are (M, K) bool."""
        if self.mask is not None:
            return self.mask
        return torch.ones(self.inputs.shape[:2], dtype=torch.bool, device=self.inputs.device)

    def to(self, device: str | torch.device) -> Self:
        """Move to a device."""
        mask = None if self.mask is None else self.mask.to(device)
        return replace(self, inputs=self.inputs.to(device), targets=self.targets.to(device), mask=mask)

    def cleared(self) -> Self:
        """Put 0 where no example is, which may hold anything, even what is not finite."""
        if self.mask is None:
            return self
        inputs, targets = (
            torch.where(self.mask.reshape(*self.mask.shape, *(1,) * (each.dim() - 2)), each, 0)
            for each in (self.inputs, self.targets)
        )
        return replace(self, inputs=inputs, targets=targets)

    def joined(self, others: Self) -> Self:
        """Put others of the same tasks behind them."""
        pairs = ((getattr(self, name), getattr(others, name)) for name in ("inputs", "targets", "present"))
        return type(self)(*(torch.cat(pair, 1) for pair in pairs))


@dataclass(frozen=True, slots=True)
class TaskBatch:
    """M tasks of one family."""

    support: Examples
    query: Examples
    ways: int | None = None  # N classes, 0 to N - 1 in every task; None where targets are numbers
    classes: Tensor | None = None  # (M, N) int64: which of a `Numbered` family's classes they are

    @property
    def tasks(self) -> int:
        """M."""
        return len(self.query.inputs)

    def to(self, device: str | torch.device) -> Self:
        """Move to a device."""
        classes = None if self.classes is None else self.classes.to(device)
        return replace(self, support=self.support.to(device), query=self.query.to(device), classes=classes)


class EpisodeFamily(Protocol):
    """Draws tasks. All randomness comes from the key."""

    name: str

    @property
    def splits(self) -> tuple[str, ...]:
        """Their names; the first is trained on, and the last is tested on unless told otherwise."""
        ...

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input: (numbers,), (channels, length) or (channels, height, width)."""
        ...

    @property
    def ways(self) -> int | None:
        """How many classes a task has; None where targets are numbers."""
        ...

    @property
    def target_size(self) -> int:
        """How many numbers a target has; 1 for a class."""
        ...

    def draw(self, count: int, split: str, key: Key) -> TaskBatch:
        """Draw tasks of a split.

        Raises:
            SplitError: there is no such split, or it holds too few classes.
        """
        ...


@runtime_checkable
class Rivalled(Protocol):
    """A family that knows rivals of its own: by hand, by the nearest training task, or exact."""

    def rivals(self, batch: TaskBatch) -> Mapping[str, Prediction]:
        """Predict a batch's queries by each of them, by its name."""
        ...


@runtime_checkable
class Ordered(Protocol):
    """A family whose tasks of training may come in an order of their own, such as that of birth."""

    def turn(self, number: int, count: int, key: Key) -> TaskBatch | None:
        """Give the tasks of a meta-step, or None where they are drawn."""
        ...


@runtime_checkable
class Numbered(Protocol):
    """A family that numbers the classes of its train split, and tells them in `TaskBatch.classes`."""

    @property
    def train_classes(self) -> int:
        """How many there are."""
        ...


@runtime_checkable
class Published(Protocol):
    """A family that has splits of published tasks, which are the same whatever its settings and the key."""

    def published(self, split: str) -> int | None:
        """Say how many tasks such a split has; None of one whose tasks are drawn."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """Where a family's tasks come from, besides chance."""

    curriculum: Curriculum | None = None
    data: Path | None = None  # a folder of files that the user downloaded


@dataclass(frozen=True, kw_only=True)
class FamilyKind:
    """What an entry point of the group `poet.families` names: all that it takes to make a family by name."""

    settings: type[Any]  # a frozen dataclass whose fields all have defaults
    make: Callable[[Any, Source], EpisodeFamily]  # raises ValueError or MetaLearningError where the source will not do
    needs: str | None = None  # "curriculum", "data", or nothing
    # The sha256 of what it reads, where that is not a curriculum: a training is tied to it.
    fingerprint: Callable[[Any, Source], str] = lambda settings, source: ""
    variable: str | None = None  # environment variable that names its data's folder


def outputs_of(family: EpisodeFamily) -> int:
    """Say how many numbers a learner puts out for an example: a target's, or one for each class."""
    return family.target_size if family.ways is None else family.ways


def check_split(family: str, splits: tuple[str, ...], split: str) -> None:
    """Raise SplitError unless a family has a split."""
    if split not in splits:
        raise SplitError(f"split is {split!r}; {family} has {', '.join(splits)}")


def one_hot(examples: Examples, ways: int) -> Tensor:
    """Write classes as (M, K, N) float32 of 0 and 1; an example that is not there has only 0."""
    table = torch.nn.functional.one_hot(examples.targets, ways)
    return (table * examples.present[..., None]).to(examples.inputs.dtype)
