"""A good embedding is all that is needed? The baseline of Tian et al. 2020 (arXiv:2003.11539).

No episodes: the embedding is trained with one linear layer, of normalised features, to sort examples into all training
classes. That layer is dropped. Of a new task features are scaled to unit length, and multinomial logistic regression is
fitted to the support, without an intercept; nothing is fine-tuned. Distillation is left out.
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
        # Features are 0 or more. What all drawings share of them would drown, for many epochs, what tells them apart.
        self.centre = nn.LayerNorm(self.embedding.size, elementwise_affine=False)
        self.head = nn.Linear(self.embedding.size, classes)

    def predict(self, batch: TaskBatch, generator: torch.Generator) -> Logits:
        found = features_of(self.embedding, batch)
        support, query = (nn.functional.normalize(each, dim=-1) for each in (found.support, found.query))
        return Logits(logistic(Features(support, found.labels, query)))

    def loss(self, batch: TaskBatch, generator: torch.Generator) -> tuple[Tensor, Logits]:
        """Sort both halves into all training classes; what is told of queries is that layer's word, of a task's own."""
        assert batch.classes is not None
        found = features_of(self.embedding, batch)
        told = self.head(self.centre(torch.cat([found.support, found.query], 1)))  # (M, S + Q, training classes)
        targets = torch.cat([batch.support.targets, batch.query.targets], 1)
        there = torch.cat([batch.support.present, batch.query.present], 1)
        known = batch.classes.gather(1, targets)[there]
        loss = nn.functional.cross_entropy(told[there], known, reduction="sum") / max(len(known), 1)
        queries = told[:, found.support.shape[1] :]
        own = batch.classes[:, None].expand(-1, queries.shape[1], -1)
        return loss, Logits(queries.detach().gather(2, own))


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
    return ModuleLearner(name, system, settings, device=device)


LEARNER = FewShotKind(settings=MetricSettings, make=_make, takes=frozenset({CLASSES}))
