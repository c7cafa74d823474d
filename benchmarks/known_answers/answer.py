"""What a problem with a known answer reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# How surely a target is what its source says: computed here or exact, read there, read elsewhere, or remembered.
Certainty = Literal["", "computed", "read", "second-hand", "remembered"]

Better = Literal["higher", "lower", "equal", "beside"]  # beside: to compare with, not to reach
SIGNS = {"higher": ">=", "lower": "<=", "equal": "=", "beside": "beside"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A measured figure beside the one it should reach."""

    name: str
    measured: float
    target: float
    better: Better
    within: float = 0.0  # of the target, where it should be equal
    source: str = ""  # of the target
    certainty: Certainty = ""

    @property
    def reached(self) -> bool | None:
        """Whether the figure is what it should be; never if it is no number. None where it is only compared."""
        if self.better == "beside" and self.measured == self.measured:
            return None
        return {
            "higher": self.measured >= self.target,
            "lower": self.measured <= self.target,
            "equal": abs(self.measured - self.target) <= self.within,
            "beside": False,
        }[self.better]

    def __str__(self) -> str:
        verdict = f"not {SIGNS[self.better]}" if self.reached is False else SIGNS[self.better]
        spread = f" (within {self.within:g})" if self.better == "equal" else ""
        return f"{self.name:<68} {self.measured:9.3f}  {verdict:>6} {self.target:.3f}{spread}"
