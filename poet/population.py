"""The active pairs and every environment there ever was: the state that an iteration changes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment, find_domain
from evolution.es import ESSettings, Learner
from evolution.noise import Stream, keyed_rng
from poet.config import Config


@dataclass(frozen=True, slots=True)
class Niche:
    """An environment that was admitted, for good."""

    id: int  # 0, 1, 2, ... in order of admission
    environment: Environment
    parent: int | None  # niche id
    born: int  # iteration


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
    learner: Learner
    score: float | None = None  # of the agent in its environment, when last evaluated
    best: Best | None = None
    solved: int | None = None  # iteration at which its own agent first solved it

    def move_in(self, theta: NDArray[np.float64], settings: ESSettings) -> Pair:
        """Replace the agent; its optimiser starts afresh."""
        return replace(self, learner=Learner.fresh(theta, settings))

    def note_score(self, score: float, iteration: int, solved: bool = False) -> Pair:
        """Take down what the agent scored in its own environment."""
        improved = self.best is None or score > self.best.score
        return replace(
            self,
            score=score,
            best=Best(score, iteration, self.learner.theta) if improved else self.best,
            solved=iteration if solved and self.solved is None else self.solved,
        )


@dataclass(frozen=True, slots=True)
class Population:
    """Where a run stands between two iterations."""

    iteration: int  # the next to run
    pairs: tuple[Pair, ...]  # active, oldest first
    niches: tuple[Niche, ...]  # all ever admitted, by id


def first_population(config: Config) -> Population:
    """Give the one pair that a run starts from: the encoding's simplest environment and a random agent."""
    encoding = config.make_encoding()
    environment = Environment(
        domain=config.domain, encoding=encoding.name, genome=encoding.initial(), seed=config.seed % 10**6
    )
    niche = Niche(0, environment, None, 0)
    return Population(0, (Pair(niche, Learner.fresh(initial_theta(config), config.es)),), (niche,))


def initial_theta(config: Config) -> NDArray[np.float64]:
    """Draw the first agent."""
    return find_domain(config.domain).controller.initial_theta(keyed_rng(config.seed, Stream.INITIAL_THETA))
