"""Attentive recurrent comparators (Shyam, Gupta and Dukkipati 2017, arXiv:1703.00767).

An LSTM looks at two images by turns, a glimpse at a time, and chooses each glimpse by what it has seen of both. Its
last state is the logit of "same class". Trained on pairs and used as the Siamese network is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from environments.settings import Bounds
from meta_learners.episodes import EpisodeFamily, TaskBatch
from meta_learners.few_shot.module_learner import ModuleLearner
from meta_learners.keys import Stream, torch_generator
from meta_learners.learner import CLASSES, FewShotKind
from meta_learners.metric.learner import MetricSettings
from meta_learners.metric.pairs import nearest_class, pair_loss
from meta_learners.networks.embedding import seeded
from meta_learners.predictions import Logits

__all__ = ["LEARNER", "ArcSettings", "Comparator", "filters", "standardised"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArcSettings(MetricSettings):
    """How it learns."""

    width: Annotated[int, Bounds(1, 4096)] = 128  # units of the LSTM
    glimpses: Annotated[int, Bounds(1, 100)] = 4  # of each image
    side: Annotated[int, Bounds(1, 100)] = 8  # of a glimpse, in points


def filters(centre: Tensor, size: Tensor, points: int, pixels: int) -> Tensor:
    """Give rows of Cauchy weights that take so many points from a line of pixels.

    Args:
        centre: of the glimpse, in [-1, 1] (P,).
        size: 0 is the whole line, and sharper with 1 and -1 (P,).
        points: of the glimpse.
        pixels: of the line.

    Returns:
        (P, points, pixels); every row sums to 1.
    """
    middle = (pixels - 1) * (centre + 1) / 2
    stride = pixels / points * (1 - size.abs())
    spread = torch.exp(1 - 2 * size.abs())
    offsets = torch.arange(points, dtype=centre.dtype, device=centre.device) - (points - 1) / 2
    places = middle[:, None] + offsets * stride[:, None]  # (P, points)
    line = torch.arange(pixels, dtype=centre.dtype, device=centre.device)
    weights = 1 / (1 + ((line - places[..., None]) / spread[:, None, None]).square())
    return weights / weights.sum(-1, keepdim=True)


def standardised(images: Tensor) -> Tensor:
    """Give images (..., c, h, w) a mean of 0 and a deviation of 1 each: where ink is sparse, glimpses are faint."""
    mean = images.mean((-3, -2, -1), keepdim=True)
    return (images - mean) / images.std((-3, -2, -1), correction=0, keepdim=True).clamp(min=1e-3)


class Comparator(nn.Module):
    """The system; `Episodic`."""

    def __init__(self, shape: tuple[int, ...], settings: ArcSettings) -> None:
        super().__init__()
        self._shape, self._settings = shape, settings
        self.cell = nn.LSTMCell(shape[0] * settings.side**2, settings.width)
        self.look = nn.Linear(settings.width, 3)
        self.same = nn.Linear(settings.width, 1)
        with torch.no_grad():
            self.cell.bias_hh[settings.width : 2 * settings.width] += 1  # remembers, to begin with

    def compare(self, one: Tensor, other: Tensor) -> Tensor:
        """Give the logits (P,) that images (P, c, h, w) are of one class."""
        hidden = torch.zeros(len(one), self._settings.width).to(one)
        cell = hidden
        for turn in range(2 * self._settings.glimpses):
            across, down, size = self.look(hidden).tanh().unbind(-1)
            image = other if turn % 2 else one
            rows = filters(down, size, self._settings.side, self._shape[1])[:, None]
            columns = filters(across, size, self._settings.side, self._shape[2])[:, None]
            glimpse = rows @ image @ columns.transpose(-1, -2)  # (P, c, side, side)
            hidden, cell = self.cell(glimpse.flatten(1), (hidden, cell))
        found: Tensor = self.same(hidden)[:, 0]
        return found

    def pairs(self, batch: TaskBatch) -> Tensor:
        """Give the logits of every query with every support example (M, Q, S)."""
        there = batch.support.present[..., None, None, None]
        support = standardised(torch.where(there, batch.support.inputs, 0))
        query = standardised(batch.query.inputs)
        tasks, queries, examples = batch.tasks, query.shape[1], support.shape[1]
        one = query[:, :, None].expand(-1, -1, examples, *self._shape)
        other = support[:, None].expand(-1, queries, -1, *self._shape)
        return self.compare(one.flatten(0, 2), other.flatten(0, 2)).reshape(tasks, queries, examples)

    def predict(self, batch: TaskBatch, generator: torch.Generator) -> Logits:
        return nearest_class(self.pairs(batch), batch)

    def loss(self, batch: TaskBatch, generator: torch.Generator) -> tuple[Tensor, Logits]:
        logits = self.pairs(batch)
        return pair_loss(logits, batch), nearest_class(logits.detach(), batch)


def _make(name: str, family: EpisodeFamily, settings: ArcSettings, *, seed: int, device: str) -> ModuleLearner:
    if len(family.input_shape) != 3:
        shape = " x ".join(map(str, family.input_shape))
        raise ValueError(f"learner {name!r} compares images; examples of family {family.name!r} are {shape} numbers")
    with seeded(torch_generator((seed, Stream.PARAMETERS))):
        system = Comparator(family.input_shape, settings)
    return ModuleLearner(name, system, settings, device=device)


LEARNER = FewShotKind(settings=ArcSettings, make=_make, takes=frozenset({CLASSES}))
