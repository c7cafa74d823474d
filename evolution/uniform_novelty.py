"""A measure of novelty for comparisons: all candidates are equally new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from environments.domain import Environment


def uniform(candidates: Sequence[Environment], *what_is_known: Any) -> list[float]:
    """Give 1 for each candidate."""
    return [1.0] * len(candidates)
