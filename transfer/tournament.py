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
from environments.settings import Bounds, check_bounds
from evolution.es import ESSettings, Learner, es_proposal
from evolution.evaluation import Evaluator
from evolution.noise import Key


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
    """Score every visitor of every target directly and fine-tuned, in two phases over all targets.

    Returns:
        For each target its candidates: the direct ones in the visitors' order, then the fine-tuned ones.
    """
    meetings = [(target, visitor) for target in targets for visitor in target.visitors]
    direct = [
        evaluator.score_request(visitor.theta, target.environment, target.score_key, target.episodes)
        for target, visitor in meetings
    ]
    steps = [
        evaluator.perturbation_request(
            visitor.theta,
            target.learner.sigma,
            target.environment,
            (*target.noise_key, visitor.niche),
            settings.pairs,
        )
        for target, visitor in meetings
    ]
    rollouts = evaluator.run(purpose, [*direct, *steps])
    gradients = evaluator.gradients(steps, rollouts[len(direct) :])
    proposals = [
        es_proposal(target.learner, visitor.theta, gradient, settings)
        for (target, visitor), gradient in zip(meetings, gradients, strict=True)
    ]
    tuned = evaluator.run(
        purpose,
        [
            evaluator.score_request(proposal, target.environment, target.score_key, target.episodes)
            for (target, _), proposal in zip(meetings, proposals, strict=True)
        ],
    )
    found: list[list[Candidate]] = []
    position = 0
    for target in targets:
        here = range(position, position + len(target.visitors))
        position = here.stop
        found.append(
            [
                *(
                    Candidate(meetings[i][1].niche, Kind.DIRECT, meetings[i][1].theta, rollouts[i].returns.mean())
                    for i in here
                ),
                *(
                    Candidate(meetings[i][1].niche, Kind.FINE_TUNED, proposals[i], tuned[i].returns.mean())
                    for i in here
                ),
            ]
        )
    return found


def best(candidates: Sequence[Candidate]) -> Candidate:
    """Pick the highest score; the first of equals."""
    return max(candidates, key=lambda candidate: candidate.score)
