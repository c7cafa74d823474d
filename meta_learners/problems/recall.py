"""Patterns to remember and to complete (Miconi, Clune and Stanley 2018, arXiv:1804.02464, section 4.1).

A task shows some patterns of bits, -1 and 1; a query is one of them with some bits erased to 0, and all are asked
for. Hopfield's rule, without any learning over tasks, is the rival.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch

from environments.settings import Bounds, check_bounds
from meta_learners.episodes import Examples, FamilyKind, TaskBatch, check_split
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.predictions import Numbers

__all__ = ["KIND", "Recall", "RecallSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallSettings:
    """The size of a task."""

    shots: Annotated[int, Bounds(1, 1000)] = 5  # patterns
    queries: Annotated[int, Bounds(1, 1000)] = 1  # patterns asked for, drawn from them
    bits: Annotated[int, Bounds(2, 100_000)] = 1000
    erased: Annotated[float, Bounds(0, 1)] = 0.5  # share of a query's bits

    def __post_init__(self) -> None:
        check_bounds(self)


class Recall:
    """The family."""

    name = "recall"
    splits = ("train", "test")  # of one distribution, drawn by other keys
    ways = None

    def __init__(self, settings: RecallSettings) -> None:
        self.settings = settings

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.settings.bits,)

    @property
    def target_size(self) -> int:
        return self.settings.bits

    def draw(self, count: int, split: str, key: Key) -> TaskBatch:
        """Draw tasks."""
        check_split(self.name, self.splits, split)
        settings = self.settings
        generator = torch_generator((*key, self.splits.index(split), Stream.TASKS))
        patterns = 2.0 * torch.randint(2, (count, settings.shots, settings.bits), generator=generator) - 1
        asked = torch.randint(settings.shots, (count, settings.queries, 1), generator=generator)
        wanted = patterns.gather(1, asked.expand(-1, -1, settings.bits))
        order = torch.rand(wanted.shape, generator=generator).argsort(2)
        shown = wanted * (order >= round(settings.erased * settings.bits))
        return TaskBatch(Examples(patterns, patterns.clone()), Examples(shown, wanted))

    def rivals(self, batch: TaskBatch) -> dict[str, Numbers]:
        """Predict by Hopfield's rule: each pattern as often as it agrees with what is shown, then the sign."""
        agreement = batch.query.inputs @ batch.support.inputs.transpose(1, 2)
        return {"Hopfield's rule": Numbers.of((agreement @ batch.support.targets).sign())}


KIND = FamilyKind(settings=RecallSettings, make=lambda settings, source: Recall(settings))
