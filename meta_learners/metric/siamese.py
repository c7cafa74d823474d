"""Siamese networks: are two examples of the same class? After Koch, Zemel and Salakhutdinov 2015.

A layer of sigmoid units reads the features; a weighted sum of the distances between units, unit by unit, is the logit
of "same". Trained by the binary cross-entropy of pairs of query and support, the pairs of the same class weighing as
much as all others; a new query takes the class of the example that is most likely the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from meta_learners.episodes import EpisodeFamily, TaskBatch
from meta_learners.few_shot.module_learner import ModuleLearner
from meta_learners.keys import Stream, torch_generator
from meta_learners.learner import CLASSES, FewShotKind
from meta_learners.metric.learner import MetricSettings, features_of
from meta_learners.metric.pairs import nearest_class, pair_loss
from meta_learners.networks.embedding import Embedding, seeded
from meta_learners.predictions import Logits

__all__ = ["LEARNER", "UNITS", "Siamese"]

UNITS = 128


class Siamese(nn.Module):
    """The system; `Episodic`."""

    def __init__(self, shape: tuple[int, ...], settings: MetricSettings) -> None:
        super().__init__()
        self.embedding = Embedding(shape, settings.width)
        # Features are 0 or more: a sigmoid of themselves would have half its range. To begin with, units of two classes
        # differ by about .3: the logits are then near 0, on either side of it.
        self.units = nn.Linear(self.embedding.size, UNITS)
        nn.init.normal_(self.units.weight, std=2 / self.embedding.size**0.5)
        self.weigh = nn.Linear(UNITS, 1)
        nn.init.constant_(self.weigh.weight, -10 / UNITS)
        nn.init.constant_(self.weigh.bias, 2.0)

    def same(self, one: Tensor, other: Tensor) -> Tensor:
        """Give logits that units (..., u) are of one class; which is first makes no difference."""
        found: Tensor = self.weigh((one - other).abs())[..., 0]
        return found

    def pairs(self, batch: TaskBatch) -> Tensor:
        """Give the logits of every query with every support example (M, Q, S)."""
        found = features_of(self.embedding, batch)
        query, support = (self.units(each).sigmoid() for each in (found.query, found.support))
        return self.same(query[:, :, None], support[:, None])

    def predict(self, batch: TaskBatch, generator: torch.Generator) -> Logits:
        return nearest_class(self.pairs(batch), batch)

    def loss(self, batch: TaskBatch, generator: torch.Generator) -> tuple[Tensor, Logits]:
        logits = self.pairs(batch)
        return pair_loss(logits, batch), nearest_class(logits.detach(), batch)


def _make(name: str, family: EpisodeFamily, settings: MetricSettings, *, seed: int, device: str) -> ModuleLearner:
    with seeded(torch_generator((seed, Stream.PARAMETERS))):
        system = Siamese(family.input_shape, settings)
    return ModuleLearner(name, system, settings, device=device)


LEARNER = FewShotKind(settings=MetricSettings, make=_make, takes=frozenset({CLASSES}))
