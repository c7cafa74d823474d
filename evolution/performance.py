"""How agents do in environments that need not be theirs, every pairing evaluated once.

An agent's version never changes, so neither does its score in an environment:
what is known is not run again, and the price of a growing archive is that of
its newest row and column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment
from evolution.evaluator import Evaluator

Pairing: TypeAlias = tuple[int, int, str]
"""An agent's niche and version, and an environment's content hash."""


@dataclass(frozen=True, slots=True, eq=False)
class Agent:
    """An agent as it stood at the start of an iteration."""

    niche: int  # id
    version: int  # that iteration; of a retired niche the one at which it retired
    theta: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Performances:
    """The scores of agents in environments, and which of them had to be run for it."""

    scores: NDArray[np.float64]  # (agents, environments)
    new: dict[Pairing, float]
    reused: int  # pairings that were known


def perform(
    evaluator: Evaluator,
    purpose: str,
    agents: Sequence[Agent],
    environments: Sequence[Environment],
    known: Mapping[Pairing, float],
    episodes: int,
    phase: int,
) -> Performances:
    """Score every agent in every environment, in one phase for all that is not known.

    All agents meet the same episodes of an environment, whenever they do: the environment names them.

    Args:
        evaluator: where the episodes run.
        purpose: what to count them as.
        agents: at least one.
        environments: at least one.
        known: scores of earlier calls with the same episodes and phase.
        episodes: averaged in each score.
        phase: the first number of the episodes' keys.
    """
    pairings = {
        (agent.niche, agent.version, environment.id): (agent, environment)
        for environment in environments
        for agent in agents
    }
    missing = [pairing for pairing in pairings if pairing not in known]
    requests = [
        evaluator.score_request(agent.theta, environment, (phase, int(environment.id, 16)), episodes)
        for agent, environment in (pairings[pairing] for pairing in missing)
    ]
    rollouts = evaluator.run(purpose, requests) if requests else []
    new = {pairing: float(tried.returns.mean()) for pairing, tried in zip(missing, rollouts, strict=True)}
    scores = np.array(
        [
            [_score((agent.niche, agent.version, environment.id), known, new) for environment in environments]
            for agent in agents
        ]
    )
    return Performances(scores, new, scores.size - len(missing))


def _score(pairing: Pairing, known: Mapping[Pairing, float], new: Mapping[Pairing, float]) -> float:
    return new[pairing] if pairing in new else known[pairing]
