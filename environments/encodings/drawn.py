"""The genome of a course that somebody has drawn: points of the ground, and boxes.

Nothing is left to chance: the terrain's seed changes nothing. Heights are metres over the start pad, so that a course
without points and boxes is level. Mutation moves, adds or removes one element, and what is drawn can evolve like
anything else; a genome's place for novelty is its profile: the ground and what stands on it, at fixed places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from environments.domain import Genome

Point: TypeAlias = tuple[float, float]
"""x from the course's beginning and height over the start pad, m."""
Box: TypeAlias = tuple[float, float, float, float]
"""Left and lower edge, width and height, m."""

PARTS = ("ground", "boxes")
MOST_POINTS, MOST_BOXES = 240, 120
LEAST_GAP = 0.02  # m between neighbouring points along x
HIGHEST = 8.0  # m over or under the start pad
BOX_SIDE = (0.05, 10.0)  # m
REACH = 0.5  # m that a mutation moves an edge at most
PLACES = 60  # along the course, at which profiles are compared
SCALE = 2.5  # m: heights as parts of a walker's
DECIMALS = 3


@dataclass(frozen=True)
class DrawnEncoding:
    """Genomes as points and boxes between two ends.

    >>> encoding = DrawnEncoding(9.4, 92.8)
    >>> encoding.describe({"ground": [], "boxes": [[20.0, 0.0, 0.5, 0.8]]})
    'drawn: 1 box'
    """

    start: float  # m, where drawing may begin: the end of the start pad
    end: float  # m, of the course
    name: str = "drawn"

    @staticmethod
    def from_options(options: Mapping[str, Any], start: float, end: float) -> DrawnEncoding:
        """Read a configuration's encoding options, of which there are none.

        Raises:
            ValueError: an option is given.
        """
        for option in options:
            raise ValueError(f"option {option!r} is unknown; the drawn encoding takes none")
        return DrawnEncoding(start, end)

    def initial(self) -> Genome:
        """Give a level course."""
        return {"ground": [], "boxes": []}

    def check(self, genome: Genome) -> None:
        """Raise ValueError, naming the point or box, unless all of it lies within bounds."""
        self.parts(genome)

    def parts(self, genome: Genome) -> tuple[list[Point], list[Box]]:
        """Read points and boxes.

        Raises:
            ValueError: one is not where it may be.
        """
        if not isinstance(genome, Mapping) or set(genome) != set(PARTS):
            raise ValueError(f"the genome has {', '.join(genome) or 'nothing'}; a drawn course has ground and boxes")
        ground = _rows("ground", genome["ground"], 2, MOST_POINTS)
        boxes = _rows("boxes", genome["boxes"], 4, MOST_BOXES)
        for x, height in ground:
            _within("x of a point of the ground", x, self.start, self.end)
            _within(f"height of the ground at {x:g} m", height, -HIGHEST, HIGHEST)
        for (before, _), (after, _) in pairwise(ground):
            if after - before < LEAST_GAP - 1e-9:
                raise ValueError(
                    f"points of the ground lie at {before:g} and {after:g} m; x must rise by {LEAST_GAP} m at least"
                )
        for left, bottom, width, height in boxes:
            _within("width of a box", width, *BOX_SIDE)
            _within("height of a box", height, *BOX_SIDE)
            _within("left edge of a box", left, self.start, self.end - width)
            _within("lower edge of a box", bottom, -HIGHEST, HIGHEST)
        return [(x, y) for x, y in ground], [(x, y, w, h) for x, y, w, h in boxes]

    def mutate(self, genome: Genome, rng: np.random.Generator) -> Genome:
        """Move, add or remove one point or box."""
        ground, boxes = self.parts(genome)
        while True:
            change = CHANGES[int(rng.integers(len(CHANGES)))]
            child = _written(*change(self, list(ground), list(boxes), rng))
            try:
                self.check(child)
            except ValueError:
                continue
            if child != _written(ground, boxes):
                return child

    def vector(self, genome: Genome) -> NDArray[np.float64]:
        """Give the profile: heights of the ground, then of the tops of boxes above it, scaled; level is all zeros."""
        ground, boxes = self.parts(genome)
        places = np.linspace(self.start, self.end, PLACES)
        heights = self.heights(ground, places)
        tops = heights.copy()
        spacing = places[1] - places[0]
        for left, bottom, width, height in boxes:
            # A box between two places counts at both by how near it is, so that none is overlooked.
            away = np.maximum(np.maximum(left - places, places - left - width), 0.0) / spacing
            share = np.maximum(1.0 - away, 0.0)
            tops = np.maximum(tops, heights + share * np.maximum(bottom + height - heights, 0.0))
        return np.concatenate([heights, tops - heights]) / SCALE

    def heights(self, ground: list[Point], places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the ground's heights, m, at places along the course: level before the first point and after the last."""
        if not ground:
            return np.zeros(len(places))
        points = np.array(ground)
        xs, ys = points[:, 0], points[:, 1]
        if xs[0] > self.start:
            xs, ys = np.concatenate([[self.start], xs]), np.concatenate([[0.0], ys])
        found: NDArray[np.float64] = np.interp(places, xs, ys)
        return np.where(places < self.start, 0.0, found)

    def describe(self, genome: Genome) -> str:
        """Write the genome in a few words, such as ``drawn: 4 points, 2 boxes``."""
        ground, boxes = self.parts(genome)
        counts = [(len(ground), "point", "points"), (len(boxes), "box", "boxes")]
        words = [f"{count} {one if count == 1 else many}" for count, one, many in counts if count]
        return f"drawn: {', '.join(words) or 'level'}"


def _rows(part: str, value: Any, columns: int, most: int) -> list[tuple[float, ...]]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(f"{part} is {_shortened(value)}; it must be a list of at most {most}")
    for row in value:
        numbers = isinstance(row, list | tuple) and len(row) == columns
        if not numbers or any(isinstance(x, bool) or not isinstance(x, int | float) for x in row):
            raise ValueError(f"{part} has {_shortened(row)}; each must be a list of {columns} numbers")
    return [tuple(float(x) for x in row) for row in value]


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _within(what: str, value: float, low: float, high: float) -> None:
    if not low - 1e-9 <= value <= high + 1e-9:
        raise ValueError(f"the {what} is {value:g} m; it must lie in [{low:g}, {high:g}]")


def _written(ground: list[Point], boxes: list[Box]) -> Genome:
    return {
        "ground": [[round(x, DECIMALS) for x in point] for point in ground],
        "boxes": [[round(x, DECIMALS) for x in box] for box in boxes],
    }


def _drift(rng: np.random.Generator) -> float:
    return float(rng.uniform(-REACH, REACH))


def _move_box(
    encoding: DrawnEncoding, ground: list[Point], boxes: list[Box], rng: np.random.Generator
) -> tuple[list[Point], list[Box]]:
    if boxes:
        number = int(rng.integers(len(boxes)))
        left, bottom, width, height = boxes[number]
        boxes[number] = (left + _drift(rng), bottom, width + _drift(rng) / 2, height + _drift(rng) / 2)
    return ground, boxes


def _add_box(
    encoding: DrawnEncoding, ground: list[Point], boxes: list[Box], rng: np.random.Generator
) -> tuple[list[Point], list[Box]]:
    width = float(rng.uniform(0.3, 1.0))
    left = float(rng.uniform(encoding.start, encoding.end - width))
    level = float(encoding.heights(ground, np.array([left, left + width])).min())
    return ground, [*boxes, (left, level, width, float(rng.uniform(0.1, REACH)))]


def _remove_box(
    encoding: DrawnEncoding, ground: list[Point], boxes: list[Box], rng: np.random.Generator
) -> tuple[list[Point], list[Box]]:
    if boxes:
        boxes.pop(int(rng.integers(len(boxes))))
    return ground, boxes


def _move_point(
    encoding: DrawnEncoding, ground: list[Point], boxes: list[Box], rng: np.random.Generator
) -> tuple[list[Point], list[Box]]:
    if ground:
        number = int(rng.integers(len(ground)))
        x, height = ground[number]
        ground[number] = (x, height + _drift(rng))
    return ground, boxes


def _add_point(
    encoding: DrawnEncoding, ground: list[Point], boxes: list[Box], rng: np.random.Generator
) -> tuple[list[Point], list[Box]]:
    x = float(rng.uniform(encoding.start, encoding.end))
    height = float(encoding.heights(ground, np.array([x]))[0]) + _drift(rng)
    return sorted([*ground, (x, height)]), boxes


Change: TypeAlias = Callable[
    [DrawnEncoding, list[Point], list[Box], np.random.Generator], tuple[list[Point], list[Box]]
]
CHANGES: tuple[Change, ...] = (_move_box, _add_box, _remove_box, _move_point, _add_point)
