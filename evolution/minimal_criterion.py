"""Neither too hard nor too easy: the condition on every new environment.

After Brant and Stanley 2017, as POET uses it (arXiv:1901.01753, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What the minimal criterion says of a score."""

    MET = "met"
    TOO_HARD = "too hard"
    TOO_EASY = "too easy"


@dataclass(frozen=True, slots=True, kw_only=True)
class MinimalCriterion:
    """The scores, bounds included, that an environment may give its agent at the start."""

    lower: float = 50.0
    upper: float = 300.0

    def __post_init__(self) -> None:
        if not self.lower < self.upper:
            raise ValueError(f"lower is {self.lower}; it must be below upper, {self.upper}")

    def verdict(self, score: float) -> Verdict:
        """Judge an environment by a score reached in it."""
        if score < self.lower:
            return Verdict.TOO_HARD
        return Verdict.TOO_EASY if score > self.upper else Verdict.MET
