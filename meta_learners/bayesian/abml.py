"""Amortised Bayesian meta-learning: variational inference from a learned prior (Ravi and Beatson 2019, ICLR).

Each task's parameters have independent normal distributions, which begin at the prior and take a few gradient steps on
the bound of the support: what it costs under draws, and the divergence from the prior. The outer loss is what the
queries cost, with the same divergence once more, and a hyperprior of the prior: its means normal, its precisions gamma.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from environments.settings import Bounds
from meta_learners.bayesian.adapting import BoundedSettings, Likelihood, kind_of, part, prefixed, repeated
from meta_learners.bayesian.normal import Beliefs, divergence_of, drawn
from meta_learners.episodes import Examples, TaskBatch
from meta_learners.few_shot.parameter_learner import Step, descent
from meta_learners.gradient.bilevel import bounded
from meta_learners.networks.policies import Parameters, stack
from meta_learners.predictions import Prediction

__all__ = ["ABML", "LEARNER", "ABMLSettings", "bound", "hyperprior"]

SHAPE, RATE = 1.0, 0.01  # of the gamma distribution of the prior's precisions


@dataclass(frozen=True, slots=True, kw_only=True)
class ABMLSettings(BoundedSettings):
    """How it learns."""

    inner_draws: Annotated[int, Bounds(1, 1000)] = 2  # of parameters, for each inner step's bound and the outer loss
    draws: Annotated[int, Bounds(1, 1000)] = 10  # of parameters, to predict by
    spread: Annotated[float, Bounds(1e-12, 1e3)] = 0.05  # deviation of the prior's parameters, to begin with
    # Public ports take .1 for images: one step from a prior moves thousands of parameters a little,
    # which costs more nats than so few examples can save.
    divergence: Annotated[float, Bounds(0, 1e6)] = 1.0  # its weight beside the log likelihood; 1: the bound
    hyperprior: Annotated[float, Bounds(0, 1e6)] = 1e-4  # its weight beside one task


def bound(
    likelihood: Likelihood,
    beliefs: Beliefs,
    prior: Beliefs,
    examples: Examples,
    noise: Tensor,
    parameters: Parameters,
    weight: float = 1.0,
) -> Tensor:
    """Give every task's cost (M,): minus the log likelihood by drawn parameters (S * M, ...), plus the divergence."""
    tasks = len(examples.inputs)
    draws = len(next(iter(parameters.values()))) // tasks
    told = likelihood.log(parameters, repeated(examples, draws), noise).reshape(draws, tasks).mean(0)
    return weight * divergence_of(beliefs, prior) - told


def hyperprior(means: Parameters, spreads: Parameters) -> Tensor:
    """Give minus the log density of the prior's means, normal, and of its precisions, gamma; without constants."""
    normal = sum((0.5 * each.square().sum() for each in means.values()), torch.zeros(()))
    # Of a precision p = exp(-2 s): -(SHAPE - 1) log p + RATE p
    gamma = sum(
        (((SHAPE - 1) * 2 * each + RATE * (-2 * each).exp()).sum() for each in spreads.values()), torch.zeros(())
    )
    return normal + gamma


class ABML:
    """The system; `meta_learners.few_shot.parameter_learner.System`."""

    def __init__(self, likelihood: Likelihood, settings: ABMLSettings) -> None:
        self._likelihood, self._settings = likelihood, settings

    def initial(self, generator: torch.Generator) -> Parameters:
        mean = self._likelihood.network.initial(generator)
        spread = {name: torch.full_like(each, math.log(self._settings.spread)) for name, each in mean.items()}
        return {
            **prefixed("mean.", mean),
            **prefixed("spread.", spread),
            **self._likelihood.first_noise(self._settings),
        }

    def step(self, meta: Parameters, batch: TaskBatch, generator: torch.Generator) -> Step:
        def loss(leaves: Parameters) -> tuple[Tensor, Prediction]:
            noise, draws = self._likelihood.noise(leaves), self._settings.inner_draws
            prior = self._prior(leaves, batch.tasks)
            beliefs = self.inferred(prior, batch.support, noise, generator)
            parameters = drawn(beliefs, draws, generator)
            weight = self._settings.divergence
            cost = bound(self._likelihood, beliefs, prior, batch.query, noise, parameters, weight)
            over = self._settings.hyperprior * hyperprior(part(leaves, "mean."), part(leaves, "spread."))
            with torch.no_grad():
                prediction = self._likelihood.tell(parameters, batch.query.inputs, noise, draws)
            return (cost / batch.query.present.sum(1).clamp(min=1)).mean() + over, prediction

        return descent(loss, meta)

    def predict(self, meta: Parameters, batch: TaskBatch, generator: torch.Generator) -> Prediction:
        noise = self._likelihood.noise(meta)
        beliefs = self.inferred(self._prior(meta, batch.tasks), batch.support, noise, generator)
        parameters = drawn(beliefs, self._settings.draws, generator)
        return self._likelihood.tell(parameters, batch.query.inputs, noise, self._settings.draws)

    def inferred(self, prior: Beliefs, support: Examples, noise: Tensor, generator: torch.Generator) -> Beliefs:
        """Descend each task's bound from the prior; a step is that of the mean over examples."""
        names, outer = list(prior[0]), any(each.requires_grad for each in prior[0].values())
        count = support.present.sum(1).clamp(min=1)
        beliefs = prior
        for _ in range(self._settings.inner_steps):
            with torch.enable_grad():
                places = [
                    each if each.requires_grad else each.detach().requires_grad_()
                    for of in beliefs
                    for each in of.values()
                ]
                means, spreads = places[: len(names)], places[len(names) :]
                beliefs = dict(zip(names, means, strict=True)), dict(zip(names, spreads, strict=True))
                parameters = drawn(beliefs, self._settings.inner_draws, generator)
                # Of numbers, in units of the noise's variance: else steps would shrink where the noise is large.
                unit = 2 * (2 * noise).exp() if self._likelihood.ways is None else 1.0
                weight = self._settings.divergence
                cost = unit * bound(self._likelihood, beliefs, prior, support, noise, parameters, weight) / count
                slopes = torch.autograd.grad(cost.sum(), places, create_graph=outer)
                limited = bounded(dict(enumerate(slopes)), self._settings.inner_norm)
                moved = [each - self._settings.inner_rate * limited[place] for place, each in enumerate(places)]
            means, spreads = moved[: len(names)], moved[len(names) :]
            beliefs = dict(zip(names, means, strict=True)), dict(zip(names, spreads, strict=True))
        return beliefs

    def _prior(self, meta: Parameters, tasks: int) -> Beliefs:
        return stack(part(meta, "mean."), tasks), stack(part(meta, "spread."), tasks)


LEARNER = kind_of(ABMLSettings, ABML)
