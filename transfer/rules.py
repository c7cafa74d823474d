"""Which agent replaces which: the rules that a configuration can name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

from environments.settings import Bounds, check_bounds
from evolution.evaluator import Evaluator
from evolution.optimisers.optimiser import FULL, KEEP, Optimiser
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
"""By name."""
NOBODY = "none"  # in the place of a rule: no tournament is held


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferSettings:
    """When agents try to move; the default is POET's."""

    every: Annotated[int, Bounds(1, 10**6)] = 25  # iterations
    rule: str = "original"  # who moves in; or "improved", Enhanced POET's, or "none": nobody ever, the paper's control
    restart: str | float = FULL  # of a mover's optimiser; or "keep", or the fraction of the options' sizes of steps
    confirm: Annotated[int, Bounds(0, 10**4)] = 0  # fresh episodes in which a winner must be ahead again; 0: none

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.restart not in (FULL, KEEP) and not (isinstance(self.restart, float) and 0 <= self.restart <= 1):
            raise ValueError(f"restart is {self.restart!r}; it must be {FULL}, {KEEP} or a number in [0, 1]")
        if self.rule not in (*RULES, NOBODY):
            raise ValueError(f"rule is {self.rule!r}; it must be one of {', '.join((*RULES, NOBODY))}")

    @property
    def moves(self) -> bool:
        """Whether agents may leave their niche; without, a new environment begins with its parent's agent as it is."""
        return self.rule != NOBODY

    def due(self, iteration: int) -> bool:
        """Say whether transfers follow this iteration's steps; not in the first, when agents have been scored once."""
        return self.moves and iteration > 0 and iteration % self.every == 0


def original_cost(meetings: int, score_episodes: int, step_episodes: int) -> int:
    """Count the episodes that the original rule needs for so many visits of an agent to a target."""
    return meetings * (2 * score_episodes + step_episodes)
