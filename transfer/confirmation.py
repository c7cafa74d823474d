"""Ask a tournament's winner for more than luck: a second comparison, on episodes that chose nobody.

The best of many noisy scores is mostly the luckiest, so that the agent with it is worse than it seems and often
worse than whom it replaces. The papers have no such check; `transfer.confirm` of 0 leaves it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from evolution.evaluator import Evaluator
from evolution.noise import Key
from evolution.optimisers.optimiser import Vector
from transfer.tournament import Candidate, Kind, Target, Tournament


@dataclass(frozen=True, slots=True, eq=False)
class Rematch:
    """A tournament that may have a winner, and whom the winner meets again."""

    tournament: Tournament
    target: Target
    niche: int  # of the target
    incumbent: Vector  # (P,)
    key: Key  # names the fresh episodes, the same for both


def confirm(evaluator: Evaluator, purpose: str, rematches: Sequence[Rematch], episodes: int) -> list[Tournament]:
    """Let only those winners stand who are ahead of the incumbent again; the comparison joins the candidates."""
    won = [rematch for rematch in rematches if rematch.tournament.winner is not None]
    requests = [
        evaluator.score_request(theta, rematch.target.environment, rematch.key, episodes)
        for rematch in won
        for theta in (_winner(rematch).theta, rematch.incumbent)
    ]
    scores = iter([float(tried.returns.mean()) for tried in evaluator.run(purpose, requests)] if requests else [])
    return [
        rematch.tournament if rematch.tournament.winner is None else _judged(rematch, next(scores), next(scores))
        for rematch in rematches
    ]


def _winner(rematch: Rematch) -> Candidate:
    assert rematch.tournament.winner is not None
    return rematch.tournament.winner


def _judged(rematch: Rematch, challenger: float, incumbent: float) -> Tournament:
    winner = _winner(rematch)
    again = [
        replace(winner, kind=Kind.CONFIRMED, score=challenger),
        Candidate(rematch.niche, Kind.CONFIRMED, rematch.incumbent, incumbent),
    ]
    candidates = [*rematch.tournament.candidates, *again]
    return Tournament(candidates, winner, challenger) if challenger > incumbent else Tournament(candidates, None)
