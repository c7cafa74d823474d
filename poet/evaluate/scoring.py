"""Agents on fixed environments: every agent meets the same episodes of the same courses.

Intervals are 95 % percentile bootstraps over courses, or over episodes where
a terrain has a single course: episodes on one course are not independent.
Which agent is best is decided by other episodes than those reported: the best
of many in the same episodes is also the luckiest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.executor import Executor
from environments.controller import Controller
from environments.domain import Outcome, Rollouts
from environments.intervals import interval
from environments.suites import Level
from evolution.evaluator import Evaluator
from evolution.noise import Key
from evolution.requests import CandidatesRequest, Simulation
from poet.errors import InputError

Row = dict[str, Any]
Floats = NDArray[np.float64]

MOST_EPISODES = 10**7  # in all: a few hundred megabytes
CHOOSING = 1  # last in the keys of the episodes that the best agent is chosen by, and no result is reported of


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
    choosing: bool = False  # play the episodes to choose by, not those to report
    controller: Controller | None = None  # of all agents; the domain's own when None

    @property
    def simulation(self) -> Simulation:
        """How episodes are run."""
        return Simulation(
            domain=self.domain,
            seed=self.seed,
            episode_limit=self.episode_limit,
            engine=self.engine,
            controller=self.controller,
        )

    def key(self, course: int) -> Key:
        """Name a course's episodes, the same for all agents."""
        return (course, CHOOSING) if self.choosing else (course,)


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """Every episode, by agent, course and number of the episode."""

    returns: Floats  # (agents, courses, episodes)
    solved: NDArray[np.bool_]  # the same shape
    steps: int


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
        progress: called with the number of episodes done.

    Raises:
        EvaluationError: some episodes could not be simulated; a mean over the rest would mislead.
    """

    def heard(purpose: str, done: int, episodes: int) -> None:
        if progress is not None:
            progress(done)

    thetas = np.stack([contestant.theta for contestant in contestants])
    requests = [
        CandidatesRequest(rules.simulation, level.environment, thetas, rules.key(number), rules.episodes)
        for number, level in enumerate(levels)
    ]
    evaluator = Evaluator(rules.simulation, executor, heard, every_episode=True)
    joined = Rollouts.join(evaluator.run("evaluate", requests))
    shape = (len(levels), len(contestants), rules.episodes)
    returns = joined.returns.reshape(shape).transpose(1, 0, 2)
    finished = (joined.outcomes == Outcome.FINISHED).reshape(shape).transpose(1, 0, 2)
    enough = returns >= rules.solved_above if rules.must_finish else returns > rules.solved_above
    return Result(returns, enough & (finished | (not rules.must_finish)), int(joined.lengths.sum()))


def check_effort(episodes: int, agents: int, courses: int) -> None:
    """Raise InputError if the results of so many episodes of every agent on every course would not fit in memory."""
    most = MOST_EPISODES // (agents * courses)
    if episodes > most:
        raise InputError(f"--episodes is {episodes}; of {agents} agents on {courses} courses it must be in [1, {most}]")


Terrains = Mapping[str, Sequence[int]]
"""What results are given for: the numbers of the courses that count together, by name."""


def terrains_of(levels: Sequence[Level]) -> dict[str, list[int]]:
    """Give the courses of every terrain."""
    names = dict.fromkeys(level.terrain for level in levels)
    return {name: [i for i, level in enumerate(levels) if level.terrain == name] for name in names}


def summarise(
    result: Result, contestants: Sequence[Contestant], terrains: Terrains, choosing: Result | None = None
) -> list[Row]:
    """Give one row for each agent on each terrain: mean return and solved rate, each with its interval.

    Args:
        result: every agent's episodes.
        contestants: the agents.
        terrains: what to give rows for.
        choosing: other episodes of the same agents on the same courses. The best of them is `chosen` on a
            terrain, the first of equals; its mean over the episodes that it was chosen by would flatter it.
            May be left out where there is only one agent.
    """
    rows = []
    for terrain, places in terrains.items():
        returns = _samples(result.returns[:, places])
        solved = _samples(result.solved[:, places].astype(np.float64))
        judged = None if choosing is None else choosing.returns[:, places].mean(axis=(1, 2))
        chosen = 0 if judged is None else int(judged.argmax())
        for agent, contestant in enumerate(contestants):
            rows.append(
                {
                    "terrain": terrain,
                    "agent": contestant.name,
                    "chosen": agent == chosen,
                    "choosing_mean": None if judged is None else float(judged[agent]),
                    "courses": len(places),
                    "episodes": len(places) * result.returns.shape[2],
                    "mean": float(returns[agent].mean()),
                    "interval": _bounds(returns[agent]),
                    "solved": float(solved[agent].mean()),
                    "solved_interval": _bounds(solved[agent]),
                }
            )
    return rows


def _samples(values: Floats) -> Floats:
    """Give what is resampled, (agents, n): means of courses, or the episodes of a single one."""
    return values[:, 0] if values.shape[1] == 1 else values.mean(axis=2)


def _bounds(samples: Floats) -> list[float] | None:
    """Bootstrap an agent's mean from its samples (n,); the same whoever else is evaluated."""
    found = interval(samples)
    return None if found is None else list(found)


def chosen_rows(rows: Sequence[Row]) -> list[Row]:
    """Pick the row of each terrain's best agent."""
    return [row for row in rows if row["chosen"]]
