"""Who serves an environment best: every agent as it is, and after one step of the optimiser there.

EVALUATE_CANDIDATES of POET (arXiv:1901.01753, algorithm 4), used for transfer
between active pairs and for finding a new environment's first agent.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment
from evolution.evaluator import Evaluator
from evolution.noise import Key
from evolution.optimisers.asking import Asking
from evolution.optimisers.optimiser import Optimiser, State


class Kind(StrEnum):
    """How a candidate was made."""

    DIRECT = "direct"
    FINE_TUNED = "fine-tuned"
    CONFIRMED = "confirmed"  # scored again; of the incumbent too, under its own niche


@dataclass(frozen=True, slots=True, eq=False)
class Visitor:
    """An agent that may move, under the id of the niche it comes from."""

    niche: int
    theta: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """An environment to be served, and the state from which visitors are fine-tuned to it."""

    environment: Environment
    learner: State
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
    confirmed: float | None = None  # the winner's score on fresh episodes, where that was asked for

    @property
    def mover_score(self) -> float:
        """The score that a winner moves in with: the last that was taken."""
        assert self.winner is not None
        return self.winner.score if self.confirmed is None else self.confirmed


def hold_original(
    evaluator: Evaluator,
    purpose: str,
    targets: Sequence[Target],
    incumbents: Sequence[Incumbent],
    optimiser: Optimiser,
) -> list[Tournament]:
    """Let the best candidate of every target in, direct or fine-tuned, if it beats the incumbent's score."""
    results = []
    found = evaluate_candidates(evaluator, purpose, targets, optimiser)
    for candidates, incumbent in zip(found, incumbents, strict=True):
        challenger = best(candidates)
        results.append(Tournament(candidates, challenger if challenger.score > incumbent.score else None))
    return results


def evaluate_candidates(
    evaluator: Evaluator, purpose: str, targets: Sequence[Target], optimiser: Optimiser
) -> list[list[Candidate]]:
    """Score every visitor of every target directly and fine-tuned, all of them side by side.

    Returns:
        For each target its candidates: the direct ones in the visitors' order, then the fine-tuned ones.
    """

    async def direct(target: Target, visitor: Visitor) -> list[Candidate]:
        return [await try_direct(evaluator, purpose, target, visitor)]

    async def fine_tuned(target: Target, visitor: Visitor) -> list[Candidate]:
        return [await try_fine_tuned(evaluator, purpose, target, visitor, optimiser)]

    return meet(evaluator, purpose, targets, [(direct, fine_tuned)] * len(targets), optimiser)


def evaluate_unchanged(
    evaluator: Evaluator, purpose: str, targets: Sequence[Target], optimiser: Optimiser
) -> list[list[Candidate]]:
    """Score every visitor of every target as it is; for each target its candidates, in the visitors' order."""

    async def direct(target: Target, visitor: Visitor) -> list[Candidate]:
        return [await try_direct(evaluator, purpose, target, visitor)]

    return meet(evaluator, purpose, targets, [(direct,)] * len(targets), optimiser)


Trial: TypeAlias = Callable[[Target, Visitor], Coroutine[Any, Any, list[Candidate]]]
"""A chain of evaluations: the candidates that a visitor makes in a target."""


def meet(
    evaluator: Evaluator,
    purpose: str,
    targets: Sequence[Target],
    trials: Sequence[Sequence[Trial]],
    optimiser: Optimiser,
) -> list[list[Candidate]]:
    """Run each target's trials with each of its visitors, all of them side by side.

    Returns:
        For each target its candidates: the direct ones in the visitors' order, then the fine-tuned ones.
    """
    episodes = sum(len(target.visitors) * (2 * target.episodes + optimiser.episodes) for target in targets)
    with evaluator.side_by_side(purpose, episodes) as flow:
        chains = [
            [flow.start(trial(target, visitor)) for trial in mine for visitor in target.visitors]
            for target, mine in zip(targets, trials, strict=True)
        ]
        tried = [[candidate for chain in mine for candidate in flow.wait(chain)] for mine in chains]
    return [sorted(candidates, key=lambda candidate: list(Kind).index(candidate.kind)) for candidates in tried]


async def try_direct(evaluator: Evaluator, purpose: str, target: Target, visitor: Visitor) -> Candidate:
    """Score a visitor as it is; part of a chain."""
    return await _candidate(evaluator, purpose, target, visitor, Kind.DIRECT, visitor.theta)


async def try_fine_tuned(
    evaluator: Evaluator, purpose: str, target: Target, visitor: Visitor, optimiser: Optimiser
) -> Candidate:
    """Score a visitor after one step in the target's environment; part of a chain."""
    ask = Asking(
        key=(*target.noise_key, visitor.niche),
        simulation=evaluator.simulation,
        evaluator=evaluator,
        purpose=purpose,
    )
    proposal = await optimiser.propose(visitor.theta, target.learner, target.environment, ask)
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
