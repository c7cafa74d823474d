"""Who serves an environment best: every agent as it is, and after one ES step there.

EVALUATE_CANDIDATES of POET (arXiv:1901.01753, algorithm 4), used for transfer
between active pairs and for finding a new environment's first agent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment, Rollouts
from environments.settings import Bounds, check_bounds
from evolution.es import ESSettings, Learner, es_proposal
from evolution.evaluation import Evaluator, PerturbationRequest, Request
from evolution.noise import Key

RULE_NAMES = ("original", "improved")  # see `transfer.rules`


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferSettings:
    """When agents try to move; the default is POET's."""

    every: Annotated[int, Bounds(1, 10**6)] = 25  # iterations
    rule: str = "original"  # who moves in; or "improved", Enhanced POET's

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.rule not in RULE_NAMES:
            raise ValueError(f"rule is {self.rule!r}; it must be one of {', '.join(RULE_NAMES)}")

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


@dataclass(frozen=True, slots=True)
class Incumbent:
    """What the agent of a target has to show."""

    score: float  # its latest in its own environment
    recent: tuple[float, ...]  # the latest five, oldest first


@dataclass(frozen=True, slots=True, eq=False)
class Tournament:
    """Everyone who was tried in a target, and who moves in."""

    candidates: Sequence[Candidate]
    winner: Candidate | None  # None where the incumbent stays


def hold_original(
    evaluator: Evaluator,
    purpose: str,
    targets: Sequence[Target],
    incumbents: Sequence[Incumbent],
    settings: ESSettings,
) -> list[Tournament]:
    """Let the best candidate of every target in, direct or fine-tuned, if it beats the incumbent's score."""
    results = []
    found = evaluate_candidates(evaluator, purpose, targets, settings)
    for candidates, incumbent in zip(found, incumbents, strict=True):
        challenger = best(candidates)
        results.append(Tournament(candidates, challenger if challenger.score > incumbent.score else None))
    return results


def evaluate_candidates(
    evaluator: Evaluator, purpose: str, targets: Sequence[Target], settings: ESSettings
) -> list[list[Candidate]]:
    """Score every visitor of every target directly and fine-tuned, in two phases over all targets.

    Returns:
        For each target its candidates: the direct ones in the visitors' order, then the fine-tuned ones.
    """
    meetings = _meetings(targets)
    direct, steps = _direct_requests(evaluator, meetings), _step_requests(evaluator, meetings, settings)
    rollouts = evaluator.run(purpose, [*direct, *steps])
    as_they_are = _candidates(
        meetings, Kind.DIRECT, [visitor.theta for _, visitor in meetings], rollouts[: len(direct)]
    )
    tuned = _tune(evaluator, purpose, meetings, steps, rollouts[len(direct) :], settings)
    return [
        [*mine, *fine_tuned]
        for mine, fine_tuned in zip(_by_target(targets, as_they_are), _by_target(targets, tuned), strict=True)
    ]


def evaluate_direct(evaluator: Evaluator, purpose: str, targets: Sequence[Target]) -> list[list[Candidate]]:
    """Score every visitor of every target as it is, in one phase: for each target one candidate a visitor."""
    meetings = _meetings(targets)
    rollouts = evaluator.run(purpose, _direct_requests(evaluator, meetings))
    return _by_target(targets, _candidates(meetings, Kind.DIRECT, [visitor.theta for _, visitor in meetings], rollouts))


def evaluate_fine_tuned(
    evaluator: Evaluator, purpose: str, targets: Sequence[Target], settings: ESSettings
) -> list[list[Candidate]]:
    """Score every visitor of every target after one ES step there, in two phases; none where none visit."""
    meetings = _meetings(targets)
    if not meetings:
        return [[] for _ in targets]
    steps = _step_requests(evaluator, meetings, settings)
    return _by_target(targets, _tune(evaluator, purpose, meetings, steps, evaluator.run(purpose, steps), settings))


Meeting = tuple[Target, Visitor]


def _meetings(targets: Sequence[Target]) -> list[Meeting]:
    return [(target, visitor) for target in targets for visitor in target.visitors]


def _direct_requests(evaluator: Evaluator, meetings: Sequence[Meeting]) -> list[Request]:
    return [
        evaluator.score_request(visitor.theta, target.environment, target.score_key, target.episodes)
        for target, visitor in meetings
    ]


def _step_requests(
    evaluator: Evaluator, meetings: Sequence[Meeting], settings: ESSettings
) -> list[PerturbationRequest]:
    return [
        evaluator.perturbation_request(
            visitor.theta,
            target.learner.sigma,
            target.environment,
            (*target.noise_key, visitor.niche),
            settings.pairs,
        )
        for target, visitor in meetings
    ]


def _tune(
    evaluator: Evaluator,
    purpose: str,
    meetings: Sequence[Meeting],
    steps: Sequence[PerturbationRequest],
    tried: Sequence[Rollouts],
    settings: ESSettings,
) -> list[Candidate]:
    """Take each visitor's ES step and score where it leads."""
    proposals = [
        es_proposal(target.learner, visitor.theta, gradient, settings)
        for (target, visitor), gradient in zip(meetings, evaluator.gradients(steps, tried), strict=True)
    ]
    tuned = evaluator.run(
        purpose,
        [
            evaluator.score_request(proposal, target.environment, target.score_key, target.episodes)
            for (target, _), proposal in zip(meetings, proposals, strict=True)
        ],
    )
    return _candidates(meetings, Kind.FINE_TUNED, proposals, tuned)


def _candidates(
    meetings: Sequence[Meeting], kind: Kind, thetas: Sequence[NDArray[np.float64]], rollouts: Sequence[Rollouts]
) -> list[Candidate]:
    return [
        Candidate(visitor.niche, kind, theta, float(tried.returns.mean()))
        for (_, visitor), theta, tried in zip(meetings, thetas, rollouts, strict=True)
    ]


def _by_target(targets: Sequence[Target], candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """Deal the candidates of all meetings out to their targets, in order."""
    rest = iter(candidates)
    return [list(islice(rest, len(target.visitors))) for target in targets]


def best(candidates: Sequence[Candidate]) -> Candidate:
    """Pick the highest score; the first of equals."""
    return max(candidates, key=lambda candidate: candidate.score)
