"""LLAMA: MAML as hierarchical Bayes, with Laplace's approximation (Grant et al. 2018, arXiv:1801.08930).

A task's parameters are where a few gradient steps from the start end: the mode of a posterior whose prior is implied by
stopping early (section 3.1). About it the posterior is taken for normal. Its precision is the curvature of the
support's likelihood, Kronecker-factored layer by layer (Martens and Grosse 2015, arXiv:1503.05671), and the prior's.
The outer loss is what the queries cost at the mode, and eta/2 log det of the precision (algorithm 3). Queries are told
by the network made linear about the mode, whose predictive distribution is then exact. Of a network of convolutions the
posterior is that of the last layer alone; below it the mode is taken for certain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from environments.settings import Bounds
from meta_learners.bayesian.adapting import BoundedSettings, Likelihood, kind_of
from meta_learners.episodes import Examples, TaskBatch
from meta_learners.few_shot.parameter_learner import Step, descent
from meta_learners.gradient.bilevel import Inner, adapt
from meta_learners.networks.adaptable import Adaptable
from meta_learners.networks.convolutions import Convolutions
from meta_learners.networks.policies import Parameters
from meta_learners.predictions import Logits, Numbers, Prediction

__all__ = ["LEARNER", "Llama", "LlamaSettings", "implied_precision", "trace"]

LEAST = 1e-6  # of a step times a curvature: below it the limit is meant, and near 1 only the data count


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamaSettings(BoundedSettings):
    """How it learns."""

    weight: Annotated[float, Bounds(0, 1e3)] = 1e-3  # eta, of the log determinant; 0 leaves MAML


def implied_precision(curvature: Tensor, rate: float | Tensor, steps: int) -> Tensor:
    """Give the precision of the prior, about the start, whose mode so many steps of gradient descent reach.

    h r / (1 - r) with r = (1 - rate h)^steps, for a quadratic loss of curvature h; 1 / (rate * steps) where h is 0.
    """
    share = (rate * curvature).clamp(LEAST, 1 - LEAST)
    left = steps * torch.log1p(-share)  # log r
    return share / rate * left.exp() / -torch.expm1(left)


def trace(network: Adaptable, parameters: Parameters, inputs: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Evaluate a stacked ReLU network, keeping what the curvature of each layer is made of; of convolutions, the last.

    Returns:
        Outputs (M, B, o); and for every layer its inputs with a 1 behind them (M, B, i + 1), and the slopes of the
        outputs by what the layer puts out, before ReLU (M, B, o, units).
    """
    if isinstance(network, Convolutions):
        features = network.features(parameters, inputs)
        direct = torch.eye(network.outputs).to(inputs).expand(*inputs.shape[:2], -1, -1)
        with_one = torch.cat([features, torch.ones_like(features[..., :1])], -1)
        return network.last(parameters, features), [(with_one, direct)]
    signal, seen, sums = inputs, [], []
    last = len(network.sizes) - 2
    for number in range(last + 1):
        seen.append(torch.cat([signal, torch.ones_like(signal[..., :1])], -1))
        sums.append(
            torch.baddbmm(parameters[f"layer{number}.bias"][:, None], signal, parameters[f"layer{number}.weight"])
        )
        signal = sums[-1].relu()
    size = network.sizes[-1]
    slopes = torch.eye(size).to(inputs).expand(*inputs.shape[:2], size, size)
    found = [(seen[last], slopes)]
    for number in range(last, 0, -1):
        slopes = (slopes @ parameters[f"layer{number}.weight"].transpose(1, 2)[:, None]) * (sums[number - 1] > 0)[
            :, :, None
        ]
        found.append((seen[number - 1], slopes))
    return sums[last], found[::-1]


@dataclass(frozen=True)
class Posterior:
    """Of one layer, in the directions in which its factors are diagonal."""

    inner: Tensor  # (M, i + 1, i + 1), a column a direction
    outer: Tensor  # (M, units, units)
    precisions: Tensor  # (M, i + 1, units)

    def variance(self, seen: Tensor, slopes: Tensor) -> Tensor:
        """Give the variance (M, B, o) that it makes of outputs, by `trace`."""
        into, out = (seen @ self.inner).square(), (slopes @ self.outer[:, None]).square()
        return torch.einsum("mbi,miu,mbou->mbo", into, 1 / self.precisions, out)


class Llama:
    """The system; `meta_learners.few_shot.parameter_learner.System`."""

    def __init__(self, likelihood: Likelihood, settings: LlamaSettings) -> None:
        self._likelihood, self._settings = likelihood, settings
        self._inner = Inner(steps=settings.inner_steps, rate=settings.inner_rate, largest_norm=settings.inner_norm)

    def initial(self, generator: torch.Generator) -> Parameters:
        return {**self._likelihood.network.initial(generator), **self._likelihood.first_noise(self._settings)}

    def step(self, meta: Parameters, batch: TaskBatch, generator: torch.Generator) -> Step:
        def loss(leaves: Parameters) -> tuple[Tensor, Prediction]:
            noise = self._likelihood.noise(leaves)
            adapted = self._adapted(leaves, batch)
            cost = -self._likelihood.log(adapted, batch.query, noise)
            if self._settings.weight:
                precisions = [each for each, _, _ in self._precisions(adapted, batch.support, noise, values_only=True)]
                cost = cost + 0.5 * self._settings.weight * sum(each.log().sum((1, 2)) for each in precisions)
            with torch.no_grad():
                prediction = self._likelihood.tell(adapted, batch.query.inputs, noise, 1)
            return (cost / batch.query.present.sum(1).clamp(min=1)).mean(), prediction

        return descent(loss, meta)

    def predict(self, meta: Parameters, batch: TaskBatch, generator: torch.Generator) -> Prediction:
        noise = self._likelihood.noise(meta)
        adapted = self._adapted(meta, batch)
        factors = self._precisions(adapted, batch.support, noise, values_only=False)
        posteriors = [Posterior(inner, outer, precisions) for precisions, inner, outer in factors]
        told, traces = trace(self._likelihood.network, adapted, batch.query.inputs.flatten(2))
        variance = sum(
            (each.variance(*of) for each, of in zip(posteriors, traces, strict=True)), torch.zeros_like(told)
        )
        if self._likelihood.ways is None:
            return Numbers.of(told, (variance + (2 * noise).exp()).sqrt())
        return Logits(told / (1 + math.pi / 8 * variance).sqrt())  # MacKay's mean of a sigmoid, of each logit

    def _adapted(self, meta: Parameters, batch: TaskBatch) -> Parameters:
        start = {name: each for name, each in meta.items() if name in self._likelihood.network.layers}
        supports = [batch.support] * self._settings.inner_steps
        return adapt(self._inner, self._likelihood.losses, start, supports, batch.tasks)

    def _precisions(
        self, adapted: Parameters, support: Examples, noise: Tensor, *, values_only: bool
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Give each layer's precisions (M, i + 1, units), and the directions that they are of."""
        there = support.present
        count = there.sum(1).clamp(min=1).to(noise.dtype)[:, None, None]
        inputs = torch.where(there[..., None], support.inputs.flatten(2), 0)
        told, traces = trace(self._likelihood.network, adapted, inputs)
        if self._likelihood.ways is None:
            size = told.shape[-1]
            bend = (-2 * noise).exp() * torch.eye(size).to(told).expand(*told.shape, size)
            scale = 0.5 * count * size * (-2 * noise).exp()  # the log likelihood is the inner loss times minus this
        else:
            odds = told.softmax(-1)
            bend, scale = torch.diag_embed(odds) - odds[..., None] * odds[..., None, :], count
        weights = there.to(told.dtype)
        found = []
        for seen, slopes in traces:
            inner = torch.einsum("mbi,mbj,mb->mij", seen, seen, weights)
            outer = torch.einsum("mbou,mbop,mbpv,mb->muv", slopes, bend, slopes, weights) / count
            if values_only:
                parts = [(torch.linalg.eigvalsh(each.double()), each) for each in (inner, outer)]
            else:
                parts = [torch.linalg.eigh(each.double()) for each in (inner, outer)]
            curvature = (parts[0][0][:, :, None] * parts[1][0][:, None]).clamp(min=0)
            prior = implied_precision(curvature, self._settings.inner_rate / scale, self._settings.inner_steps)
            kind = told.dtype
            found.append(((curvature + prior).to(kind), parts[0][1].to(kind), parts[1][1].to(kind)))
        return found


LEARNER = kind_of(LlamaSettings, Llama)
