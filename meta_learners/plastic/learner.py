"""What the plastic learners share: how examples are shown to synapses, settings, and a system as a learner.

Features come from the embedding that all tasks share, or are the inputs themselves. A target is a code: 1 for the
class and 0 for the others, or the numbers as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import torch
from torch import Tensor, nn

from environments.settings import Bounds, check_bounds
from meta_learners.episodes import EpisodeFamily, TaskBatch, one_hot, outputs_of
from meta_learners.few_shot.module_learner import ModuleLearner
from meta_learners.keys import Stream, torch_generator
from meta_learners.learner import CLASSES, NUMBERS, FewShotKind
from meta_learners.networks.embedding import Embedding, seeded
from meta_learners.predictions import Logits, Numbers, Prediction

__all__ = ["PlasticSettings", "PlasticSystem", "Shown", "Synapses", "kind_of", "outer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlasticSettings:
    """How a plastic learner learns."""

    width: Annotated[int, Bounds(0, 4096)] = 32  # filters of each block of the embedding; 0: inputs as they are
    passes: Annotated[int, Bounds(1, 10_000)] = 1  # times that the support is shown, one example after another
    bounded: bool = False  # whether what is told of numbers lies in (-1, 1), by the hyperbolic tangent
    step_size: Annotated[float, Bounds(0, 1)] = 3e-3  # of Adam
    largest_norm: Annotated[float, Bounds(1e-6, 1e6)] = 1.0  # to which gradients are scaled down
    halve_after: Annotated[int, Bounds(0, 10**9)] = 0  # meta-steps until the step size is halved, and again; 0: never

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the synapses of M tasks are shown."""

    support: Tensor  # (M, S, f)
    codes: Tensor  # (M, S, o); 0 of an example that is not there
    there: Tensor  # (M, S) bool
    query: Tensor  # (M, Q, f)
    sorts: bool  # whether codes are of classes


class Synapses(Protocol):
    """What a system has of its own; an `nn.Module`."""

    def __call__(self, shown: Shown) -> Tensor:
        """Give what is told of the queries (M, Q, o), or their logits."""
        ...


class PlasticSystem(nn.Module):
    """An embedding and synapses behind it: `Episodic`."""

    def __init__(self, embedding: Embedding | None, synapses: nn.Module, *, bounded: bool) -> None:
        super().__init__()
        self.embedding, self.synapses, self._bounded = embedding, synapses, bounded

    def predict(self, batch: TaskBatch, generator: torch.Generator) -> Prediction:
        told = self.synapses(self._shown(batch))
        if batch.ways is not None:
            return Logits(told)
        return Numbers.of(told.tanh() if self._bounded else told)

    def loss(self, batch: TaskBatch, generator: torch.Generator) -> tuple[Tensor, Prediction]:
        found, query = self.predict(batch, generator), batch.query
        if isinstance(found, Logits):
            losses = -found.log_probability(query.targets)
        else:
            losses = (found.mean - query.targets).square().mean(-1)
        return (losses * query.present).sum() / query.present.sum().clamp(min=1), found

    def _shown(self, batch: TaskBatch) -> Shown:
        support, there = batch.support, batch.support.present
        # What is not there may be anything, even not finite.
        inputs = torch.where(there.reshape(*there.shape, *(1,) * (support.inputs.dim() - 2)), support.inputs, 0)
        known, asked = self._features(inputs), self._features(batch.query.inputs)
        if batch.ways is not None:
            codes = one_hot(support, batch.ways)
        else:
            codes = torch.where(there[..., None], support.targets, 0)
        return Shown(known, codes, there, asked, batch.ways is not None)

    def _features(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(2) if self.embedding is None else self.embedding.standardised(inputs)


def outer(one: Tensor, other: Tensor) -> Tensor:
    """Give each task's outer product: (M, f) and (M, o) to (M, f, o)."""
    return one[:, :, None] * other[:, None, :]


def kind_of(
    synapses: Callable[[int, int, Any], nn.Module],
    of: type[PlasticSettings],
    *,
    sorting: Callable[[int, int, Any], nn.Module] | None = None,
) -> FewShotKind:
    """Make the kind of a learner of `Synapses`, made for so many features and outputs; PyTorch draws their weights.

    Where targets are classes they are made by `sorting`, if it is given.
    """

    def make(name: str, family: EpisodeFamily, settings: Any, *, seed: int, device: str) -> ModuleLearner:
        outputs = outputs_of(family)
        made = synapses if sorting is None or family.ways is None else sorting
        with seeded(torch_generator((seed, Stream.PARAMETERS))):
            embedding = Embedding(family.input_shape, settings.width) if settings.width else None
            features = math.prod(family.input_shape) if embedding is None else embedding.size
            system = PlasticSystem(embedding, made(features, outputs, settings), bounded=settings.bounded)
        return ModuleLearner(
            name,
            system,
            settings,
            largest_norm=settings.largest_norm,
            ways=family.ways,
            device=device,
        )

    def unread(name: str, family: EpisodeFamily, settings: PlasticSettings) -> frozenset[str]:
        return frozenset() if family.ways is None else frozenset({"bounded"})

    return FewShotKind(settings=of, make=make, takes=frozenset({CLASSES, NUMBERS}), fixed_ways=True, unread=unread)
