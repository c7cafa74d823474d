"""The active pairs and every environment there ever was: the state that an iteration changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment
from evolution.minimal_criterion import MinimalCriterion, Verdict
from evolution.noise import Stream, keyed_rng
from evolution.optimisers.optimiser import State
from evolution.performance import Agent, Pairing
from poet.config import Config
from poet.phases import Phase

RECENT = 5  # self-evaluations that a visitor must beat under the improved transfer rule


@dataclass(frozen=True, slots=True)
class Niche:
    """An environment that was admitted, for good."""

    id: int  # 0, 1, 2, ... in order of admission
    environment: Environment
    parent: int | None  # niche id
    born: int  # iteration
    # The best score of any agent, active or archived, in it when it was admitted; None where that was not measured.
    archive_score: float | None = None

    def challenged_all(self, criterion: MinimalCriterion) -> bool | None:
        """Say whether it met the criterion for every agent there had ever been; None where that was not measured."""
        return None if self.archive_score is None else criterion.verdict(self.archive_score) is Verdict.MET


@dataclass(frozen=True, slots=True, eq=False)
class Best:
    """The highest score that a pair's own evaluations reached, and the agent that reached it."""

    score: float
    iteration: int
    theta: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """An active niche and the agent that learns in it."""

    niche: Niche
    learner: State  # the agent's theta and what its optimiser knows
    score: float | None = None  # of the agent in its environment, when last evaluated
    best: Best | None = None
    solved: int | None = None  # iteration at which its own agent first solved it
    recent: tuple[float, ...] = ()  # the latest self-evaluations, oldest first, at most RECENT

    @staticmethod
    def admitted(niche: Niche, learner: State, score: float) -> Pair:
        """Pair a new niche with the agent that scored so in its audition."""
        return Pair(niche, learner)._noted(score, niche.born, False)

    def move_in(self, learner: State, score: float, iteration: int) -> Pair:
        """Replace the agent by one that scored so in its tournament."""
        return replace(self, learner=learner)._noted(score, iteration, False)

    def note_score(self, score: float, iteration: int, solved: bool = False) -> Pair:
        """Take down what the agent scored in its own environment, in an evaluation of its own."""
        return replace(self._noted(score, iteration, solved), recent=(*self.recent, score)[-RECENT:])

    def _noted(self, score: float, iteration: int, solved: bool) -> Pair:
        improved = self.best is None or score > self.best.score
        return replace(
            self,
            score=score,
            best=Best(score, iteration, self.learner.theta) if improved else self.best,
            solved=iteration if solved and self.solved is None else self.solved,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Archived:
    """What stays of a retired pair: its niche's last agent."""

    niche: Niche
    retired: int  # iteration
    solved: int | None  # iteration
    theta: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Population:
    """Where a run stands between two iterations."""

    iteration: int  # the next to run
    pairs: tuple[Pair, ...]  # active, oldest first
    niches: tuple[Niche, ...]  # all ever admitted, by id
    archived: tuple[Archived, ...] = ()  # oldest first
    performances: Mapping[Pairing, float] = field(default_factory=dict)  # of archived agents, who change no more

    def agents(self) -> list[Agent]:
        """List every agent there is, active and archived."""
        return [
            *(Agent(pair.niche.id, self.iteration, pair.learner.theta) for pair in self.pairs),
            *(Agent(agent.niche.id, agent.retired, agent.theta) for agent in self.archived),
        ]

    def remember(self, performances: Mapping[Pairing, float]) -> Population:
        """Keep those new scores that can serve again: of agents that have just retired, or had before."""
        final = {(agent.niche.id, agent.retired) for agent in self.archived}
        kept = {pairing: score for pairing, score in performances.items() if pairing[:2] in final}
        return replace(self, performances={**self.performances, **kept}) if kept else self

    def annecs(self, criterion: MinimalCriterion) -> int:
        """Count accumulated novel environments created and solved (arXiv:2003.08536, section 5).

        Created: they met the criterion for every agent there had ever been. Solved: later, by their own agent.
        """
        ever: list[Pair | Archived] = [*self.pairs, *self.archived]
        return sum(pair.solved is not None and pair.niche.challenged_all(criterion) is True for pair in ever)


@dataclass(frozen=True, slots=True, eq=False)
class Founder:
    """A pair that a run begins with."""

    environment: Environment
    theta: NDArray[np.float64]  # (P,)
    parent: int | None = None  # the place among the founders of the one that its environment was mutated from


def first_population(
    config: Config, theta: NDArray[np.float64] | None = None, starts: Sequence[Environment] | None = None
) -> Population:
    """Give the pairs that a run starts from.

    Args:
        config: of the run.
        theta: (P,) of the agent in every pair; a random one if None.
        starts: the environments; the encoding's simplest alone if None.
    """
    start = initial_theta(config) if theta is None else theta
    return founded(config, [Founder(each, start) for each in starts or [_simplest(config)]])


def founded(config: Config, founders: Sequence[Founder]) -> Population:
    """Give the population of a run that begins with these pairs; each agent's optimiser begins afresh."""
    niches = tuple(Niche(number, each.environment, each.parent, 0) for number, each in enumerate(founders))
    optimiser = config.make_optimiser()
    rngs = [keyed_rng(config.seed, Stream.OPTIMISER, Phase.BEGIN, niche.id) for niche in niches]
    states = [optimiser.fresh(each.theta, rng) for each, rng in zip(founders, rngs, strict=True)]
    return Population(0, tuple(map(Pair, niches, states)), niches)


def _simplest(config: Config) -> Environment:
    encoding = config.make_encoding()
    return Environment(
        domain=config.domain, encoding=encoding.name, genome=encoding.initial(), seed=config.seed % 10**6
    )


def initial_theta(config: Config) -> NDArray[np.float64]:
    """Draw the first agent."""
    return config.make_domain().controller.initial_theta(keyed_rng(config.seed, Stream.INITIAL_THETA))
