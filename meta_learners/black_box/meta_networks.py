"""Meta Networks (Munkhdalai and Yu 2017, arXiv:1703.00837): slopes of a task's losses become fast weights.

A representation gets fast weights from the slopes of its loss on the support. A base network gets some from every
example's own slopes; they are kept beside the example's representation, and a query reads them by attention. Two
learned maps, each alike for all weights, turn slopes into fast weights. Layers have a slow and a fast path, which are
added after the activation. Here both networks stand on the embedding that others share, whose weights are slow alone,
and the representation's slopes are of all the support, where the paper takes some of it. The cosines of the attention
are sharpened by a learned factor. Features are normalised, since what all have in common drowns what tells them apart,
and the base's slow last layer begins at 0, so that no task has a drawn leaning to unlearn: with neither, fast weights
are first unlearned for more than a hundred meta-steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.func import grad, vmap
from torch.nn import functional

from environments.settings import Bounds, check_bounds
from meta_learners.episodes import EpisodeFamily, TaskBatch, one_hot
from meta_learners.few_shot.module_learner import ModuleLearner
from meta_learners.few_shot.sequences import predicted, told_loss
from meta_learners.keys import Stream, torch_generator
from meta_learners.learner import CLASSES, FewShotKind
from meta_learners.networks.embedding import Embedding, seeded
from meta_learners.predictions import Prediction

__all__ = ["LEARNER", "FastWeights", "MetaNetwork", "MetaNetworkSettings", "augmented"]

Weights = Mapping[str, Tensor]
SHARPNESS = 10.0  # of the attention, to begin with
FIRST = 0.01  # of the maps' last weights: large fast weights drown the slow ones before anything is learned
RATE = 0.1  # of the step of descent that the maps begin as
DULL = 10.0  # p of Andrychowicz et al. 2016, appendix A: slopes under exp(-p) count as small


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaNetworkSettings:
    """How it learns."""

    width: Annotated[int, Bounds(1, 4096)] = 32  # filters of each block of the embedding
    units: Annotated[int, Bounds(1, 4096)] = 32  # of each layer of both networks
    rule_units: Annotated[int, Bounds(1, 4096)] = 20  # of the maps from slopes to fast weights
    step_size: Annotated[float, Bounds(0, 1)] = 1e-3  # of Adam
    halve_after: Annotated[int, Bounds(0, 10**9)] = 4000  # meta-steps until the step size is halved; 0: never

    def __post_init__(self) -> None:
        check_bounds(self)


def augmented(slow: Weights, fast: Weights | None, inputs: Tensor) -> Tensor:
    """Evaluate two layers with a slow and a fast path: inputs (..., f) to outputs (..., o).

    Args:
        slow: `first`, `first_bias`, `second`, `second_bias`.
        fast: the same, which may have leading axes that go with the inputs'; None for none.
        inputs: to the first layer.
    """
    hidden = _layer(slow, "first", inputs).relu()
    if fast is not None:
        hidden = hidden + _layer(fast, "first", inputs).relu()
    outputs = _layer(slow, "second", hidden)
    return outputs if fast is None else outputs + _layer(fast, "second", hidden)


def _layer(weights: Weights, name: str, inputs: Tensor) -> Tensor:
    return (inputs[..., None, :] @ weights[name])[..., 0, :] + weights[f"{name}_bias"]


class FastWeights(nn.Module):
    """A learned map, alike for all weights, from the logarithm and the sign of a slope to a fast weight.

    It begins as a step of descent: from one that begins at random there is nothing to be learned by attending.
    """

    def __init__(self, units: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, units), nn.ReLU(), last := nn.Linear(units, 1))
        for parameter in last.parameters():
            parameter.data *= FIRST
        self.rate = nn.Parameter(torch.tensor(RATE))

    def forward(self, slopes: Weights) -> dict[str, Tensor]:
        found = {}
        for name, each in slopes.items():
            scaled = _scaled(each)
            size, sign = scaled.unbind(-1)
            found[name] = self.layers(scaled)[..., 0] - self.rate * (1 + size) * sign
        return found


def _scaled(slope: Tensor) -> Tensor:
    large = slope.abs() >= torch.e**-DULL
    size = torch.where(large, slope.abs().clamp(min=torch.e**-DULL).log() / DULL, -1.0)
    return torch.stack([size, torch.where(large, slope.sign(), slope * torch.e**DULL)], -1)


class MetaNetwork(nn.Module):
    """The system; `Episodic`."""

    def __init__(self, family: EpisodeFamily, settings: MetaNetworkSettings) -> None:
        super().__init__()
        self._ways = family.ways or 0
        self.embedding = Embedding(family.input_shape, settings.width)
        size, units = self.embedding.size, settings.units
        self.representation = nn.ParameterDict(_first(size, units, units))
        self.judge = nn.Parameter(torch.randn(units, self._ways) / units**0.5)  # of a representation's loss
        self.base = nn.ParameterDict(_first(size, units, self._ways))
        nn.init.zeros_(self.base["second"])
        self.log_sharpness = nn.Parameter(torch.tensor(SHARPNESS).log())
        self.of_representation, self.of_base = FastWeights(settings.rule_units), FastWeights(settings.rule_units)

    def told(self, batch: TaskBatch) -> Tensor:
        """Give logits (M, Q, N)."""
        assert batch.ways is not None
        if batch.ways != self._ways:
            raise ValueError(f"tasks have {batch.ways} classes; this network was made for {self._ways}")
        there = batch.support.present
        inputs = torch.where(there.reshape(*there.shape, *(1,) * len(self.embedding.shape)), batch.support.inputs, 0)
        support, query = self.embedding.standardised(inputs), self.embedding.standardised(batch.query.inputs)
        labels = one_hot(batch.support, batch.ways)
        q, w = dict(self.representation.items()), dict(self.base.items())

        def represented(weights: Weights, features: Tensor, target: Tensor) -> Tensor:
            return _loss(augmented(weights, None, features) @ self.judge, target).sum() / target.sum().clamp(min=1)

        def based(weights: Weights, features: Tensor, target: Tensor) -> Tensor:
            return _loss(augmented(weights, None, features), target)

        # A loss at example or task is alone there, so that slopes are of each, without a loop.
        slopes = vmap(grad(represented), in_dims=(None, 0, 0))(q, support.detach(), labels)
        fast = {name: each[:, None] for name, each in self.of_representation(_apart(slopes)).items()}
        slopes = vmap(vmap(grad(based), in_dims=(None, 0, 0)), in_dims=(None, 0, 0))(w, support.detach(), labels)
        kept = self.of_base(_apart(slopes))  # of every example (M, S, ...)
        known, asked = augmented(q, fast, support), augmented(q, fast, query)
        likeness = functional.normalize(asked, dim=-1) @ functional.normalize(known, dim=-1).transpose(1, 2)
        likeness = likeness * self.log_sharpness.exp()
        share = likeness.masked_fill(~there[:, None], torch.finfo(likeness.dtype).min).softmax(-1)  # (M, Q, S)
        own = {
            name: (share @ each.flatten(2)).reshape(*share.shape[:2], *each.shape[2:]) for name, each in kept.items()
        }
        return augmented(w, own, query)

    def predict(self, batch: TaskBatch, generator: torch.Generator) -> Prediction:
        return predicted(self.told(batch), batch)

    def loss(self, batch: TaskBatch, generator: torch.Generator) -> tuple[Tensor, Prediction]:
        outputs = self.told(batch)
        return told_loss(outputs, batch.query.targets, batch.query.present), predicted(outputs.detach(), batch)


def _first(inputs: int, units: int, outputs: int) -> dict[str, Tensor]:
    return {
        "first": torch.randn(inputs, units) * (2 / inputs) ** 0.5,
        "first_bias": torch.zeros(units),
        "second": torch.randn(units, outputs) / units**0.5,
        "second_bias": torch.zeros(outputs),
    }


def _loss(logits: Tensor, target: Tensor) -> Tensor:
    """Give the sum of the cross-entropies, to rows of one 1 or, where an example is not there, of 0."""
    return -(target * logits.log_softmax(-1)).sum()


def _apart(slopes: Weights) -> Weights:
    """Take slopes for inputs: as in the paper, no gradient goes back through them."""
    return {name: each.detach() for name, each in slopes.items()}


def _make(name: str, family: EpisodeFamily, settings: MetaNetworkSettings, *, seed: int, device: str) -> ModuleLearner:
    with seeded(torch_generator((seed, Stream.PARAMETERS))):
        system = MetaNetwork(family, settings)
    return ModuleLearner(
        name,
        system,
        settings,
        ways=family.ways,
        device=device,
    )


LEARNER = FewShotKind(settings=MetaNetworkSettings, make=_make, takes=frozenset({CLASSES}), fixed_ways=True)
