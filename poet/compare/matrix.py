"""Every agent of each run in every niche of all: who can do what the others invented.

The episodes of a niche depend on its environment and the seed alone, so they are the same for every agent, and for
every comparison that the niche is in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.executor import Executor
from environments.domain import Outcome, Rollouts
from evolution.evaluator import Evaluator
from evolution.requests import CandidatesRequest, Simulation
from poet.compare.facts import Home, RunFacts
from poet.errors import InputError

Row = dict[str, Any]
Floats = NDArray[np.float64]

EPISODES, NICHES = 3, 20  # of each agent in each niche, and at most of each run
MOST_EPISODES = 10**7  # in all
HALF = 0.5  # of its episodes, from which on an agent counts as one that solves a niche


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be played: nothing of it has been."""

    runs: Sequence[RunFacts]
    homes: Sequence[Sequence[Home]]  # of each run, those that take part
    episodes: int  # of each agent in each niche
    seed: int

    @property
    def total(self) -> int:
        """How many episodes that are."""
        return sum(map(len, self.homes)) ** 2 * self.episodes

    @property
    def sampled(self) -> str | None:
        """Say of which runs only some niches take part; None if all do."""
        parts = [
            f"{len(homes)} of the {len(run.homes)} niches of {run.name}"
            for run, homes in zip(self.runs, self.homes, strict=True)
            if len(homes) < len(run.homes)
        ]
        return f"{', '.join(parts)} take part in the matrix, evenly chosen by birth" if parts else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matrix:
    """What the agents came to; rows are agents and columns niches, both run by run."""

    plan: Plan
    returns: Floats  # (n, n): means
    solved: Floats  # (n, n): shares of the episodes

    @property
    def blocks(self) -> list[Row]:
        """Give a row for the agents of each run in the niches of each."""
        sizes = [len(homes) for homes in self.plan.homes]
        ends = np.cumsum(sizes)
        parts = [slice(int(end) - size, int(end)) for end, size in zip(ends, sizes, strict=True)]
        names = [run.name for run in self.plan.runs]
        return [
            {
                "agents_of": names[i],
                "niches_of": names[j],
                "mean_return": float(self.returns[rows, columns].mean()),
                "solved": float(self.solved[rows, columns].mean()),
                "niches_solved_by_any": int((self.solved[rows, columns] >= HALF).any(axis=0).sum()),
                "niches": sizes[j],
            }
            for i, rows in enumerate(parts)
            for j, columns in enumerate(parts)
        ]

    def to_plain(self) -> Row:
        """Give it as plain values."""
        return {
            "episodes": self.plan.episodes,
            "seed": self.plan.seed,
            "niches": [
                {
                    "run": run.name,
                    "niche": home.niche,
                    "environment": home.environment.id,
                    "difficulty": home.difficulty,
                    "description": home.description,
                }
                for run, homes in zip(self.plan.runs, self.plan.homes, strict=True)
                for home in homes
            ],
            "returns": np.round(self.returns, 2).tolist(),
            "solved": np.round(self.solved, 4).tolist(),
            "blocks": self.blocks,
        }


def obstacle(runs: Sequence[RunFacts]) -> str | None:
    """Say why the agents of these runs cannot be played in each other's niches; None if they can."""
    domains = list(dict.fromkeys(run.config.domain for run in runs))
    if len(domains) > 1:
        where = ", ".join(f"{run.name} in {run.config.domain}" for run in runs)
        return (
            f"no matrix: the runs' agents live in different domains ({where}), so none can be tried in another's niches"
        )
    for run in runs:
        try:
            run.config.simulation()
        except InputError as error:
            return f"no matrix: the agents of {run.name} cannot be simulated here: {error}"
    return None


def make_plan(runs: Sequence[RunFacts], episodes: int = EPISODES, niches: int = NICHES, seed: int = 0) -> Plan:
    """Choose at most so many niches of each run, evenly by birth: the first and the last are among them.

    Raises:
        InputError: that is too much to hold.
    """
    homes = []
    for run in runs:
        places = np.unique(np.linspace(0, len(run.homes) - 1, min(niches, len(run.homes))).round().astype(int))
        homes.append([run.homes[place] for place in places.tolist()])
    plan = Plan(runs=runs, homes=homes, episodes=episodes, seed=seed)
    if plan.total > MOST_EPISODES:
        raise InputError(
            f"the matrix would take {plan.total:,} episodes, and at most {MOST_EPISODES:,} fit; "
            "give a smaller --niches or --episodes"
        )
    return plan


def play(plan: Plan, executor: Executor, progress: Callable[[int, int], None] | None = None) -> Matrix:
    """Play a plan; `progress` hears of the episodes done, out of how many.

    Raises:
        EvaluationError: some episodes could not be simulated.
    """

    def heard(purpose: str, done: int, episodes: int) -> None:
        if progress is not None:
            progress(done, episodes)

    simulations = [_simulation(run, plan.seed) for run in plan.runs]
    evaluator = Evaluator(simulations[0], executor, heard, every_episode=True)
    requests = []
    for agents_of, simulation in zip(plan.homes, simulations, strict=True):
        thetas = np.stack([home.agent.theta for home in agents_of])
        for niches_of, run in zip(plan.homes, plan.runs, strict=True):
            rules = replace(simulation, episode_limit=run.config.episode_limit)
            for home in niches_of:
                key = int(home.environment.id[:8], 16), int(home.environment.id[8:16], 16)
                requests.append(CandidatesRequest(rules, home.environment, thetas, key, plan.episodes))
    played = iter(evaluator.run("compare", requests))
    enough = simulations[0].make_domain().solved_return
    returns, solved = [], []
    for agents_of in plan.homes:
        columns = [next(played) for niches_of in plan.homes for _ in niches_of]
        shape = (len(columns), len(agents_of), plan.episodes)
        joined = Rollouts.join(columns)
        scores = joined.returns.reshape(shape)
        finished = (joined.outcomes == Outcome.FINISHED).reshape(shape)
        returns.append(scores.mean(axis=2).T)
        solved.append((finished & (scores >= enough)).mean(axis=2).T)
    return Matrix(plan=plan, returns=np.concatenate(returns), solved=np.concatenate(solved))


def _simulation(run: RunFacts, seed: int) -> Simulation:
    """Say how the agents of a run are played: on the domain's fastest engine, each episode starting in its own way."""
    return replace(run.config.simulation(), seed=seed, engine=None, push="fresh")
