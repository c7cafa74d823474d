"""What a problem with a known answer reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Answer:
    """A measured figure beside the one it should reach."""

    name: str
    measured: float
    target: float
    better: Literal["higher", "lower", "equal"]
