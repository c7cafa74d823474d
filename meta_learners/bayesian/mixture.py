"""A mixture of starts for MAML, which grows with the kinds of tasks that there are (Jerfel et al. 2019, NeurIPS).

A task adapts from each of L starts (arXiv:1812.06080, algorithms 1 and 2). How far each is responsible is a softmax of
the log likelihood of its support after adapting, and of a Chinese restaurant's prior: of how many tasks each took so
far. All move by the queries' loss, as far as they are responsible. Beside them waits one that no task has: where it
would take more than a share of a batch, it joins, and another one waits. With one start that never grows it is MAML.

With `own_noise` each start says itself how far off it is: tasks of which nothing can be told are then a kind, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import torch
from torch import Tensor

from environments.settings import Bounds
from meta_learners.bayesian.adapting import BoundedSettings, Likelihood, kind_of, part, prefixed, repeated
from meta_learners.episodes import Examples, TaskBatch
from meta_learners.few_shot.parameter_learner import Step, descent
from meta_learners.gradient.bilevel import Inner, inner_step
from meta_learners.networks.policies import Parameters
from meta_learners.predictions import Prediction

__all__ = ["LEARNER", "Mixture", "MixtureSettings", "responsibilities"]

COUNTS = "kept.counts"  # of how many tasks each start took (L,): 0 while it waits
SINCE = "kept.since"  # how many meta-steps ago one joined
MEMORY = 0.99  # share of the counts that is kept from one meta-step to the next


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureSettings(BoundedSettings):
    """How it learns."""

    starts: Annotated[int, Bounds(1, 100)] = 4  # at most; more tasks are not told apart
    first: Annotated[int, Bounds(1, 100)] = 1  # that are there from the beginning; as many as `starts`: never grows
    temperature: Annotated[float, Bounds(1e-6, 1e6)] = 1.0  # by which an example's log likelihoods are divided
    concentration: Annotated[float, Bounds(1e-9, 1e9)] = 1.0  # of the prior: how many tasks the waiting one counts for
    share: Annotated[float, Bounds(0, 1)] = 0.2  # of a batch, from which on the waiting one joins
    patience: Annotated[int, Bounds(0, 10**9)] = 500  # meta-steps between joins at least, and before the first
    own_noise: bool = False  # whether each start has a deviation of numbers of its own

    def __post_init__(self) -> None:
        super(MixtureSettings, self).__post_init__()
        if self.first > self.starts:
            raise ValueError(f"first is {self.first}; it must be at most starts, {self.starts}")


def responsibilities(log_likelihoods: Tensor, log_prior: Tensor) -> Tensor:
    """Say how far each start is responsible for each task.

    Args:
        log_likelihoods: of each task's support, from each start (L, M).
        log_prior: of each start (L,); minus infinity where it is not there.

    Returns:
        (L, M), sums of 1 over starts.
    """
    return (log_likelihoods + log_prior[:, None]).softmax(0)


class Mixture:
    """The system; `meta_learners.few_shot.parameter_learner.System`."""

    def __init__(self, likelihood: Likelihood, settings: MixtureSettings) -> None:
        self._likelihood, self._settings = likelihood, settings
        self._inner = Inner(rate=settings.inner_rate, largest_norm=settings.inner_norm)

    def initial(self, generator: torch.Generator) -> Parameters:
        networks = [self._likelihood.network.initial(generator) for _ in range(self._settings.starts)]
        starts = {name: torch.stack([each[name] for each in networks]) for name in networks[0]}
        counts = (torch.arange(self._settings.starts) < self._settings.first).float()
        kept = {COUNTS: counts, SINCE: torch.zeros(())}
        noise = self._likelihood.first_noise(self._settings)
        if self._settings.own_noise:
            noise = {name: each.repeat(self._settings.starts) for name, each in noise.items()}
        return {**prefixed("start.", starts), **noise, **kept}

    def step(self, meta: Parameters, batch: TaskBatch, generator: torch.Generator) -> Step:
        shares = torch.zeros(())

        def loss(leaves: Parameters) -> tuple[Tensor, Prediction]:
            nonlocal shares
            noise, number = self._noise(leaves, batch.tasks), self._settings.starts
            adapted = self._adapted(leaves, batch)
            shares = self._shares(meta, adapted, batch.support, noise.detach(), waiting=True)
            cost = -self._likelihood.log(adapted, repeated(batch.query, number), noise).reshape(number, -1)
            cost = (shares * cost).sum(0) / batch.query.present.sum(1).clamp(min=1)
            with torch.no_grad():
                known = self._shares(meta, adapted, batch.support, noise, waiting=False)
                prediction = self._tell(adapted, batch, noise, known)
            return cost.mean(), prediction

        found = descent(loss, meta)
        return replace(found, kept=self._counted(meta, shares))

    def predict(self, meta: Parameters, batch: TaskBatch, generator: torch.Generator) -> Prediction:
        noise, adapted = self._noise(meta, batch.tasks), self._adapted(meta, batch)
        shares = self._shares(meta, adapted, batch.support, noise, waiting=False)
        return self._tell(adapted, batch, noise, shares)

    def shares(self, meta: Parameters, batch: TaskBatch) -> Tensor:
        """Say how far each start that has joined is responsible for each task (L, M)."""
        noise = self._noise(meta, batch.tasks)
        return self._shares(meta, self._adapted(meta, batch), batch.support, noise, waiting=False)

    def _noise(self, meta: Parameters, tasks: int) -> Tensor:
        """Find the log deviation of numbers: one for all, or of each start on every task (L * M,)."""
        noise = self._likelihood.noise(meta)
        return noise.repeat_interleave(tasks) if noise.dim() else noise

    def _shares(
        self, meta: Parameters, adapted: Parameters, support: Examples, noise: Tensor, *, waiting: bool
    ) -> Tensor:
        counts = meta[COUNTS].clone()
        if waiting and (counts == 0).any():
            counts[(counts == 0).nonzero()[0]] = self._settings.concentration
        with torch.no_grad():
            told = self._likelihood.log(adapted, repeated(support, self._settings.starts), noise)
            told = told.reshape(self._settings.starts, -1) / self._settings.temperature
            return responsibilities(told, (counts / counts.sum()).log())

    def _counted(self, meta: Parameters, shares: Tensor) -> Parameters:
        """Add up what each start took; the one that waits joins where it took enough, and had time to learn."""
        counts, since = meta[COUNTS], meta[SINCE] + 1
        joined = counts > 0
        joins = (shares.mean(1) >= self._settings.share) & (since > self._settings.patience)
        now = joined | joins
        counts = MEMORY * counts + shares.sum(1)
        return {
            COUNTS: torch.where(now, counts.clamp(min=1e-3), 0),
            SINCE: torch.where((now != joined).any(), 0, since),
        }

    def _adapted(self, meta: Parameters, batch: TaskBatch) -> Parameters:
        """Adapt to every task from every start (L * M, ...), a start's tasks behind one another."""
        found = {
            name: each[:, None].expand(each.shape[0], batch.tasks, *each.shape[1:]).flatten(0, 1)
            for name, each in part(meta, "start.").items()
        }
        support = repeated(batch.support, self._settings.starts)
        for _ in range(self._settings.inner_steps):
            found = inner_step(self._inner, self._likelihood.losses, found, found, support)
        return found

    def _tell(self, adapted: Parameters, batch: TaskBatch, noise: Tensor, shares: Tensor) -> Prediction:
        if noise.dim():
            noise = noise.reshape(*shares.shape, 1, 1)
        return self._likelihood.tell(adapted, batch.query.inputs, noise, self._settings.starts, shares.log())


LEARNER = kind_of(MixtureSettings, Mixture, of_numbers=("noise", "own_noise"))
