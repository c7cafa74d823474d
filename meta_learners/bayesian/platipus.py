"""PLATIPUS: MAML whose start is drawn, from a prior that the support shapes (Finn, Xu and Levine 2018).

In training (arXiv:1806.02817, algorithm 1) the start is drawn about where one step on the *query's* loss leads, and
adapts to the support; the loss is what the query then costs, and the divergence of that distribution from the prior,
which stands where one step on the *support's* loss leads. When tested (algorithm 2) nothing but the support is known:
starts are drawn from that prior. The two have deviations and rates of their own. Without deviations and such steps it
is MAML.
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
from meta_learners.gradient.bilevel import Inner, inner_step
from meta_learners.networks.policies import Parameters, stack
from meta_learners.predictions import Prediction

__all__ = ["LEARNER", "Platipus", "PlatipusSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatipusSettings(BoundedSettings):
    """How it learns."""

    draws: Annotated[int, Bounds(1, 1000)] = 10  # of the start, to predict by
    spread: Annotated[float, Bounds(1e-12, 1e3)] = 0.1  # deviation of the prior's parameters, to begin with
    query_spread: Annotated[float, Bounds(1e-12, 1e3)] = 0.02  # likewise of what the query's loss leads to
    belief_rate: Annotated[float, Bounds(1e-12, 1e3)] = 0.01  # of both steps that shape beliefs, to begin with
    weight: Annotated[float, Bounds(0, 1e3)] = 1.0  # of the divergence


class Platipus:
    """The system; `meta_learners.few_shot.parameter_learner.System`."""

    def __init__(self, likelihood: Likelihood, settings: PlatipusSettings) -> None:
        self._likelihood, self._settings = likelihood, settings
        self._inner = Inner(steps=settings.inner_steps, rate=settings.inner_rate, largest_norm=settings.inner_norm)

    def initial(self, generator: torch.Generator) -> Parameters:
        settings = self._settings
        mean = self._likelihood.network.initial(generator)
        prior, query = (
            {name: torch.full_like(each, math.log(of)) for name, each in mean.items()}
            for of in (settings.spread, settings.query_spread)
        )
        rates = {f"rate.{by}": torch.tensor(math.log(settings.belief_rate)) for by in ("prior", "query")}
        spreads = {**prefixed("spread.prior.", prior), **prefixed("spread.query.", query)}
        return {**prefixed("mean.", mean), **spreads, **rates, **self._likelihood.first_noise(settings)}

    def step(self, meta: Parameters, batch: TaskBatch, generator: torch.Generator) -> Step:
        def loss(leaves: Parameters) -> tuple[Tensor, Prediction]:
            noise = self._likelihood.noise(leaves)
            prior, posterior = (
                self._belief(leaves, each, batch.tasks, by)
                for each, by in ((batch.support, "prior"), (batch.query, "query"))
            )
            adapted = self._adapted(drawn(posterior, 1, generator), batch.support)
            cost = -self._likelihood.log(adapted, batch.query, noise)
            cost = cost + self._settings.weight * divergence_of(posterior, prior)
            with torch.no_grad():
                # The posterior has seen the queries: figures of training are by the prior, as a test's are.
                starts = drawn(prior, 1, generator)
            told = self._adapted({name: each.detach() for name, each in starts.items()}, batch.support)
            with torch.no_grad():
                prediction = self._likelihood.tell(told, batch.query.inputs, noise, 1)
            return (cost / batch.query.present.sum(1).clamp(min=1)).mean(), prediction

        return descent(loss, meta)

    def predict(self, meta: Parameters, batch: TaskBatch, generator: torch.Generator) -> Prediction:
        draws = self._settings.draws
        starts = drawn(self._belief(meta, batch.support, batch.tasks, "prior"), draws, generator)
        adapted = self._adapted(starts, repeated(batch.support, draws))
        return self._likelihood.tell(adapted, batch.query.inputs, self._likelihood.noise(meta), draws)

    def _belief(self, meta: Parameters, examples: Examples, tasks: int, by: str) -> Beliefs:
        """Give the distribution of each task's start: one step from the mean, with a learned spread."""
        rates = {f"rate.{name}": meta[f"rate.{by}"].exp() for name in part(meta, "mean.")}
        start = {**part(meta, "mean."), **rates}
        mean = inner_step(
            Inner(rate=1.0, learned_rates=True, largest_norm=self._settings.inner_norm),
            self._likelihood.losses,
            start,
            stack(part(meta, "mean."), tasks),
            examples,
        )
        return mean, stack(part(meta, f"spread.{by}."), tasks)

    def _adapted(self, starts: Parameters, support: Examples) -> Parameters:
        for _ in range(self._settings.inner_steps):
            starts = inner_step(self._inner, self._likelihood.losses, starts, starts, support)
        return starts


LEARNER = kind_of(PlatipusSettings, Platipus)
