"""Neural processes: a network that reads a set of points and tells a distribution over functions.

| name | what it knows of the context | source |
|---|---|---|
| cnp | the mean of its encoded points | Garnelo et al. 2018, arXiv:1807.01613 |
| np | a latent variable, whose distribution the mean describes | Garnelo et al. 2018, arXiv:1807.01622 |
| anp | both, and the mean is taken by attention from where is asked | Kim et al. 2019, arXiv:1901.05761 |

The papers' benchmark (Lee et al. 2020, arXiv:2008.02956) lets np know the mean, too (`beside`), and has residual and
normalised attention (`blocks`). Our blocks also weigh by distance, each head by a width of its own, learned.

Trained on the likelihood of the queries and of the context itself; with a latent variable on its lower bound, whose
divergence is from q(z | context and query) to q(z | context), never to a standard normal distribution. Deviations are
.1 at least, as in the papers, which bounds the likelihood that can be had.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
from torch import Tensor, nn

from environments.settings import Bounds, check_bounds
from meta_learners.episodes import EpisodeFamily, TaskBatch
from meta_learners.few_shot.module_learner import ModuleLearner
from meta_learners.keys import Stream, torch_generator
from meta_learners.learner import NUMBERS, FewShotKind
from meta_learners.networks.embedding import seeded
from meta_learners.predictions import Numbers

__all__ = ["LEARNER", "NeuralProcess", "ProcessSettings", "attend", "divergence"]

FLOOR = 0.1  # of deviations, of outputs and of the latent variable


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSettings:
    """How a neural process learns."""

    units: Annotated[int, Bounds(1, 4096)] = 128  # of every layer, and of the latent variable
    heads: Annotated[int, Bounds(1, 64)] = 8  # of attention
    draws: Annotated[int, Bounds(1, 1000)] = 50  # of the latent variable, to predict by
    # Plain layers tell no function whose waves are short beside its range (Rahaman et al. 2019, arXiv:1806.08734).
    waves: Annotated[int, Bounds(0, 10_000)] = 0  # sines and cosines beside each input, of 1, 2, ... turns a period
    period: Annotated[float, Bounds(1e-6, 1e6)] = 2.0  # of the slowest wave, in units of the input: its range, or more
    step_size: Annotated[float, Bounds(0, 1)] = 5e-4  # of Adam
    halve_after: Annotated[int, Bounds(0, 10**9)] = 20_000  # meta-steps between halvings of the step size; 0: none
    anneal_over: Annotated[int, Bounds(0, 10**9)] = 0  # meta-steps till 0 by a cosine, beside halvings; 0: none
    blocks: Annotated[int, Bounds(0, 100)] = 0  # layers of attention, normalised, near and far; 0: a plain one
    context_blocks: Annotated[int, Bounds(0, 100)] = 0  # such layers in which the context reads itself before
    beside: bool = False  # whether the context's mean speaks, too, beside the latent variable (Lee et al. 2020)

    def __post_init__(self) -> None:
        check_bounds(self)


def layers(*sizes: int) -> nn.Sequential:
    """Give a multilayer perceptron with ReLU between its layers."""
    found: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        found += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*found[:-1])


def attend(
    asked: Tensor, keys: Tensor, values: Tensor, there: Tensor, heads: int, nearness: Tensor | float = 0.0
) -> Tensor:
    """Take means of values (M, S, u) by scaled products of what is asked (M, Q, u) with keys (M, S, u): (M, Q, u).

    What is near (M, heads, Q, S) is added to the products, as the logarithm of a weight.
    With keys that are all alike the mean is even. Where no example is there (M, S), it is 0.
    """
    split = [each.reshape(*each.shape[:2], heads, -1).transpose(1, 2) for each in (asked, keys, values)]
    scores = split[0] @ split[1].transpose(2, 3) / split[0].shape[-1] ** 0.5 + nearness
    weights = scores.masked_fill(~there[:, None, None], torch.finfo(scores.dtype).min).softmax(-1)
    weights = weights * there[:, None, None]
    means: Tensor = (weights @ split[2]).transpose(1, 2).flatten(2)
    return means


class Block(nn.Module):
    """Attention whose heads look near and far, and two layers after it; what each finds is added to what came in."""

    def __init__(self, units: int, heads: int, period: float) -> None:
        super().__init__()
        self.heads = heads
        self.asking, self.known, self.found = (nn.LayerNorm(units) for _ in range(3))
        self.ask, self.key, self.value, self.tell = (nn.Linear(units, units) for _ in range(4))
        self.think = layers(units, 2 * units, units)
        # Of a Gaussian around what is asked, by head: from a quarter of the range of places to an eightieth.
        self.log_widths = nn.Parameter(math.log(period) - torch.linspace(math.log(4), math.log(80), heads))

    def forward(self, asked: Tensor, context: Tensor, there: Tensor, apart: Tensor) -> Tensor:
        """Let what is asked (M, Q, u) attend to a context (M, S, u), given square distances (M, Q, S): (M, Q, u)."""
        nearness = -0.5 * apart[:, None] * (-2 * self.log_widths).exp()[:, None, None]
        query, known = self.ask(self.asking(asked)), self.known(context)
        asked = asked + self.tell(attend(query, self.key(known), self.value(known), there, self.heads, nearness))
        told: Tensor = asked + self.think(self.found(asked))
        return told


def divergence(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> Tensor:
    """Give KL(one || other) of normal distributions by mean and deviation (M, u): (M,)."""
    ratio = (one[1] / other[1]).square()
    gap = ((one[0] - other[0]) / other[1]).square()
    return 0.5 * (ratio + gap - 1 - ratio.log()).sum(-1)


class NeuralProcess(nn.Module):
    """The system; `Episodic`.

    Args:
        inputs: how many numbers an input has.
        outputs: how many a target has.
        settings: how it learns.
        latent: whether there is a latent variable.
        direct: whether the context also speaks for itself.
        attentive: whether that is by attention.
    """

    def __init__(
        self, inputs: int, outputs: int, settings: ProcessSettings, *, latent: bool, direct: bool, attentive: bool
    ) -> None:
        super().__init__()
        direct = direct or settings.beside
        self._inputs = inputs
        units, inputs = settings.units, inputs * (1 + 2 * settings.waves)
        pairs = inputs + outputs + (inputs * outputs if settings.waves else 0)
        self._settings = settings
        blocks = settings.blocks if attentive else 0  # they have layers of their own, so that there are fewer elsewhere
        self.encode = layers(pairs, *[units] * (2 if blocks else 3)) if direct else None
        self.read = layers(inputs, units, units) if attentive else None
        self.latent = layers(pairs, units, units, units) if latent else None
        self.describe = layers(units, units, 2 * units) if latent else None
        own = settings.context_blocks if blocks else 0
        self.blocks, self.context_blocks = (
            nn.ModuleList(Block(units, settings.heads, settings.period) for _ in range(count))
            for count in (blocks, own)
        )
        self.normalise = nn.LayerNorm(units) if blocks else nn.Identity()
        self.decode = layers(inputs + units * (direct + latent), *[units] * (1 if blocks else 3), 2 * outputs)

    def _placed(self, inputs: Tensor) -> Tensor:
        """Lay inputs (M, K, ...) flat, with their waves behind them."""
        flat = inputs.flatten(2)
        if not self._settings.waves:
            return flat
        turns = (2 * math.pi / self._settings.period * torch.arange(1, self._settings.waves + 1)).to(flat)
        angles = (flat[..., None] * turns).flatten(2)
        return torch.cat([flat, angles.sin(), angles.cos()], -1)

    def _context(self, batch: TaskBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Give placed inputs (M, S, i), targets and which are there; what is not is 0, for it may be anything."""
        there, inputs = batch.support.present, batch.support.inputs.flatten(2)
        known, targets = (torch.where(there[..., None], each, 0) for each in (inputs, batch.support.targets))
        return self._placed(known), targets, there

    def _paired(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Lay placed inputs and targets side by side; with waves their products, too, whose means tell amplitudes."""
        if not self._settings.waves:
            return torch.cat([inputs, targets], -1)
        products = (inputs[..., None] * targets[..., None, :]).flatten(2)
        return torch.cat([inputs, targets, products], -1)

    def _direct(self, inputs: Tensor, targets: Tensor, there: Tensor, asked: Tensor) -> list[Tensor]:
        if self.encode is None:
            return []
        encoded = self.encode(self._paired(inputs, targets))
        if self.read is None:
            return [_mean(encoded, there)[:, None].expand(-1, asked.shape[1], -1)]
        if not self.blocks:
            return [attend(self.read(asked), self.read(inputs), encoded, there, self._settings.heads)]
        found, places, points = self.read(asked), asked[..., : self._inputs], inputs[..., : self._inputs]
        among, apart = _apart(points, points), _apart(places, points)
        for block in self.context_blocks:
            encoded = block(encoded, encoded, there, among)
        for block in self.blocks:
            found = block(found, encoded, there, apart)
        return [self.normalise(found)]

    def _beliefs(self, inputs: Tensor, targets: Tensor, *there: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Tell mean and deviation of the latent variable (M, u) by the examples that are there (M, K), for each."""
        assert self.latent is not None
        assert self.describe is not None
        encoded, found = self.latent(self._paired(inputs, targets)), []
        for each in there:
            mean, spread = self.describe(_mean(encoded[:, : each.shape[1]], each)).chunk(2, -1)
            found.append((mean, FLOOR + (1 - FLOOR) * spread.sigmoid()))
        return found

    def _decode(self, asked: Tensor, known: list[Tensor]) -> Numbers:
        leading = (*max(known, key=Tensor.dim).shape[:-2], asked.shape[1])  # draws, where there are some, come first
        parts = [each.expand(*leading, each.shape[-1]) for each in (asked, *known)]
        mean, spread = self.decode(torch.cat(parts, -1)).chunk(2, -1)
        deviation = FLOOR + (1 - FLOOR) * nn.functional.softplus(spread)
        return Numbers(mean, deviation) if mean.dim() == 4 else Numbers.of(mean, deviation)

    def predict(self, batch: TaskBatch, generator: torch.Generator) -> Numbers:
        inputs, targets, there = self._context(batch)
        asked = self._placed(batch.query.inputs)
        known = self._direct(inputs, targets, there, asked)
        if self.latent is None:
            return self._decode(asked, known)
        [(mean, deviation)] = self._beliefs(inputs, targets, there)
        noise = torch.randn(self._settings.draws, *mean.shape, generator=generator).to(mean)
        return self._decode(asked, [*known, (mean + deviation * noise)[:, :, None]])

    def loss(self, batch: TaskBatch, generator: torch.Generator) -> tuple[Tensor, Numbers]:
        inputs, targets, there = self._context(batch)
        every = torch.cat([inputs, self._placed(batch.query.inputs)], 1)
        wanted = torch.cat([targets, batch.query.targets], 1)
        counted = torch.cat([there, batch.query.present], 1)
        direct = self._direct(inputs, targets, there, every)
        known, price = direct, torch.zeros(batch.tasks).to(every)
        if self.latent is not None:
            prior, posterior = self._beliefs(every, wanted, there, counted)
            noise = torch.randn(posterior[0].shape, generator=generator).to(every)
            known = [*direct, (posterior[0] + posterior[1] * noise)[:, None]]
            price = divergence(posterior, prior)
        found = self._decode(every, known)
        told = found.log_probability(wanted)
        assert told is not None
        bound = (torch.where(counted, told, 0).sum(1) - price) / counted.sum(1).clamp(min=1)
        size = batch.query.inputs.shape[1]
        with torch.no_grad():
            if self.latent is not None:
                # The posterior has seen the queries' targets: figures of training are by the prior, as a test's are.
                drawn = (prior[0] + prior[1] * noise)[:, None]
                found = self._decode(every[:, -size:], [*(each[:, -size:] for each in direct), drawn])
        deviations = None if found.deviations is None else found.deviations[..., -size:, :].detach()
        return -bound.mean(), Numbers(found.means[..., -size:, :].detach(), deviations)


def _apart(asked: Tensor, known: Tensor) -> Tensor:
    """Give square distances (M, Q, S) of places (M, Q, i) from others (M, S, i)."""
    return (asked[:, :, None] - known[:, None]).square().sum(-1)


def _mean(encoded: Tensor, there: Tensor) -> Tensor:
    return (encoded * there[..., None]).sum(1) / there.sum(1, keepdim=True).clamp(min=1)


KINDS = {
    "cnp": {"latent": False, "direct": True, "attentive": False},
    "np": {"latent": True, "direct": False, "attentive": False},
    "anp": {"latent": True, "direct": True, "attentive": True},
}


def _make(name: str, family: EpisodeFamily, settings: ProcessSettings, *, seed: int, device: str) -> ModuleLearner:
    if name == "anp" and settings.units % settings.heads:
        raise ValueError(f"units is {settings.units}; it must be a multiple of heads, {settings.heads}")
    inputs = math.prod(family.input_shape)
    with seeded(torch_generator((seed, Stream.PARAMETERS))):
        system = NeuralProcess(inputs, family.target_size, settings, **KINDS[name])
    return ModuleLearner(
        name,
        system,
        settings,
        anneal_over=settings.anneal_over,
        largest_norm=1.0 if len(system.blocks) else None,
        device=device,
    )


def _unread(name: str, family: EpisodeFamily, settings: ProcessSettings) -> frozenset[str]:
    kind = KINDS[name]
    blocks = kind["attentive"] and settings.blocks > 0
    read = {
        "period": settings.waves > 0 or blocks,
        "draws": kind["latent"],
        "beside": name == "np",
        "heads": kind["attentive"],
        "blocks": kind["attentive"],
        "context_blocks": blocks,
    }
    return frozenset(each for each, is_read in read.items() if not is_read)


LEARNER = FewShotKind(settings=ProcessSettings, make=_make, takes=frozenset({NUMBERS}), unread=_unread)
"""Of every name in `KINDS`."""
