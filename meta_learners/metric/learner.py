"""What the metric learners share: settings, and a rule on one embedding as a learner.

A rule is a function or a small module from the features of support and query to logits; a file each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from environments.settings import Bounds, check_bounds
from meta_learners.episodes import EpisodeFamily, TaskBatch, one_hot
from meta_learners.few_shot.module_learner import ModuleLearner
from meta_learners.keys import Stream, torch_generator
from meta_learners.learner import CLASSES, FewShotKind
from meta_learners.networks.embedding import Embedding, seeded
from meta_learners.predictions import Logits

__all__ = ["Features", "MetricSettings", "Rule", "features_of", "kind_of", "query_loss"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSettings:
    """How a metric learner learns."""

    width: Annotated[int, Bounds(1, 4096)] = 32  # filters of each block of the embedding
    step_size: Annotated[float, Bounds(0, 1)] = 1e-3  # of Adam
    halve_after: Annotated[int, Bounds(0, 10**9)] = (
        2000  # meta-steps until the step size is halved, and again; 0: never
    )

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True, slots=True)
class Features:
    """Embedded examples of M tasks."""

    support: Tensor  # (M, S, f); maps for the relation network
    labels: Tensor  # (M, S, N) of 0 and 1; an example that is not there has only 0
    query: Tensor  # (M, Q, f)


Rule = Callable[[Features], Tensor]
"""From features to logits (M, Q, N). A rule that is a module is learned with the embedding."""


class Sorter(nn.Module):
    """An embedding and a rule: `Episodic`."""

    def __init__(self, embedding: Embedding, rule: Rule) -> None:
        super().__init__()
        self.embedding = embedding
        self.rule = rule  # registered where it is a module

    def predict(self, batch: TaskBatch, generator: torch.Generator) -> Logits:
        return Logits(self.rule(features_of(self.embedding, batch)))

    def loss(self, batch: TaskBatch, generator: torch.Generator) -> tuple[Tensor, Logits]:
        found = self.predict(batch, generator)
        return query_loss(found, batch), found


def features_of(embedding: Embedding, batch: TaskBatch) -> Features:
    """Embed a batch of tasks of classes."""
    assert batch.ways is not None
    # What is not there may be anything, even not finite.
    there = batch.support.present.reshape(*batch.support.present.shape, *(1,) * len(embedding.shape))
    support = embedding(torch.where(there, batch.support.inputs, 0))
    return Features(support, one_hot(batch.support, batch.ways), embedding(batch.query.inputs))


def query_loss(prediction: Logits, batch: TaskBatch) -> Tensor:
    """Give the mean cross-entropy of the queries that are there."""
    told = prediction.log_probability(batch.query.targets)
    return -(told * batch.query.present).sum() / batch.query.present.sum().clamp(min=1)


def kind_of(
    rule: Callable[[tuple[int, ...], Any, int], Rule],
    *,
    of: type[MetricSettings] = MetricSettings,
    fixed_ways: bool = False,
) -> FewShotKind:
    """Make the kind of a learner of a rule that is made for the shape of features, the settings and N classes."""

    def make(name: str, family: EpisodeFamily, settings: Any, *, seed: int, device: str) -> ModuleLearner:
        with seeded(torch_generator((seed, Stream.PARAMETERS))):
            embedding = Embedding(family.input_shape, settings.width)
            sorter = Sorter(embedding, rule((embedding.size,), settings, family.ways or 0))
        return ModuleLearner(
            name,
            sorter,
            settings,
            ways=family.ways if fixed_ways else 0,
            device=device,
        )

    return FewShotKind(settings=of, make=make, takes=frozenset({CLASSES}), fixed_ways=fixed_ways)
