"""What a problem with a known answer reports."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Answer:
    """A measured figure beside the one it should reach."""

    name: str
    measured: float
    target: float
    better: Literal["higher", "lower", "equal"]

    @property
    def reached(self) -> bool:
        """Whether it does reach it; to be equal is to lie within 2 %, which sampling takes."""
        if self.better == "equal":
            return math.isclose(self.measured, self.target, rel_tol=0.02)
        return self.measured >= self.target if self.better == "higher" else self.measured <= self.target
