"""Relation networks: the comparison itself is learned (Sung et al. 2018, arXiv:1711.06025).

A class is the sum of its examples' feature maps; a small convolutional network takes it and a query's maps to a score
in [0, 1], which is fitted to 1 for the same class and 0 for others by the squared error.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from meta_learners.episodes import EpisodeFamily, TaskBatch
from meta_learners.few_shot.module_learner import ModuleLearner
from meta_learners.keys import Stream, torch_generator
from meta_learners.learner import CLASSES, FewShotKind
from meta_learners.metric.learner import Features, MetricSettings, features_of
from meta_learners.networks.embedding import Embedding, block, seeded
from meta_learners.predictions import Logits

__all__ = ["LEARNER", "Relation"]

LARGEST_NORM = 0.5  # of gradients, as in the authors' code


class Relation(nn.Module):
    """The system; `Episodic`."""

    def __init__(self, shape: tuple[int, ...], settings: MetricSettings) -> None:
        super().__init__()
        self.embedding = Embedding(shape, settings.width, maps=True)
        width, *sides = self.embedding.map_shape
        convolutions = [*block(2 * width, width, len(sides)), *block(width, width, len(sides))] if sides else []
        features = width * math.prod(sides) if sides else 2 * width
        self.score = nn.Sequential(*convolutions, nn.Flatten(1), nn.Linear(features, 8), nn.ReLU(), nn.Linear(8, 1))

    def scores(self, features: Features) -> Tensor:
        """Give the logits of the scores (M, Q, N)."""
        classes = torch.einsum("msn,ms...->mn...", features.labels, features.support)
        tasks, queries, ways = len(classes), features.query.shape[1], classes.shape[1]
        pairs = torch.cat(
            [
                classes[:, None].expand(-1, queries, *classes.shape[1:]),
                features.query[:, :, None].expand(-1, -1, ways, *features.query.shape[2:]),
            ],
            3,
        )
        found: Tensor = self.score(pairs.flatten(0, 2))
        return found.reshape(tasks, queries, ways)

    def predict(self, batch: TaskBatch, generator: torch.Generator) -> Logits:
        return Logits(self.scores(features_of(self.embedding, batch)))

    def loss(self, batch: TaskBatch, generator: torch.Generator) -> tuple[Tensor, Logits]:
        found = self.predict(batch, generator)
        wanted = nn.functional.one_hot(batch.query.targets, found.logits.shape[-1])
        errors = (found.logits.sigmoid() - wanted).square().mean(-1) * batch.query.present
        return errors.sum() / batch.query.present.sum().clamp(min=1), found


def _make(name: str, family: EpisodeFamily, settings: MetricSettings, *, seed: int, device: str) -> ModuleLearner:
    with seeded(torch_generator((seed, Stream.PARAMETERS))):
        system = Relation(family.input_shape, settings)
    return ModuleLearner(
        name,
        system,
        rate=settings.step_size,
        largest_norm=LARGEST_NORM,
        halve_after=settings.halve_after,
        device=device,
    )


LEARNER = FewShotKind(settings=MetricSettings, make=_make, takes=frozenset({CLASSES}))
