"""A good embedding is all that is needed? The baseline of Tian et al. 2020 (arXiv:2003.11539).

No episodes: the embedding is trained with one linear layer to sort examples into all training classes. That layer is
dropped. Of a new task features are scaled to unit length, and multinomial logistic regression is fitted to the
support; nothing is fine-tuned. Distillation is left out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from meta_learners.episodes import EpisodeFamily, Numbered, TaskBatch
from meta_learners.few_shot.module_learner import ModuleLearner
from meta_learners.keys import Stream, torch_generator
from meta_learners.learner import CLASSES, FewShotKind
from meta_learners.metric.learner import Features, MetricSettings, features_of
from meta_learners.networks.embedding import Embedding, seeded
from meta_learners.predictions import Logits

__all__ = ["LEARNER", "GoodEmbedding", "logistic"]

NEWTON_STEPS = 12  # from 0 to convergence in single precision, where features have unit length


class GoodEmbedding(nn.Module):
    """The system; `Episodic`."""

    def __init__(self, shape: tuple[int, ...], classes: int, settings: MetricSettings) -> None:
        super().__init__()
        self.embedding = Embedding(shape, settings.width)
        self.head = nn.Linear(self.embedding.size, classes)

    def predict(self, batch: TaskBatch, generator: torch.Generator) -> Logits:
        return _sorted_by(features_of(self.embedding, batch))

    def loss(self, batch: TaskBatch, generator: torch.Generator) -> tuple[Tensor, Logits]:
        assert batch.classes is not None
        found = features_of(self.embedding, batch)
        total, counted = torch.zeros((), device=found.query.device), 0
        for half, features in ((batch.support, found.support), (batch.query, found.query)):
            known = batch.classes.gather(1, half.targets)[half.present]
            told = self.head(features[half.present])
            total = total + nn.functional.cross_entropy(told, known, reduction="sum")
            counted += len(known)
        with torch.no_grad():
            told_of_queries = _sorted_by(found)
        return total / max(counted, 1), told_of_queries


def _sorted_by(features: Features) -> Logits:
    support, query = (nn.functional.normalize(each, dim=-1) for each in (features.support, features.query))
    return Logits(logistic(Features(support, features.labels, query)))


def logistic(features: Features, strength: float = 1.0) -> Tensor:
    """Fit multinomial logistic regression to each support, and give the queries' logits (M, Q, N).

    Minimises strength times the sum of log losses, plus half the squared weights, by Newton's method. The weights lie
    in the span of the examples, so the unknowns are a number for each example and class. There are no biases.
    """
    support, labels = features.support, features.labels
    there = labels.sum(-1)  # (M, S)
    kernel = support @ support.transpose(1, 2)
    tasks, examples, ways = labels.shape
    unknown = torch.zeros_like(labels)
    identity = torch.eye(examples * ways, dtype=labels.dtype, device=labels.device)
    for _ in range(NEWTON_STEPS):
        chances = (kernel @ unknown).softmax(-1)
        # At the optimum unknown = strength (labels - chances): solve that by Newton's method.
        residual = unknown - strength * there[..., None] * (labels - chances)
        curvature = torch.diag_embed(chances) - chances[..., :, None] * chances[..., None, :]  # (M, S, N, N)
        curvature = strength * there[..., None, None] * curvature
        slope = torch.einsum("msab,mst->msatb", curvature, kernel).reshape(tasks, examples * ways, examples * ways)
        step = torch.linalg.solve(identity + slope, residual.reshape(tasks, -1, 1))
        unknown = unknown - step.reshape(unknown.shape)
    return features.query @ support.transpose(1, 2) @ unknown


def _make(name: str, family: EpisodeFamily, settings: MetricSettings, *, seed: int, device: str) -> ModuleLearner:
    if not isinstance(family, Numbered):
        raise ValueError(
            f"learner {name!r} sorts into all training classes, which family {family.name!r} does not number"
        )
    with seeded(torch_generator((seed, Stream.PARAMETERS))):
        system = GoodEmbedding(family.input_shape, family.train_classes, settings)
    return ModuleLearner(name, system, rate=settings.step_size, halve_after=settings.halve_after, device=device)


LEARNER = FewShotKind(settings=MetricSettings, make=_make, takes=frozenset({CLASSES}))
