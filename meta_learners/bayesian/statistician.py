"""The Neural Statistician: a generative model of sets (Edwards and Storkey 2017, arXiv:1606.02185).

A set has a latent context c; each of its items a latent z, whose prior c shapes; both shape the item. What is inferred
of c is from the mean of the items' features. The bound of a set (equation 4) is a sum over items, of the log likelihood
less the divergence of z from its prior; less the divergence of c from a standard normal distribution.

For numbers a task is a set of pairs, of which inputs are given: queries are told under drawn c and z. For classes a
class is a set, of inputs alone: a query's class is that whose c diverges least from the query's own (section 5.3).

Inputs that are sequences are told point after point, each from those before it, c and z. What makes a class, as how its
ground goes on, may lie anywhere in an item: of points told side by side c can say hardly anything, and tells no class.
No point is told closer than a resolution: where a hundredth of an error costs more than all that a class says, the
chance in c is what costs most, and c becomes the same for all sets, so that it has none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from environments.settings import Bounds, check_bounds
from meta_learners.bayesian.neural_processes import divergence, layers
from meta_learners.episodes import EpisodeFamily, Examples, TaskBatch, one_hot
from meta_learners.few_shot.module_learner import ModuleLearner
from meta_learners.keys import Stream, torch_generator
from meta_learners.learner import CLASSES, NUMBERS, FewShotKind
from meta_learners.networks.embedding import Embedding, seeded
from meta_learners.predictions import Logits, Numbers, Prediction

__all__ = ["LEARNER", "Statistician", "StatisticianSettings", "set_bound", "some_of"]

FLOOR = 0.02  # of deviations of items that are no sequences
POINT_UNITS = 64  # of the layers that tell one point of a sequence
Normal = tuple[Tensor, Tensor]  # mean and deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticianSettings:
    """How it learns."""

    context: Annotated[int, Bounds(1, 4096)] = 16  # numbers of c
    latent: Annotated[int, Bounds(1, 4096)] = 8  # numbers of an item's z
    units: Annotated[int, Bounds(1, 4096)] = 128  # of every layer
    width: Annotated[int, Bounds(1, 4096)] = 32  # filters of the embedding, of inputs that have classes
    before: Annotated[int, Bounds(1, 4096)] = 12  # points of a sequence that has a class, by which the next is told
    resolution: Annotated[float, Bounds(1e-6, 1e6)] = 0.2  # least deviation of such a point, in units of the sequence
    draws: Annotated[int, Bounds(1, 1000)] = 50  # of c and z, to predict numbers by
    step_size: Annotated[float, Bounds(0, 1)] = 1e-3  # of Adam
    halve_after: Annotated[int, Bounds(0, 10**9)] = 5000  # meta-steps between halvings of the step size; 0: none

    def __post_init__(self) -> None:
        check_bounds(self)


def set_bound(log_likelihood: Tensor, item_divergence: Tensor, divergence_of_set: Tensor, members: Tensor) -> Tensor:
    """Give the bound of every set (M, N).

    Args:
        log_likelihood: expected, of every item (M, K).
        item_divergence: of what is inferred of its z from its prior (M, K).
        divergence_of_set: of what is inferred of c from its prior (M, N).
        members: 1 where an item is of a set (M, K, N); an item that is not there is of none.
    """
    found: Tensor = ((log_likelihood - item_divergence)[..., None] * members).sum(1) - divergence_of_set
    return found


def some_of(members: Tensor, generator: torch.Generator) -> Tensor:
    """Keep a drawn number of every set's items, from one to all, of those (M, K, N) that are its members.

    Classes are told by sets of a support's size and by single queries: from sets of one size alone nothing is learned
    of those.
    """
    chance = torch.rand(members.shape, generator=generator).to(members)
    place = torch.where(members > 0, chance, 2.0).argsort(1).argsort(1)  # of members, before all others
    share = torch.rand(len(members), 1, members.shape[2], generator=generator).to(members)
    return members * (place <= (share * members.sum(1, keepdim=True)).floor())


class Statistician(nn.Module):
    """The system; `Episodic`.

    Args:
        shape: of an input.
        ways: N classes, or None where targets are numbers.
        outputs: how many numbers a target has.
        settings: how it learns.
    """

    def __init__(self, shape: tuple[int, ...], ways: int | None, outputs: int, settings: StatisticianSettings) -> None:
        super().__init__()
        units, size, z = settings.units, math.prod(shape), settings.latent
        self._settings, self._classes, self._shape = settings, ways is not None, shape
        if ways is not None:
            self.embedding = Embedding(shape, settings.width)
            features, given, told = self.embedding.size, 0, size
        else:
            features, given, told = size + outputs, size, outputs
        self.encode = layers(features, units, units)
        self.describe_set = layers(units + 1, units, units, 2 * settings.context)
        if ways is not None:
            _aloud(self.encode, self.describe_set)
        self.describe_item = layers(units + settings.context, units, 2 * z)
        self.prior_item = layers(given + settings.context, units, 2 * z)
        if self._in_a_row:
            seen = shape[0] * settings.before
            self.decode = layers(seen + settings.context + z, POINT_UNITS, POINT_UNITS, 2 * shape[0])
        else:
            self.decode = layers(given + settings.context + z, units, units, 2 * told)

    @property
    def _in_a_row(self) -> bool:
        """Whether what is told are sequences."""
        return self._classes and len(self._shape) == 2

    def loss(self, batch: TaskBatch, generator: torch.Generator) -> tuple[Tensor, Prediction]:
        """Give minus the bound an item, of support and query together; queries are told from the support alone."""
        both = batch.support.joined(batch.query)
        items, given, members = self._items(both, batch.ways)
        features = self.encode(self._features(both, items))
        seen = some_of(members, generator) if self._classes else members
        context = self._context(features, seen)  # (M, N, c)
        drawn = members @ _draw(context, generator)  # an item's own set's (M, K, c)
        posterior = _normal(self.describe_item(torch.cat([features, drawn], -1)))
        prior = _normal(self.prior_item(torch.cat([*given, drawn], -1)))
        latent = [drawn, _draw(posterior, generator)]
        mean, deviation = self._along(items, latent) if self._in_a_row else self._decoded([*given, *latent])
        scaled = (items - mean) / deviation
        told = (-0.5 * scaled.square() - deviation.log() - 0.5 * math.log(2 * math.pi)).sum(-1)
        standard = torch.zeros_like(context[0]), torch.ones_like(context[1])
        bound = set_bound(told, divergence(posterior, prior), divergence(context, standard), members)
        with torch.no_grad():
            prediction = self.predict(batch, generator)
        return -bound.sum() / members.sum().clamp(min=1), prediction

    def predict(self, batch: TaskBatch, generator: torch.Generator) -> Prediction:
        items, _, members = self._items(batch.support, batch.ways)
        known = self._context(self.encode(self._features(batch.support, items)), members)
        if batch.ways is not None:
            return Logits(-self._gaps(known, batch.query))
        draws = self._settings.draws
        noise = torch.randn(draws, *known[0].shape, generator=generator).to(items)  # (S, M, 1, c)
        asked = batch.query.inputs.flatten(2)
        context = (known[0] + known[1] * noise).expand(-1, -1, asked.shape[1], -1)
        given = asked.expand(draws, *asked.shape)
        latent = _normal(self.prior_item(torch.cat([given, context], -1)))
        # One z for all queries of a task and draw: the chances of one query do not hang on how many there are.
        chance = torch.randn(draws, len(asked), 1, latent[0].shape[-1], generator=generator).to(items)
        return Numbers(*self._decoded([given, context, latent[0] + latent[1] * chance]))

    def _gaps(self, known: Normal, query: Examples) -> Tensor:
        """Give KL(c of a class || c of a query alone) of all pairs (M, Q, N)."""
        single = torch.ones(*query.inputs.shape[:2], 1).to(known[0])  # one over how many there are
        own = _normal(
            self.describe_set(torch.cat([self.encode(self.embedding.standardised(query.inputs)), single], -1))
        )
        of_class = known[0][:, None], known[1][:, None]
        of_query = own[0][:, :, None], own[1][:, :, None]
        return divergence(of_class, of_query)

    def _items(self, examples: Examples, ways: int | None) -> tuple[Tensor, list[Tensor], Tensor]:
        """Give what is told of each item (M, K, o), what is given, and the sets that items are of (M, K, N)."""
        there = examples.present
        inputs = torch.where(there[..., None], examples.inputs.flatten(2), 0)
        if ways is not None:
            return inputs, [], one_hot(examples, ways)
        targets = torch.where(there[..., None], examples.targets, 0)
        return targets, [inputs], there[..., None].to(targets.dtype)

    def _features(self, examples: Examples, items: Tensor) -> Tensor:
        if self._classes:
            return self.embedding.standardised(items.reshape(examples.inputs.shape))
        inputs = torch.where(examples.present[..., None], examples.inputs.flatten(2), 0)
        return torch.cat([inputs, items], -1)

    def _context(self, features: Tensor, members: Tensor) -> Normal:
        """Infer c of every set from the mean of its items' features, and how many there are."""
        share = 1 / members.sum(1)[..., None].clamp(min=1)  # (M, N, 1)
        mean = (members.transpose(1, 2) @ features) * share
        return _normal(self.describe_set(torch.cat([mean, share], -1)))

    def _along(self, items: Tensor, latent: list[Tensor]) -> Normal:
        """Tell every point of sequences (M, K, C * L) by those before it, and by what is latent in each (M, K, f)."""
        (channels, length), reach = self._shape, self._settings.before
        points = items.reshape(-1, channels, length)
        before = nn.functional.pad(points, (reach, 0))[..., :-1].unfold(-1, reach, 1)  # (M K, C, L, reach)
        beside = torch.cat(latent, -1).flatten(0, 1)[:, None].expand(-1, length, -1)
        mean, deviation = self._decoded([before.transpose(1, 2).flatten(2), beside])
        return mean.transpose(1, 2).reshape(items.shape), deviation.transpose(1, 2).reshape(items.shape)

    def _decoded(self, known: list[Tensor]) -> Normal:
        mean, spread = self.decode(torch.cat(known, -1)).chunk(2, -1)
        return mean, (self._settings.resolution if self._in_a_row else FLOOR) + nn.functional.softplus(spread)


def _aloud(*networks: nn.Sequential) -> None:
    """Draw weights anew so that signals keep their size from layer to layer (He et al. 2015, arXiv:1502.01852).

    By the usual ones each layer more than halves them: after five, the c of all sets begin alike beside their chance.
    """
    for each in (layer for network in networks for layer in network if isinstance(layer, nn.Linear)):
        nn.init.kaiming_normal_(each.weight, nonlinearity="relu")
        nn.init.zeros_(each.bias)


def _normal(described: Tensor) -> Normal:
    mean, spread = described.chunk(2, -1)
    return mean, nn.functional.softplus(spread) + 1e-3


def _draw(belief: Normal, generator: torch.Generator) -> Tensor:
    return belief[0] + belief[1] * torch.randn(belief[0].shape, generator=generator).to(belief[0])


def _make(name: str, family: EpisodeFamily, settings: StatisticianSettings, *, seed: int, device: str) -> ModuleLearner:
    with seeded(torch_generator((seed, Stream.PARAMETERS))):
        system = Statistician(family.input_shape, family.ways, family.target_size, settings)
    return ModuleLearner(name, system, settings, device=device)


def _unread(name: str, family: EpisodeFamily, settings: StatisticianSettings) -> frozenset[str]:
    if family.ways is None:
        return frozenset({"width", "before", "resolution"})
    return frozenset({"draws"} if len(family.input_shape) == 2 else {"draws", "before", "resolution"})


LEARNER = FewShotKind(settings=StatisticianSettings, make=_make, takes=frozenset({CLASSES, NUMBERS}), unread=_unread)
