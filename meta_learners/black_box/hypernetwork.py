"""A hypernetwork (Ha, Dai and Le 2017, arXiv:1609.09106) that makes a task's last layer from its examples.

For classes each class's weights are made from the mean of its embedded examples, as in Qiao et al. 2018
(arXiv:1706.03466); what is linear of that can be the prototypical classifier. For numbers one layer is made from the
mean of all embedded examples and targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from environments.settings import Bounds, check_bounds
from meta_learners.episodes import EpisodeFamily, TaskBatch, one_hot
from meta_learners.few_shot.module_learner import ModuleLearner
from meta_learners.few_shot.sequences import predicted, told_loss
from meta_learners.keys import Stream, torch_generator
from meta_learners.learner import CLASSES, NUMBERS, FewShotKind
from meta_learners.networks.embedding import Embedding, seeded
from meta_learners.predictions import Prediction

__all__ = ["LEARNER", "Generator", "Hypernetwork", "HypernetworkSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HypernetworkSettings:
    """How it learns."""

    width: Annotated[int, Bounds(1, 4096)] = 32  # filters of each block of the embedding
    units: Annotated[int, Bounds(1, 4096)] = 128  # of the generator's layers
    step_size: Annotated[float, Bounds(0, 1)] = 1e-3  # of Adam
    halve_after: Annotated[int, Bounds(0, 10**9)] = 4000  # meta-steps until the step size is halved; 0: never

    def __post_init__(self) -> None:
        check_bounds(self)


class Generator(nn.Module):
    """Makes weights and a bias from what is known: one linear map, and two layers beside it that begin at 0."""

    def __init__(self, inputs: int, units: int, features: int, outputs: int) -> None:
        super().__init__()
        self._features, self._outputs = features, outputs
        self.linear = nn.Linear(inputs, (features + 1) * outputs)
        self.layers = nn.Sequential(nn.Linear(inputs, units), nn.ReLU(), nn.Linear(units, (features + 1) * outputs))
        nn.init.zeros_(self.layers.get_submodule("2").weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.layers.get_submodule("2").bias)  # type: ignore[arg-type]

    def forward(self, known: Tensor) -> tuple[Tensor, Tensor]:
        """Give weights (..., o, f) and biases (..., o) from (..., inputs)."""
        made = (self.linear(known) + self.layers(known)).reshape(*known.shape[:-1], self._outputs, self._features + 1)
        return made[..., :-1], made[..., -1]


class Hypernetwork(nn.Module):
    """The system; `Episodic`."""

    def __init__(self, family: EpisodeFamily, settings: HypernetworkSettings) -> None:
        super().__init__()
        self.embedding = Embedding(family.input_shape, settings.width)
        size = self.embedding.size
        if family.ways is None:
            targets = family.target_size
            self.encode = nn.Sequential(
                nn.Linear(size + targets, settings.units), nn.ReLU(), nn.Linear(settings.units, settings.units)
            )
            self.generate = Generator(settings.units, settings.units, size, targets)
        else:
            self.generate = Generator(size + 1, settings.units, size, 1)

    def told(self, batch: TaskBatch) -> Tensor:
        """Give outputs (M, Q, o)."""
        there = batch.support.present
        inputs = torch.where(there.reshape(*there.shape, *(1,) * len(self.embedding.shape)), batch.support.inputs, 0)
        support, query = self.embedding(inputs), self.embedding(batch.query.inputs)
        if batch.ways is None:
            targets = torch.where(there[..., None], batch.support.targets, 0)
            encoded = self.encode(torch.cat([support, targets], 2)) * there[..., None]
            weights, biases = self.generate(encoded.sum(1) / there.sum(1, keepdim=True).clamp(min=1))
        else:
            labels = one_hot(batch.support, batch.ways)
            centres = labels.transpose(1, 2) @ support / labels.sum(1).clamp(min=1)[..., None]  # (M, N, f)
            # The prototypical classifier's bias is a square, which a linear generator cannot make of the mean alone.
            known = torch.cat([centres, centres.square().sum(-1, keepdim=True)], 2)
            weights, biases = (each[:, :, 0] for each in self.generate(known))
        found: Tensor = query @ weights.transpose(1, 2) + biases[:, None]
        return found

    def predict(self, batch: TaskBatch, generator: torch.Generator) -> Prediction:
        return predicted(self.told(batch), batch)

    def loss(self, batch: TaskBatch, generator: torch.Generator) -> tuple[Tensor, Prediction]:
        outputs = self.told(batch)
        return told_loss(outputs, batch.query.targets, batch.query.present), predicted(outputs.detach(), batch)


def _make(name: str, family: EpisodeFamily, settings: HypernetworkSettings, *, seed: int, device: str) -> ModuleLearner:
    with seeded(torch_generator((seed, Stream.PARAMETERS))):
        system = Hypernetwork(family, settings)
    return ModuleLearner(name, system, settings, device=device)


LEARNER = FewShotKind(settings=HypernetworkSettings, make=_make, takes=frozenset({CLASSES, NUMBERS}))
