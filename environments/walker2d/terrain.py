"""Courses of the 2D walker: from a genome and a seed to ground and obstacles.

POET's modification of the hardcore BipedalWalker (arXiv:1901.01753, section 3
and its published code): grass between obstacles, an obstacle's kind drawn
uniformly from those present in the order stump, stairs, pit. Enhanced POET's
ground (arXiv:2003.08536) is a CPPN's. For evaluation alone there are also
TeachMyAgent's stump tracks (arXiv:2103.09815). Expressing is pure; drawing,
the engines and the report all read the same `Terrain`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment, Genome
from environments.encodings.cppn import CPPNEncoding, obstacles_of, relief
from environments.encodings.drawn import BOX_SIDE, HIGHEST, LEAST_GAP, MOST_BOXES, MOST_POINTS, DrawnEncoding
from environments.encodings.genes import Range
from environments.encodings.parametric import ParametricEncoding, ParametricGenome
from environments.encodings.physics import SECTION, ground_of, on_ground

DOMAINS = ("walker2d", "walker2d-published")  # by what the lidar sees; see `environments.walker2d.env.Lidar`
SCALE = 30.0  # pixels per metre in the original; fixes every length below
STEP = 14 / SCALE  # m between neighbouring ground points
POINTS = 200  # ground points
START_HEIGHT = 400 / SCALE / 4  # m, of the start pad
START_PAD = 20  # points, flat
GRASS = (5, 10)  # points between obstacles, upper end excluded
FINISH = (POINTS - 10) * STEP  # m; the course ends here
PIT_DEPTH = 4  # steps
STAIR_WIDTH = 4  # steps
STUMP_WIDTH = 1  # steps
# Steps; thinner boxes are left out. At 1 cm nothing stumbles, and in single precision Box2D can
# no longer tell the thinnest from nothing, and refuses them.
THINNEST = 0.02
STUMP_TRACK = "stump-track"  # an encoding that nothing evolves in
TRACK_GENES = {"height": 3.0, "spacing": 6.0}  # maxima: steps of 14/30 m; m between stumps
TRACK_DEVIATION, TRACK_FLOOR = 0.1, 0.05  # steps; of one stump's height

Corners: TypeAlias = list[tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Terrain:
    """One course: a polyline of ground and four-cornered obstacles, in metres."""

    ground: NDArray[np.float64]  # (n, 2) x and height, 200 of a generator's; neighbours make the ground's edges
    boxes: NDArray[np.float64]  # (k, 4, 2) corners of static polygons, in order of creation


class _Course:
    """The state that the generator carries from one ground point to the next."""

    def __init__(
        self, genome: ParametricGenome, rng: np.random.Generator, rises: NDArray[np.float64] | None = None
    ) -> None:
        self.genome = genome
        self.rises = rises  # (POINTS,) m, of each ground point above the last; None where roughness makes the ground
        self.rng = rng
        self.xs: list[float] = []
        self.heights: list[float] = []
        self.boxes: list[Corners] = []
        self.height = START_HEIGHT
        self.velocity = 0.0

    def grass(self, points: int) -> None:
        """Lay ordinary ground; it rolls with the genome's roughness after the start pad."""
        for number in range(points):
            i = len(self.xs)
            # The published generator leaves the height alone on the first point of each stretch but the pad's.
            if self.rises is not None:
                self.height += float(self.rises[min(i, POINTS - 1)])
            elif number > 0 or i == 0:
                self.velocity = 0.8 * self.velocity + 0.01 * np.sign(START_HEIGHT - self.height)
                if i > START_PAD:
                    self.velocity += self.rng.uniform(-1, 1) / SCALE
                self.height += self.genome.roughness * self.velocity
            self._point(self.height)

    def stump(self, heights: Range) -> None:
        height = self.rng.uniform(*heights)
        x, y = self._x(), self.height
        right, top = x + STUMP_WIDTH * STEP, y + height * STEP
        self._box([(x, y), (right, y), (right, top), (x, top)])
        self._point(y)

    def stairs(self, heights: Range) -> None:
        rise = self.rng.uniform(*heights)
        slope = 1 if self.rng.random() > 0.5 else -1
        steps = self.genome.stair_steps
        x, y = self._x(), self.height
        for step in range(steps):
            left, right = x + step * STAIR_WIDTH * STEP, x + (step + 1) * STAIR_WIDTH * STEP
            top = y + step * rise * slope * STEP
            bottom = y + (step * rise * slope - rise) * STEP
            self._box([(left, top), (right, top), (right, bottom), (left, bottom)])
        drop = rise if slope == -1 else 0.0
        self._point(y)
        for point in range(steps * STAIR_WIDTH):
            self.height = y + (point // STAIR_WIDTH * rise * slope - drop) * STEP
            self._point(self.height)

    def pit(self, widths: Range) -> None:
        width = 1.0 + self.rng.uniform(*widths)
        points = math.ceil(width)
        x, y = self._x(), self.height
        bottom = y - PIT_DEPTH * STEP
        wall = [(x, y), (x + STEP, y), (x + STEP, bottom), (x, bottom)]
        self.boxes.append(wall)
        self.boxes.append([(corner_x + STEP * width, corner_y) for corner_x, corner_y in wall])
        self._point(y)
        for _ in range(points):
            self._point(bottom)
        # Moved back so that the gap is exactly `width` wide.
        self._point(y, shift=-(points - width) * STEP)

    @property
    def unfinished(self) -> bool:
        return len(self.xs) < POINTS

    def _x(self) -> float:
        return len(self.xs) * STEP

    def _box(self, corners: Corners) -> None:
        if abs(corners[2][1] - corners[0][1]) >= THINNEST * STEP:
            self.boxes.append(corners)

    def _point(self, height: float, shift: float = 0.0) -> None:
        self.xs.append(self._x() + shift)
        self.heights.append(height)

    def terrain(self) -> Terrain:
        ground = np.column_stack([self.xs[:POINTS], self.heights[:POINTS]])
        boxes = np.array(self.boxes, dtype=np.float64).reshape(-1, 4, 2)
        ground.flags.writeable = boxes.flags.writeable = False
        return Terrain(ground, boxes)


@lru_cache(maxsize=256)
def express(genome: ParametricGenome, seed: int) -> Terrain:
    """Build the course that a genome and a terrain seed stand for.

    Pure: equal arguments give equal arrays, which are read-only and cached.
    """
    return _lay(_Course(genome, np.random.default_rng(seed)))


def cppn_inputs() -> NDArray[np.float64]:
    """Give what a CPPN is asked for the ground: (180, 1), x from the pad's end on, the course scaled to [-pi, pi]."""
    middle = POINTS / 2
    points = np.arange(START_PAD, POINTS, dtype=np.float64)[:, None]
    return (points - middle) / middle * math.pi


def cppn_published_inputs() -> NDArray[np.float64]:
    """Give where the published code measures a CPPN's relief: (200, 1), all points of the course scaled to [-1, 1]."""
    middle = POINTS / 2
    return (np.arange(POINTS, dtype=np.float64)[:, None] - middle) / middle


@lru_cache(maxsize=256)
def express_cppn(environment: Environment) -> Terrain:
    """Build the course of a CPPN genome, with obstacles where it has any; pure, as `express` is.

    Obstacles stand on level ground, which goes on from there as it would have gone on without them.

    Raises:
        ValueError: the genome is not valid.
    """
    # With the wider of the two bounds: a genome does not say by which it was bred.
    CPPNEncoding(cppn_inputs(), published=cppn_published_inputs()).check(environment.genome)
    heights = relief(environment.genome["cppn"], cppn_inputs())
    rises = np.concatenate([np.zeros(START_PAD + 1), np.diff(heights)])
    return _lay(_Course(obstacles_of(environment.genome), np.random.default_rng(environment.seed), rises))


def _lay(course: _Course) -> Terrain:
    genome, rng = course.genome, course.rng
    obstacles: list[Callable[[], None]] = []
    if genome.stump_height is not None:
        obstacles.append(partial(course.stump, genome.stump_height))
    if genome.stair_height is not None:
        obstacles.append(partial(course.stairs, genome.stair_height))
    if genome.pit_gap is not None:
        obstacles.append(partial(course.pit, genome.pit_gap))
    course.grass(START_PAD)
    while course.unfinished:
        stretch = int(rng.integers(*GRASS))
        if obstacles:
            # The stretch drawn above goes unused here, as published: it keeps the order of draws.
            obstacles[rng.integers(len(obstacles))]()
            stretch = int(rng.integers(*GRASS))
        course.grass(stretch)
    return course.terrain()


def express_track(genome: Genome, seed: int) -> Terrain:
    """Build a stump track: flat ground with stumps of one mean height at one spacing.

    Raises:
        ValueError: the genome is not a height in [0, 3] and a spacing in [0, 6].
    """
    if set(genome) != set(TRACK_GENES):
        raise ValueError(f"the genome has {', '.join(genome) or 'no genes'}; a stump track has height and spacing")
    for gene, maximum in TRACK_GENES.items():
        if not isinstance(genome[gene], int | float) or not 0 <= genome[gene] <= maximum:
            raise ValueError(f"{gene} is {genome[gene]}; it must lie in [0, {maximum:g}]")
    rng = np.random.default_rng(seed)
    lefts = np.arange(START_PAD * STEP, (POINTS - 1) * STEP, STUMP_WIDTH * STEP + genome["spacing"])
    heights = np.maximum(rng.normal(genome["height"], TRACK_DEVIATION, lefts.size), TRACK_FLOOR) * STEP
    rights, tops, bottoms = lefts + STUMP_WIDTH * STEP, START_HEIGHT + heights, np.full(lefts.size, START_HEIGHT)
    xs = np.stack([lefts, rights, rights, lefts], axis=1)
    ys = np.stack([bottoms, bottoms, tops, tops], axis=1)
    return Terrain(np.column_stack([np.arange(POINTS) * STEP, np.full(POINTS, START_HEIGHT)]), np.stack([xs, ys], 2))


def drawn_encoding() -> DrawnEncoding:
    """Give the encoding of courses that are drawn: from the end of the start pad to the end of the ground."""
    return DrawnEncoding(round(START_PAD * STEP, 3), round((POINTS - 1) * STEP, 3))


@lru_cache(maxsize=256)
def express_drawn(environment: Environment) -> Terrain:
    """Build the course of a drawn genome: its points among those of ordinary ground, its boxes as they are.

    Raises:
        ValueError: the genome is not valid.
    """
    encoding = drawn_encoding()
    points, boxes = encoding.parts(environment.genome)
    drawn = np.array([x for x, _ in points])
    grid = np.arange(POINTS) * STEP
    # Points of the grid give way to those that were drawn near them: no edge is shorter than the encoding's least.
    free = np.abs(grid[:, None] - drawn[None, :]).min(axis=1, initial=np.inf) > LEAST_GAP
    xs = np.sort(np.concatenate([grid[free], drawn]))
    ground = np.column_stack([xs, START_HEIGHT + encoding.heights(points, xs)])
    corners = [[(x, y), (x + width, y), (x + width, y + height), (x, y + height)] for x, y, width, height in boxes]
    placed = np.array(corners, dtype=np.float64).reshape(-1, 4, 2) + np.array([0.0, START_HEIGHT])
    ground.flags.writeable = placed.flags.writeable = False
    return Terrain(ground, placed)


def drawn_from(environment: Environment) -> Environment:
    """Give a course as points and boxes that can be moved: the same ground, to a centimetre or two at a pit's walls.

    Raises:
        ValueError: the course is not valid, or has more parts than a drawn one may.
    """
    encoding, terrain = drawn_encoding(), terrain_of(environment)
    if environment.encoding == encoding.name:
        return environment
    points: list[list[float]] = []
    for x, y in terrain.ground.tolist():
        here, height = round(x, 3), round(y - START_HEIGHT, 3)
        if here < encoding.start or here > encoding.end:
            continue
        if points:  # a pit's far wall may stand closer to its floor's last point
            here = max(here, round(points[-1][0] + LEAST_GAP, 3))
        while len(points) > 1 and _straight(points[-2], points[-1], [here, height]):
            points.pop()
        points.append([here, height])
    boxes = []
    for corners in terrain.boxes:
        left, bottom = corners.min(axis=0)
        width, height = corners.max(axis=0) - (left, bottom)
        if left + width <= encoding.end:
            boxes.append([round(float(part), 3) for part in (left, bottom - START_HEIGHT, width, height)])
    genome: Genome = {"ground": points, "boxes": boxes}
    if SECTION in environment.genome:
        genome[SECTION] = environment.genome[SECTION]
    encoding.check(ground_of(genome))
    return Environment(domain=environment.domain, encoding=encoding.name, genome=genome, seed=0)


def _straight(first: list[float], middle: list[float], last: list[float]) -> bool:
    share = (middle[0] - first[0]) / (last[0] - first[0])
    return abs(first[1] + share * (last[1] - first[1]) - middle[1]) < 5e-4


def drawing() -> dict[str, Any]:
    """Say what may be drawn: where points and boxes may lie, in m, and how many there may be."""
    encoding = drawn_encoding()
    return {
        "kind": "course",
        "start": encoding.start,
        "end": encoding.end,
        "level": START_HEIGHT,
        "highest": HIGHEST,
        "side": BOX_SIDE,
        "gap": LEAST_GAP,
        "points": MOST_POINTS,
        "boxes": MOST_BOXES,
        "initial": encoding.initial(),
    }


def terrain_of(environment: Environment | None) -> Terrain:
    """Express a task of this domain; flat ground when None.

    Raises:
        ValueError: the task is another domain's, or its genome is not valid.
    """
    if environment is None:
        return express(ParametricGenome(), 0)
    ours = environment.domain in DOMAINS
    environment = on_ground(environment) if ours else environment
    if ours and environment.encoding == STUMP_TRACK:
        return express_track(environment.genome, environment.seed)
    if ours and environment.encoding == CPPNEncoding.name:
        return express_cppn(environment)
    if ours and environment.encoding == DrawnEncoding.name:
        return express_drawn(environment)
    if not ours or environment.encoding != ParametricEncoding.name:
        raise ValueError(
            f"the environment is {environment.domain} with {environment.encoding} encoding; "
            f"it must be {DOMAINS[0]} with {ParametricEncoding.name}, {CPPNEncoding.name} or {DrawnEncoding.name} "
            "encoding"
        )
    return express(ParametricGenome.from_json(environment.genome), environment.seed)
