"""Sinusoids of drawn amplitude and phase (Finn et al. 2017, arXiv:1703.03400, section 5.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch

from environments.settings import Bounds
from meta_learners.episodes import FamilyKind, TaskBatch, check_split
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.predictions import Numbers
from meta_learners.problems.numbers import FunctionSettings, split_examples, uniform

__all__ = ["KIND", "SinusoidSettings", "Sinusoids"]

AMPLITUDES, PHASES, INPUTS = (0.1, 5.0), (0.0, math.pi), (-5.0, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SinusoidSettings(FunctionSettings):
    """The size of a task, and its noise."""

    noise: Annotated[float, Bounds(0, 10)] = 0.0  # deviation of every target


class Sinusoids:
    """The family."""

    name = "sinusoids"
    splits = ("train", "test")  # of one distribution, drawn by other keys
    input_shape = (1,)
    ways = None
    target_size = 1

    def __init__(self, settings: SinusoidSettings) -> None:
        self.settings = settings

    def draw(self, count: int, split: str, key: Key) -> TaskBatch:
        """Draw tasks."""
        check_split(self.name, self.splits, split)
        generator = torch_generator((*key, self.splits.index(split), Stream.TASKS))
        number = self.settings.shots + self.settings.queries
        amplitude, phase = (uniform(generator, *ends, count, 1, 1) for ends in (AMPLITUDES, PHASES))
        inputs = uniform(generator, *INPUTS, count, number, 1)
        noise = self.settings.noise * torch.randn(count, number, 1, generator=generator)
        return split_examples(inputs, amplitude * torch.sin(inputs - phase) + noise, self.settings.shots)

    def rivals(self, batch: TaskBatch) -> dict[str, Numbers]:
        """Predict the mean of all sinusoids, the best that can be said without a look at the support."""
        return {"mean of all tasks": Numbers.of(-sum(AMPLITUDES) / math.pi * batch.query.inputs.cos())}


KIND = FamilyKind(settings=SinusoidSettings, make=lambda settings, source: Sinusoids(settings))
