"""Who serves an environment best: every agent as it is, and after one ES step there.

EVALUATE_CANDIDATES of POET (arXiv:1901.01753, algorithm 4), used for transfer
between active pairs and for finding a new environment's first agent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment
from evolution.es import ESSettings, Learner, es_proposal
from evolution.evaluation import Evaluator
from evolution.noise import Key
from evolution.settings import Bounds, check_bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferSettings:
    """When agents try to move; the default is POET's."""

    every: Annotated[int, Bounds(1, 10**6)] = 25  # iterations

    def __post_init__(self) -> None:
        check_bounds(self)

    def due(self, iteration: int) -> bool:
        """Say whether transfers follow this iteration's ES steps."""
        return iteration % self.every == 0


class Kind(StrEnum):
    """How a candidate was made."""

    DIRECT = "direct"
    FINE_TUNED = "fine-tuned"


@dataclass(frozen=True, slots=True, eq=False)
class Visitor:
    """An agent that may move, under the id of the niche it comes from."""

    niche: int
    theta: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """An environment to be served, and the learner that fine-tunes visitors to it."""

    environment: Environment
    learner: Learner
    visitors: Sequence[Visitor]
    noise_key: Key  # with a visitor's niche appended, names its perturbations
    score_key: Key  # names the episodes that all candidates are scored on
    episodes: int


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """An agent tried in a target environment."""

    source: int  # niche id
    kind: Kind
    theta: NDArray[np.float64]
    score: float


def evaluate_candidates(
    evaluator: Evaluator, purpose: str, targets: Sequence[Target], settings: ESSettings
) -> list[list[Candidate]]:
    """Score every visitor of every target directly and fine-tuned, all of them side by side.

    Returns:
        For each target its candidates: the direct ones in the visitors' order, then the fine-tuned ones.
    """
    meetings = sum(len(target.visitors) for target in targets)
    episodes = 2 * settings.pairs * meetings + 2 * sum(target.episodes * len(target.visitors) for target in targets)
    with evaluator.side_by_side(purpose, meetings, episodes) as flow:
        chains = [
            [
                *(flow.start(_direct(evaluator, purpose, target, visitor)) for visitor in target.visitors),
                *(
                    flow.start(_fine_tuned(evaluator, purpose, target, visitor, settings))
                    for visitor in target.visitors
                ),
            ]
            for target in targets
        ]
        return [[flow.wait(chain) for chain in candidates] for candidates in chains]


async def _direct(evaluator: Evaluator, purpose: str, target: Target, visitor: Visitor) -> Candidate:
    """Score a visitor as it is."""
    return await _candidate(evaluator, purpose, target, visitor, Kind.DIRECT, visitor.theta)


async def _fine_tuned(
    evaluator: Evaluator, purpose: str, target: Target, visitor: Visitor, settings: ESSettings
) -> Candidate:
    """Score a visitor after one ES step in the target's environment."""
    step = evaluator.perturbation_request(
        visitor.theta, target.learner.sigma, target.environment, (*target.noise_key, visitor.niche), settings.pairs
    )
    tried = await evaluator.rollouts(purpose, step, urgency=1)
    gradient = await evaluator.gradient(step, tried)
    proposal = es_proposal(target.learner, visitor.theta, gradient, settings)
    return await _candidate(evaluator, purpose, target, visitor, Kind.FINE_TUNED, proposal)


async def _candidate(
    evaluator: Evaluator, purpose: str, target: Target, visitor: Visitor, kind: Kind, theta: NDArray[np.float64]
) -> Candidate:
    request = evaluator.score_request(theta, target.environment, target.score_key, target.episodes)
    tried = await evaluator.rollouts(purpose, request)
    return Candidate(visitor.niche, kind, theta, float(tried.returns.mean()))


def best(candidates: Sequence[Candidate]) -> Candidate:
    """Pick the highest score; the first of equals."""
    return max(candidates, key=lambda candidate: candidate.score)
