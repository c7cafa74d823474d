"""The optimiser on its own: straight in one environment, or along the direct path that leads to it.

The two controls of POET's section 4.2 (arXiv:1901.01753). Both take the steps
that the run's agents took, with the run's settings, and are scored after each,
as a pair is. What a search does depends on its seed alone: neither on the
number of workers nor on where it was stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment, Outcome
from evolution.chains import Workers
from evolution.evaluator import Evaluator, Tally
from evolution.noise import Stream, keyed_rng
from evolution.optimisers.asking import Asking
from evolution.optimisers.optimiser import State
from evolution.reproduction import TERRAIN_SEEDS
from poet.config import Config
from poet.errors import InputError
from poet.phases import Phase

SLICE = 5  # steps that every search takes before what they found is saved


class Kind(StrEnum):
    """How a search comes to its environment."""

    DIRECT = "direct"  # it learns there from the first step
    PATH = "path"  # from the simplest environment on, gene by gene, as soon as it could be a parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the searches of a control have in common."""

    kind: Kind
    config: Config  # the run's
    target: Environment
    start: NDArray[np.float64] | None = None  # (P,) the agent that they begin with; None draws one from N(0, 0.1²)

    def __post_init__(self) -> None:
        if self.kind is Kind.PATH and not hasattr(self.config.encoding_of(self.target), "approach"):
            raise InputError(
                f"a path needs genes that can move towards others'; the {self.target.encoding} encoding has none: "
                "`poet control direct` works with every encoding"
            )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Search:
    """Where one search stands."""

    seed: int
    learner: State
    environment: Environment  # that it learns in
    steps: int = 0  # of the optimiser, taken
    stage: int = 0  # environments left behind
    episodes: int = 0
    simulated: int = 0  # control steps
    scores: tuple[float, ...] = field(default=())  # after every step, in the environment of that step
    arrived: int | None = None  # step from which on it has learned in the target
    solved: int | None = None  # step at which it first solved the target


def begin(task: Task, seed: int) -> Search:
    """Give a search that has not taken a step."""
    theta = task.start
    if theta is None:
        theta = task.config.make_domain().controller.initial_theta(keyed_rng(seed, Stream.INITIAL_THETA))
    learner = _fresh(task, theta, seed, 0)
    if task.kind is Kind.DIRECT:
        return Search(seed=seed, learner=learner, environment=task.target, arrived=0)
    simplest = replace(task.target, genome=task.config.encoding_of(task.target).initial(), seed=seed % TERRAIN_SEEDS)
    return _arrive(task, Search(seed=seed, learner=learner, environment=simplest))


def _fresh(task: Task, theta: NDArray[np.float64], seed: int, stage: int) -> State:
    """Begin to learn from theta, in the environment that comes after so many others."""
    return task.config.make_optimiser().fresh(theta, keyed_rng(seed, Stream.OPTIMISER, Phase.BEGIN, stage))


def advance(
    task: Task, searches: Sequence[Search], wanted: int, workers: Workers, progress: Callable[[int], None]
) -> list[Search]:
    """Let every search take some of the optimiser's steps, at most to the number wanted, all of them side by side.

    Args:
        task: what they do.
        searches: where they stand.
        wanted: steps to come to.
        workers: where episodes run.
        progress: called with the number of steps that one search has just taken.
    """
    config = task.config
    evaluator = Evaluator(config.simulation(), workers)
    steps = [min(SLICE, wanted - each.steps) for each in searches]
    episodes = sum(steps) * (config.make_optimiser().episodes + config.episodes_per_score)
    with evaluator.side_by_side("optimise", episodes) as flow:
        chains = [
            flow.start(_advance(task, each, count, evaluator, progress))
            for each, count in zip(searches, steps, strict=True)
        ]
        return [flow.wait(chain) for chain in chains]


async def _advance(
    task: Task, search: Search, steps: int, evaluator: Evaluator, progress: Callable[[int], None]
) -> Search:
    for _ in range(steps):
        search = await _step(task, search, evaluator)
        progress(1)
    return search


async def _step(task: Task, search: Search, evaluator: Evaluator) -> Search:
    """Take a step, score the agent, and go on to the next environment of a path if it is good enough."""
    config, environment, tally = task.config, search.environment, Tally()
    simulation = replace(evaluator.simulation, seed=search.seed)  # of the search, not of the run
    key = (Phase.OPTIMISE, search.steps)
    ask = Asking(key=key, simulation=simulation, evaluator=evaluator, purpose="optimise", tally=tally)
    learner, _ = await config.make_optimiser().step(search.learner, environment, ask)
    key = (Phase.SCORE, search.steps)
    scoring = evaluator.score_request(learner.theta, environment, key, config.episodes_per_score)
    own = await evaluator.rollouts("score", replace(scoring, simulation=simulation), tally=tally)
    score, steps = float(own.returns.mean()), search.steps + 1
    there = environment == task.target
    finished = own.count(Outcome.FINISHED) == len(own.returns)
    solved = there and finished and score >= evaluator.domain.solved_return and search.solved is None
    search = replace(
        search,
        learner=learner,
        steps=steps,
        episodes=search.episodes + tally.episodes.total(),
        simulated=search.simulated + tally.steps.total(),
        scores=(*search.scores, score),
        solved=steps if solved else search.solved,
    )
    if there or score < config.reproduction.parent_score:
        return search
    return _arrive(task, _next_stage(task, search))


def _next_stage(task: Task, search: Search) -> Search:
    """Move a path's search one mutation step on; its optimiser begins anew, as in a child."""
    rng = keyed_rng(search.seed, Stream.CHILD, search.stage)
    approach: Any = task.config.encoding_of(task.target)
    genome = approach.approach(search.environment.genome, task.target.genome, rng)
    return replace(
        search,
        learner=_fresh(task, search.learner.theta, search.seed, search.stage + 1),
        environment=replace(task.target, genome=genome, seed=int(rng.integers(TERRAIN_SEEDS))),
        stage=search.stage + 1,
    )


def _arrive(task: Task, search: Search) -> Search:
    """Put a search whose genes are the target's into the target itself, with its terrain."""
    encoding = task.config.encoding_of(task.target)
    if not np.array_equal(encoding.vector(search.environment.genome), encoding.vector(task.target.genome)):
        return search
    return replace(search, environment=task.target, arrived=search.steps)
