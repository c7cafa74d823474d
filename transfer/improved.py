"""The transfer rule of Enhanced POET: fewer evaluations, fewer false alarms.

An agent must beat the best of the target's last five scores, not just its
latest; first as it is, and only then is it fine-tuned; and the fine-tuned
agent must beat them too (arXiv:2003.08536, section 3.3).
"""

from __future__ import annotations

from collections.abc import Sequence

from evolution.evaluator import Evaluator
from evolution.optimisers.optimiser import Optimiser
from transfer.tournament import (
    Candidate,
    Incumbent,
    Kind,
    Target,
    Tournament,
    Trial,
    Visitor,
    best,
    meet,
    try_direct,
    try_fine_tuned,
)


def hold_improved(
    evaluator: Evaluator,
    purpose: str,
    targets: Sequence[Target],
    incumbents: Sequence[Incumbent],
    optimiser: Optimiser,
) -> list[Tournament]:
    """Let visitors challenge the incumbent of every target, all of them side by side."""
    thresholds = [max(incumbent.recent, default=incumbent.score) for incumbent in incumbents]

    def challenge(threshold: float) -> Trial:
        async def trial(target: Target, visitor: Visitor) -> list[Candidate]:
            direct = await try_direct(evaluator, purpose, target, visitor)
            if not direct.score > threshold:
                return [direct]
            return [direct, await try_fine_tuned(evaluator, purpose, target, visitor, optimiser)]

        return trial

    found = meet(evaluator, purpose, targets, [[challenge(threshold)] for threshold in thresholds], optimiser)
    results = []
    for candidates, threshold in zip(found, thresholds, strict=True):
        tuned = [candidate for candidate in candidates if candidate.kind is Kind.FINE_TUNED]
        winner = best(tuned) if tuned and best(tuned).score > threshold else None
        results.append(Tournament(candidates, winner))
    return results
