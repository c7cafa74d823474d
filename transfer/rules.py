"""Which agent replaces which: the rules that a configuration can name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from evolution.evaluator import Evaluator
from evolution.optimisers.optimiser import Optimiser
from transfer.improved import hold_improved
from transfer.tournament import Incumbent, Target, Tournament, hold_original


class Rule(Protocol):
    """Holds one tournament for each target and names its winner, if the incumbent is beaten."""

    def __call__(
        self,
        evaluator: Evaluator,
        purpose: str,
        targets: Sequence[Target],
        incumbents: Sequence[Incumbent],
        optimiser: Optimiser,
    ) -> list[Tournament]:
        """Hold the tournaments; results come in the targets' order."""
        ...


RULES: dict[str, Rule] = {"original": hold_original, "improved": hold_improved}
"""By name; under "none", of which `TransferSettings.due` knows, no tournament is held."""


def original_cost(meetings: int, score_episodes: int, step_episodes: int) -> int:
    """Count the episodes that the original rule needs for so many visits of an agent to a target."""
    return meetings * (2 * score_episodes + step_episodes)
