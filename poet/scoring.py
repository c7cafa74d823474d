"""Agents on fixed environments: every agent meets the same episodes of the same courses.

Intervals are 95 % percentile bootstraps over courses, or over episodes where
a terrain has a single course: episodes on one course are not independent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.executor import Executor, Failure, run
from environments.controller import Controller
from environments.domain import Environment, Outcome, Rollouts, find_domain
from environments.equipped import equip
from environments.intervals import interval
from environments.suites import Level
from evolution.evaluation import EvaluationError
from evolution.noise import episode_seeds

Row = dict[str, Any]
Floats = NDArray[np.float64]

ITEM_EPISODES = 256  # most in one work item


@dataclass(frozen=True, slots=True, eq=False)
class Contestant:
    """An agent and what to call it."""

    name: str
    theta: NDArray[np.float32]  # (P,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What counts, the same for all agents."""

    domain: str
    episodes: int  # on each course
    seed: int
    episode_limit: int
    solved_above: float  # return
    must_finish: bool  # for solving; the literature's suites ask for the return alone
    engine: str | None = None
    controller: Controller | None = None  # of all agents; the domain's own when None


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """Every episode, by agent, course and number of the episode."""

    returns: Floats  # (agents, courses, episodes)
    solved: NDArray[np.bool_]  # the same shape
    steps: int


@dataclass(frozen=True, slots=True, eq=False)
class _Episodes:
    """A work item: some agents' episodes on one course."""

    rules: Rules
    environment: Environment
    thetas: NDArray[np.float32]  # (n, P)
    seeds: NDArray[np.uint64]  # (n,)

    def __call__(self) -> Rollouts:
        rules = self.rules
        rollout = equip(find_domain(rules.domain), rules.controller).rollout
        return rollout(
            self.thetas, self.environment, self.seeds, episode_limit=rules.episode_limit, engine=rules.engine
        )

    def __str__(self) -> str:
        return f"evaluating {len(self.seeds)} episodes in environment {self.environment.id}"


def play(
    contestants: Sequence[Contestant],
    levels: Sequence[Level],
    rules: Rules,
    executor: Executor,
    progress: Callable[[int], None] | None = None,
) -> Result:
    """Run every agent's episodes on every course.

    Args:
        contestants: the agents, at least one.
        levels: the courses, at least one.
        rules: how often, how long, what counts.
        executor: where to run.
        progress: called with the number of work items done.

    Raises:
        EvaluationError: some episodes could not be simulated; a mean over the rest would mislead.
    """
    thetas = np.repeat(np.stack([contestant.theta for contestant in contestants]), rules.episodes, axis=0)
    items = list(work_items(thetas, levels, rules, len(contestants)))
    joined = Rollouts.join([_succeeded(done) for done in run(executor, items, progress)])
    shape = (len(levels), len(contestants), rules.episodes)
    returns = joined.returns.reshape(shape).transpose(1, 0, 2)
    finished = (joined.outcomes == Outcome.FINISHED).reshape(shape).transpose(1, 0, 2)
    enough = returns >= rules.solved_above if rules.must_finish else returns > rules.solved_above
    return Result(returns, enough & (finished | (not rules.must_finish)), int(joined.lengths.sum()))


def _succeeded(done: Rollouts | Failure) -> Rollouts:
    if isinstance(done, Failure):
        raise EvaluationError(str(done))
    return done


def work_items(
    thetas: NDArray[np.float32], levels: Sequence[Level], rules: Rules, contestants: int
) -> Iterator[_Episodes]:
    """Cut the episodes into items, course by course, agents one after another."""
    for number, level in enumerate(levels):
        seeds = np.tile(episode_seeds(rules.seed, (number,), 0, rules.episodes), contestants)
        for start in range(0, len(seeds), ITEM_EPISODES):
            part = slice(start, start + ITEM_EPISODES)
            yield _Episodes(rules, level.environment, thetas[part], seeds[part])


def summarise(result: Result, contestants: Sequence[Contestant], levels: Sequence[Level]) -> list[Row]:
    """Give one row for each agent on each terrain: mean return and solved rate, each with its interval."""
    terrains = list(dict.fromkeys(level.terrain for level in levels))
    rows = []
    for terrain in terrains:
        places = [i for i, level in enumerate(levels) if level.terrain == terrain]
        returns = _samples(result.returns[:, places])
        solved = _samples(result.solved[:, places].astype(np.float64))
        bounds, solved_bounds = intervals(returns), intervals(solved)
        for agent, contestant in enumerate(contestants):
            rows.append(
                {
                    "terrain": terrain,
                    "agent": contestant.name,
                    "courses": len(places),
                    "episodes": len(places) * result.returns.shape[2],
                    "mean": float(returns[agent].mean()),
                    "interval": bounds[agent].tolist(),
                    "solved": float(solved[agent].mean()),
                    "solved_interval": solved_bounds[agent].tolist(),
                }
            )
    return rows


def _samples(values: Floats) -> Floats:
    """Give what is resampled, (agents, n): means of courses, or the episodes of a single one."""
    return values[:, 0] if values.shape[1] == 1 else values.mean(axis=2)


def intervals(samples: Floats) -> Floats:
    """Bootstrap the mean of each row of samples (agents, n): (agents, 2) lower and upper bound."""
    # Row by row: each agent's interval is the same whoever else is evaluated.
    return np.array([interval(row) for row in samples])


def best_rows(rows: Sequence[Row]) -> list[Row]:
    """Pick each terrain's best agent by mean return; the first of equals."""
    best: dict[str, Row] = {}
    for row in rows:
        if row["terrain"] not in best or row["mean"] > best[row["terrain"]]["mean"]:
            best[row["terrain"]] = row
    return list(best.values())
