"""The transfer rule of Enhanced POET: fewer evaluations, fewer false alarms.

An agent must beat the best of the target's last five scores, not just its
latest; first as it is, and only then is it fine-tuned; and the fine-tuned
agent must beat them too (arXiv:2003.08536, section 3.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evolution.es import ESSettings
from evolution.evaluation import Evaluator
from transfer.tournament import Incumbent, Target, Tournament, best, evaluate_direct, evaluate_fine_tuned


def hold_improved(
    evaluator: Evaluator,
    purpose: str,
    targets: Sequence[Target],
    incumbents: Sequence[Incumbent],
    settings: ESSettings,
) -> list[Tournament]:
    """Let visitors challenge the incumbent of every target, in three phases over all targets."""
    thresholds = [max(incumbent.recent, default=incumbent.score) for incumbent in incumbents]
    direct = evaluate_direct(evaluator, purpose, targets)
    qualified = [
        replace(
            target,
            visitors=[
                visitor
                for visitor, candidate in zip(target.visitors, candidates, strict=True)
                if candidate.score > threshold
            ],
        )
        for target, candidates, threshold in zip(targets, direct, thresholds, strict=True)
    ]
    tuned = evaluate_fine_tuned(evaluator, purpose, qualified, settings)
    results = []
    for as_they_are, fine_tuned, threshold in zip(direct, tuned, thresholds, strict=True):
        winner = best(fine_tuned) if fine_tuned else None
        wins = winner is not None and winner.score > threshold
        results.append(Tournament([*as_they_are, *fine_tuned], winner if wins else None))
    return results
