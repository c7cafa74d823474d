"""Sinusoids of drawn amplitude and phase (Finn et al. 2017, arXiv:1703.03400, section 5.1), and harder families.

Some tasks may be lines instead, as where a learner must first tell which of two kinds a task is (Finn, Xu and Levine
2018, arXiv:1806.02817); and frequency may be drawn, too (Yoon et al. 2018, arXiv:1806.03836).
"""

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
COEFFICIENTS = (-3.0, 3.0)  # of lines: slope and height at 0
FREQUENCIES, ALL_PHASES = (0.5, 2.0), (0.0, 2 * math.pi)  # where the frequency is drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class SinusoidSettings(FunctionSettings):
    """The size of a task, and its noise."""

    noise: Annotated[float, Bounds(0, 10)] = 0.0  # deviation of every target
    lines: Annotated[float, Bounds(0, 1)] = 0.0  # share of tasks that are lines
    frequencies: bool = False  # drawn as well, and phases of a whole turn


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
        values = amplitude * torch.sin(inputs - phase)
        if self.settings.frequencies:
            frequency, phase = (uniform(generator, *ends, count, 1, 1) for ends in (FREQUENCIES, ALL_PHASES))
            values = amplitude * torch.sin(frequency * inputs + phase)
        if self.settings.lines:
            slope, height = (uniform(generator, *COEFFICIENTS, count, 1, 1) for _ in range(2))
            straight = torch.rand(count, 1, 1, generator=generator) < self.settings.lines
            values = torch.where(straight, slope * inputs + height, values)
        return split_examples(inputs, values + noise, self.settings.shots)

    def rivals(self, batch: TaskBatch) -> dict[str, Numbers]:
        """Predict the mean of all tasks, the best that can be said without a look at the support."""
        share = 0.0 if self.settings.frequencies else 1 - self.settings.lines  # all else has a mean of 0
        return {"mean of all tasks": Numbers.of(-share * sum(AMPLITUDES) / math.pi * batch.query.inputs.cos())}


KIND = FamilyKind(settings=SinusoidSettings, make=lambda settings, source: Sinusoids(settings))
