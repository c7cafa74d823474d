"""Sets of numbers drawn from one distribution each (Edwards and Storkey 2017, arXiv:1606.02185, section 5.1).

A task is a distribution: exponential, normal, uniform or Laplace, of drawn mean and deviation. There is nothing to
tell it by but its numbers, so inputs are 0; queries are judged by the density that a learner gives them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch

from environments.settings import Bounds, check_bounds
from meta_learners.episodes import FamilyKind, TaskBatch, check_split
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.problems.numbers import split_examples, uniform

__all__ = ["KIND", "SetSettings", "Sets"]

MEANS, DEVIATIONS = (-1.0, 1.0), (0.5, 2.0)
KINDS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSettings:
    """The size of a task."""

    shots: Annotated[int, Bounds(2, 100_000)] = 200  # numbers of a set
    queries: Annotated[int, Bounds(1, 100_000)] = 50  # more of the same

    def __post_init__(self) -> None:
        check_bounds(self)


class Sets:
    """The family."""

    name = "sets"
    splits = ("train", "test")  # of one distribution of distributions, drawn by other keys
    input_shape = (1,)
    ways = None
    target_size = 1

    def __init__(self, settings: SetSettings) -> None:
        self.settings = settings

    def draw(self, count: int, split: str, key: Key) -> TaskBatch:
        """Draw tasks."""
        check_split(self.name, self.splits, split)
        generator = torch_generator((*key, self.splits.index(split), Stream.TASKS))
        number = self.settings.shots + self.settings.queries
        kinds = torch.randint(KINDS, (count, 1), generator=generator)
        mean, deviation = (uniform(generator, *ends, count, 1) for ends in (MEANS, DEVIATIONS))
        chance = torch.rand(count, number, generator=generator).clamp(1e-6, 1 - 1e-6)
        centred = chance - 0.5
        standard = torch.stack(  # of mean 0 and deviation 1, by the inverse of each distribution function
            [
                -chance.log() - 1,
                torch.special.ndtri(chance),
                centred * math.sqrt(12),
                -centred.sign() * (1 - 2 * centred.abs()).log() / math.sqrt(2),
            ]
        )
        values = mean + deviation * standard.gather(0, kinds.expand(1, count, number))[0]
        return split_examples(torch.zeros(count, number, 1), values[..., None], self.settings.shots)


KIND = FamilyKind(settings=SetSettings, make=lambda settings, source: Sets(settings))
