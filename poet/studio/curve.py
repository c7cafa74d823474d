"""A run's curve in bounded memory: stretches of iterations, the longer the run the longer each.

Totals are those at a stretch's end, scores are means over it, and of simulation its steps and seconds are summed.
The page merges by the same rule (`static/curve.js`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Point = dict[str, Any]

MOST = 800  # points
SUMS = ("iterations", "steps", "seconds")  # over a stretch
MEANS = ("mean_score", "best_score")  # over its iterations


def merged(first: Point, second: Point) -> Point:
    """Make one stretch of two neighbours."""
    point = {**first, **second}
    for name in SUMS:
        point[name] = first[name] + second[name]
    for name in MEANS:
        parts = [(each[name], each["iterations"]) for each in (first, second) if each[name] is not None]
        weight = sum(count for _, count in parts)
        point[name] = sum(value * count for value, count in parts) / weight if weight else None
    return point


def thinned(points: list[Point], most: int) -> list[Point]:
    """Merge neighbours until there are so many at most; the last may be of a shorter stretch."""
    while len(points) > most:
        points = [
            merged(points[i], points[i + 1]) if i + 1 < len(points) else points[i] for i in range(0, len(points), 2)
        ]
    return points


class Curve:
    """Points that grow with the run."""

    def __init__(self) -> None:
        self.points: list[Point] = []

    def extend(self, points: Iterable[Point]) -> None:
        """Add what is new, in order."""
        self.points = thinned([*self.points, *points], MOST)
