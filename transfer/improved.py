"""The transfer rule of Enhanced POET: fewer evaluations, fewer false alarms.

An agent must beat the best of the target's last five scores, not just its
latest; first as it is, and only then is it fine-tuned; and the fine-tuned
agent must beat them too (arXiv:2003.08536, section 3.3).
"""

from __future__ import annotations

from collections.abc import Sequence

from evolution.es import ESSettings
from evolution.evaluation import Evaluator
from transfer.tournament import (
    Candidate,
    Incumbent,
    Target,
    Tournament,
    Visitor,
    all_meetings,
    best,
    direct,
    fine_tuned,
)


def hold_improved(
    evaluator: Evaluator,
    purpose: str,
    targets: Sequence[Target],
    incumbents: Sequence[Incumbent],
    settings: ESSettings,
) -> list[Tournament]:
    """Let visitors challenge the incumbent of every target, all of them side by side."""
    thresholds = [max(incumbent.recent, default=incumbent.score) for incumbent in incumbents]
    with all_meetings(evaluator, purpose, targets, settings) as flow:
        chains = [
            [
                flow.start(_challenge(evaluator, purpose, target, visitor, threshold, settings))
                for visitor in target.visitors
            ]
            for target, threshold in zip(targets, thresholds, strict=True)
        ]
        found = [[flow.wait(chain) for chain in challenges] for challenges in chains]
    results = []
    for challenges, threshold in zip(found, thresholds, strict=True):
        as_they_are = [candidate for candidate, _ in challenges]
        tuned = [candidate for _, candidate in challenges if candidate is not None]
        winner = best(tuned) if tuned else None
        wins = winner is not None and winner.score > threshold
        results.append(Tournament([*as_they_are, *tuned], winner if wins else None))
    return results


async def _challenge(
    evaluator: Evaluator, purpose: str, target: Target, visitor: Visitor, threshold: float, settings: ESSettings
) -> tuple[Candidate, Candidate | None]:
    """Try a visitor as it is, and fine-tuned if that beats the threshold."""
    as_it_is = await direct(evaluator, purpose, target, visitor)
    if as_it_is.score <= threshold:
        return as_it_is, None
    return as_it_is, await fine_tuned(evaluator, purpose, target, visitor, settings)
