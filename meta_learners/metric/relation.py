"""Relation networks: the comparison itself is learned (Sung et al. 2018, arXiv:1711.06025).

A class is the sum of its examples' feature maps; a small convolutional network takes it and a query's maps to a score
in [0, 1], which is fitted to 1 for the same class and 0 for others by the squared error. Here the right class weighs as
much as all others: else, of many classes, all scores soon fall to where the sigmoid is flat, and stay there.
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
from meta_learners.metric.pairs import balanced
from meta_learners.networks.embedding import Embedding, pooled_block, seeded
from meta_learners.predictions import Logits

__all__ = ["LEARNER", "Relation"]

BLOCKS = 2
UNITS = 64  # before the score; with the paper's 8, which had a million episodes, all scores of sequences stay alike
LARGEST_NORM = 0.5  # of gradients, as in the authors' code


class Relation(nn.Module):
    """The system; `Episodic`."""

    def __init__(self, shape: tuple[int, ...], settings: MetricSettings) -> None:
        super().__init__()
        self.embedding = Embedding(shape, settings.width, maps=True)
        width, *sides = self.embedding.map_shape
        layers: list[nn.Module] = []
        for number in range(BLOCKS if sides else 0):
            added, sides = pooled_block((2 - number) * width, width, sides)
            layers += added
        features = width * math.prod(sides) if sides else 2 * width
        self.score = nn.Sequential(*layers, nn.Flatten(1), nn.Linear(features, UNITS), nn.ReLU(), nn.Linear(UNITS, 1))

    def scores(self, features: Features) -> Tensor:
        """Give the logits of the scores (M, Q, N)."""
        classes = torch.einsum("msn,ms...->mn...", features.labels, features.support)
        tasks, queries, ways = len(classes), features.query.shape[1], classes.shape[1]
        first, rest = self.score[0], self.score[1:]
        if isinstance(first, nn.Conv1d | nn.Conv2d):
            # A convolution of a pair is the sum of one of each: those are fewer by far than pairs.
            convolve = nn.functional.conv1d if isinstance(first, nn.Conv1d) else nn.functional.conv2d
            of_class, of_query = first.weight.chunk(2, 1)
            padding = first.padding[0]
            known = convolve(classes.flatten(0, 1), of_class, first.bias, padding=padding)
            asked = convolve(features.query.flatten(0, 1), of_query, padding=padding)
            pairs = known.reshape(tasks, 1, ways, *known.shape[1:]) + asked.reshape(tasks, queries, 1, *asked.shape[1:])
        else:
            rest = self.score
            pairs = torch.cat(
                [classes[:, None].expand(-1, queries, -1, -1), features.query[:, :, None].expand(-1, -1, ways, -1)], 3
            )
        found: Tensor = rest(pairs.flatten(0, 2))
        return found.reshape(tasks, queries, ways)

    def predict(self, batch: TaskBatch, generator: torch.Generator) -> Logits:
        return Logits(self.scores(features_of(self.embedding, batch)))

    def loss(self, batch: TaskBatch, generator: torch.Generator) -> tuple[Tensor, Logits]:
        found = self.predict(batch, generator)
        wanted = nn.functional.one_hot(batch.query.targets, found.logits.shape[-1]).to(found.logits.dtype)
        errors = (found.logits.sigmoid() - wanted).square()
        return (errors * balanced(wanted, batch.query.present[..., None].expand(wanted.shape))).sum(), found


def _make(name: str, family: EpisodeFamily, settings: MetricSettings, *, seed: int, device: str) -> ModuleLearner:
    with seeded(torch_generator((seed, Stream.PARAMETERS))):
        system = Relation(family.input_shape, settings)
    return ModuleLearner(
        name,
        system,
        settings,
        largest_norm=LARGEST_NORM,
        device=device,
    )


LEARNER = FewShotKind(settings=MetricSettings, make=_make, takes=frozenset({CLASSES}))
