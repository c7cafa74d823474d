"""What an agent is worth: its best agents' returns over fresh episodes, which nothing was chosen by.

A score of the run that was kept because it was the highest of many is the luckiest of them. So the best
agent of every niche is scored again on `EPISODES` episodes that its run never played. Their seeds come
from the run's seed, the niche and the agent's content, so that they are the same whoever asks, whenever,
on any number of workers. When a run ends they are written into its archive; until then, and for older
archives, whoever needs them plays them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from sqlite3 import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.executor import InProcess
from environments.domain import Outcome, Rollouts
from environments.intervals import interval
from evolution.evaluator import Evaluator
from evolution.noise import Stream, keyed_rng
from evolution.requests import SeededRequest
from poet.archive.best import BestAgent, best_agents
from poet.archive.reading import read_config
from poet.phases import Phase

Row = dict[str, Any]

EPISODES = 20
SEEDS = 2**32  # that most tools take as a seed


@dataclass(frozen=True)
class Fresh:
    """The fresh episodes of one agent."""

    agent: str  # its content hash
    seeds: NDArray[np.uint64]  # (n,)
    rollouts: Rollouts

    @cached_property
    def mean(self) -> float:
        """The mean return: what the agent is worth."""
        return float(self.rollouts.returns.mean())

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the mean."""
        return interval(self.rollouts.returns)

    @cached_property
    def median(self) -> int:
        """The number of the median episode: of two in the middle the lower one, of equals the first."""
        order = np.argsort(self.rollouts.returns, kind="stable")
        return int(order[(len(order) - 1) // 2])

    @property
    def median_return(self) -> float:
        """The return of the median episode."""
        return float(self.rollouts.returns[self.median])

    @property
    def median_seed(self) -> int:
        """The seed with which the median episode can be played again."""
        return int(self.seeds[self.median])

    @property
    def finished(self) -> int:
        """How many episodes came to the end of the course."""
        return self.rollouts.count(Outcome.FINISHED)

    def __str__(self) -> str:
        between = "" if self.interval is None else " ({:.0f}..{:.0f})".format(*self.interval)
        return f"{len(self.seeds)} fresh episodes, whose mean return is {self.mean:.1f}{between}"

    def figures(self) -> Row:
        """Give them as plain values, as `UNKNOWN` has their names."""
        return {
            "mean_return": self.mean,
            "return_interval": None if self.interval is None else list(self.interval),
            "median_return": self.median_return,
            "median_seed": self.median_seed,
            "fresh_episodes": len(self.seeds),
            "fresh_finished": self.finished,
        }


UNKNOWN: Row = dict.fromkeys(
    ("mean_return", "return_interval", "median_return", "median_seed", "fresh_episodes", "fresh_finished")
)


def fresh_seeds(seed: int, niche: int, agent: str) -> NDArray[np.uint64]:
    """Draw the seeds of an agent's fresh episodes: (EPISODES,)."""
    content = int(agent[:8], 16), int(agent[8:], 16)
    rng = keyed_rng(seed, Stream.EPISODE, Phase.RESCORE, niche, *content)
    return rng.integers(SEEDS, size=EPISODES, dtype=np.uint64)


def cached(connection: Connection) -> dict[int, Fresh]:
    """Read what the archive holds of the niches' best agents; one that is the best no more does not count."""
    seed = read_config(connection).seed
    rows: dict[int, list[Any]] = {}
    for row in connection.execute("SELECT * FROM rescore ORDER BY niche, episode"):
        rows.setdefault(row["niche"], []).append(row)
    best = best_agents(connection) if rows else {}
    return {
        niche: Fresh(best[niche].id, fresh_seeds(seed, niche, best[niche].id), _rollouts(episodes))
        for niche, episodes in rows.items()
        if len(episodes) == EPISODES and {row["agent"] for row in episodes} == {best[niche].id}
    }


def _rollouts(episodes: Sequence[Any]) -> Rollouts:
    return Rollouts(
        np.array([row["return"] for row in episodes], dtype=np.float64),
        np.array([row["steps"] for row in episodes], dtype=np.int32),
        np.array([row["outcome"] for row in episodes], dtype=np.int8),
    )


def missing(connection: Connection) -> list[BestAgent]:
    """List the best agents whose fresh episodes the archive does not hold."""
    known = cached(connection)
    return [agent for niche, agent in best_agents(connection).items() if niche not in known]


def play(evaluator: Evaluator, agents: Sequence[BestAgent]) -> dict[int, Fresh]:
    """Play the fresh episodes of niches' best agents, or of whoever is put into a niche in their place.

    Raises:
        EvaluationError: not one episode could be simulated.
    """
    seeds = [fresh_seeds(evaluator.simulation.seed, agent.niche, agent.id) for agent in agents]
    requests = [
        SeededRequest(simulation=evaluator.simulation, environment=agent.environment, theta=agent.theta, seeds=drawn)
        for agent, drawn in zip(agents, seeds, strict=True)
    ]
    found = evaluator.run("rescore", requests)
    evaluator.take_tally()
    return {
        agent.niche: Fresh(agent.id, drawn, rollouts)
        for agent, drawn, rollouts in zip(agents, seeds, found, strict=True)
    }


def of_all(connection: Connection) -> dict[int, Fresh]:
    """Give the fresh episodes of every niche's best agent; those that the archive does not hold are played here."""
    agents = missing(connection)
    if not agents:
        return cached(connection)
    evaluator = Evaluator(read_config(connection).simulation(), InProcess())
    return {**cached(connection), **play(evaluator, agents)}


def rows(fresh: Mapping[int, Fresh]) -> list[Row]:
    """Lay fresh episodes out as rows of the archive's table `rescore`."""
    return [
        {"niche": niche, "episode": episode, "agent": one.agent, "return": score, "steps": steps, "outcome": outcome}
        for niche, one in fresh.items()
        for episode, (score, steps, outcome) in enumerate(
            zip(
                one.rollouts.returns.tolist(),
                one.rollouts.lengths.tolist(),
                one.rollouts.outcomes.tolist(),
                strict=True,
            )
        )
    ]
