"""From a genome and a seed to a course: pure, and the same numbers on every machine.

Only sums, products and draws of uniform numbers, and `environments.portable`.
Each feature has draws of its own: switching one on leaves the others where
they were, and its height or width scales a pattern that does not change.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment, Genome
from environments.encodings.cppn import HIGHEST, CPPNEncoding, evaluate
from environments.encodings.drawn_field import HIGHEST as HIGHEST_DRAWN
from environments.encodings.drawn_field import DrawnFieldEncoding
from environments.encodings.genes import Range
from environments.encodings.heightfield import HeightfieldEncoding, HeightfieldGenome
from environments.encodings.physics import SECTION as PHYSICS
from environments.encodings.physics import on_ground
from environments.hexapod3d.terrain import (
    CELL,
    COLUMNS,
    END,
    FINISH,
    HALF_WIDTH,
    ROWS,
    SIDE_LIMIT,
    START,
    START_PAD,
    Terrain,
    blend,
    flat,
    grid,
)

Floats = NDArray[np.float64]

_domains: list[str] = []  # whose courses these are
SCALES = {"bumps": 0.2, "mounds": 0.6, "hills": 2.4}  # m between the points whose heights are drawn
SECTION = (0.8, 1.6)  # m, of one gradient
STEP_SPACING = (1.0, 2.0)  # m between steps across the course
TALLEST = 2.0  # m, of all steps, slopes and gaps taken together
GAP_SPACING = (1.4, 2.6)  # m between the middles of gaps
GAP_DEPTH = 0.6  # m: deeper than a leg is long
CPPN_UNIT = 0.1  # m: the network's bounds of 0.25 to 16 become 2.5 cm to 1.6 m
BOULDERS = 48  # on the course: one to 0.9 m²
BOULDER_RADIUS = (0.15, 0.35)  # m
DRAWN_FROM = round((START_PAD - START) / CELL) + 1  # the first row that may be painted: the start pad stays level


def express(genome: HeightfieldGenome, seed: int) -> Terrain:
    """Build the course that a parametric genome and a terrain seed stand for."""
    x, y = grid()
    draws = (np.random.default_rng([seed, number]) for number in range(7))
    ground = np.zeros((x.size, y.size))
    for scale, spacing in SCALES.items():
        noise = _noise(spacing, next(draws))
        ground += getattr(genome, scale) * noise
    ground += _slopes(genome.slope, next(draws))
    ground += _steps(genome.step_height, next(draws))
    ground = _boulders(ground, genome.boulder_height, next(draws))
    ground -= _gaps(genome.gap_width, next(draws))
    return _finished(ground)


def express_cppn(genome: Genome) -> Terrain:
    """Build the course that a CPPN stands for: its relief over the start's, in units of `CPPN_UNIT`.

    3D POET's fields are 0.7 CPPN and 0.3 bowl (arXiv:2206.06796), the bowl keeping the robot in;
    this course has side limits instead, so all of the height is the network's.
    """
    x, y = grid()
    places = np.stack(np.broadcast_arrays(x, y), axis=-1).reshape(-1, 2)
    heights = evaluate(genome["cppn"], inputs_at(places)) - evaluate(genome["cppn"], inputs_at(np.zeros((1, 2))))
    ground = CPPN_UNIT * heights.reshape(x.size, y.size)
    # The encoding bounds the middle of the course; a margin that runs off is held to the same bound.
    ground = np.nan_to_num(np.clip(ground, -CPPN_UNIT * HIGHEST, CPPN_UNIT * HIGHEST))
    return _finished(ground)


def inputs_at(places: Floats) -> Floats:
    """Scale places (n, 2) in m to a network's inputs: the course's length to [-pi, pi], and its width alike.

    One scale for both directions, so that the network's shapes are not stretched.
    """
    scale = np.pi / (FINISH / 2)
    return np.stack([(places[:, 0] - FINISH / 2) * scale, places[:, 1] * scale], axis=1)


def probe() -> Floats:
    """Give the inputs where the robot walks, the start first: (n, 2)."""
    x, y = (side.reshape(-1) for side in np.broadcast_arrays(np.linspace(0, FINISH, 33)[:, None], [0.0, 0.8, -0.8]))
    return inputs_at(np.stack([x, y], axis=1))


def drawn_encoding() -> DrawnFieldEncoding:
    """Give the encoding of fields that are painted: all of the grid behind the start pad."""
    return DrawnFieldEncoding(ROWS - DRAWN_FROM, COLUMNS, CELL)


def express_drawn(genome: Genome) -> Terrain:
    """Lay the heights of a drawn genome, as they are.

    Raises:
        ValueError: the genome is not valid.
    """
    ground = np.zeros((ROWS, COLUMNS))
    ground[DRAWN_FROM:] = drawn_encoding().heights(genome) / 1000
    return _kept(ground)


def drawn_from(environment: Environment) -> Environment:
    """Give a course as heights that can be painted over: the same ground, to half a millimetre, and the same body.

    Raises:
        ValueError: the course is not valid.
    """
    encoding = drawn_encoding()
    if environment.encoding == encoding.name:
        return environment
    heights = np.rint(1000 * terrain_of(environment).heights[DRAWN_FROM:]).astype(np.int64)
    genome = encoding.written(heights)
    if PHYSICS in environment.genome:
        genome = {**genome, PHYSICS: environment.genome[PHYSICS]}
    return Environment(domain=environment.domain, encoding=encoding.name, genome=genome, seed=0)


def drawing() -> dict[str, Any]:
    """Say what may be painted: rows and columns of heights, the first row, how high and how far aside they go in m."""
    encoding = drawn_encoding()
    return {
        "kind": "field",
        "rows": encoding.rows,
        "columns": encoding.columns,
        "first": DRAWN_FROM,
        "cell": CELL,
        "highest": HIGHEST_DRAWN / 1000,
        "aside": SIDE_LIMIT,
        "initial": encoding.initial(),
    }


def _finished(ground: Floats) -> Terrain:
    """Lay the start pad."""
    return _kept(ground * blend(grid()[0]))


def _kept(ground: Floats) -> Terrain:
    """Give heights as PyBullet keeps them, in single precision."""
    heights = ground.astype(np.float32).astype(np.float64)
    heights.flags.writeable = False
    return Terrain(heights)


def _noise(spacing: float, rng: np.random.Generator) -> Floats:
    """Interpolate heights drawn from [-0.5, 0.5] on a coarse grid, smoothly: (ROWS, COLUMNS)."""
    x, y = grid()
    u, v = (x.reshape(-1) - START) / spacing, (y.reshape(-1) + HALF_WIDTH) / spacing
    i, j = u.astype(np.intp), v.astype(np.intp)
    heights = rng.uniform(-0.5, 0.5, (i[-1] + 2, j[-1] + 2))
    s, t = (share * share * (3 - 2 * share) for share in ((u - i)[:, None], (v - j)[None, :]))
    near = heights[np.ix_(i, j)] * (1 - t) + heights[np.ix_(i, j + 1)] * t
    far = heights[np.ix_(i + 1, j)] * (1 - t) + heights[np.ix_(i + 1, j + 1)] * t
    return near * (1 - s) + far * s


def _along(spacing: Range, rng: np.random.Generator) -> list[float]:
    """Draw places along the course, m, from the end of the start pad on."""
    places = [START_PAD + 0.5 * spacing[0]]
    while places[-1] < END:
        places.append(places[-1] + rng.uniform(*spacing))
    return places


def _slopes(steepness: float, rng: np.random.Generator) -> Floats:
    """Give heights (ROWS, 1) of sections that climb or fall, up to the steepness in m per m."""
    x, _ = grid()
    corners, heights = [START_PAD], [0.0]
    while corners[-1] < END:
        length = rng.uniform(*SECTION)
        rise = rng.uniform(-1.0, 1.0) * steepness * length
        corners.append(corners[-1] + length)
        heights.append(_turned_back(heights[-1], rise))
    return np.interp(x, corners, heights)


def _steps(rises: Range | None, rng: np.random.Generator) -> Floats:
    """Give heights (ROWS, 1) of level floors between steps up and down."""
    x, _ = grid()
    ground = np.zeros_like(x)
    height = 0.0
    for place in _along(STEP_SPACING, rng):
        share, up = rng.uniform(size=2)
        if rises is not None:
            rise = rises[0] + share * (rises[1] - rises[0])
            new = _turned_back(height, rise if up < 0.5 else -rise)
            ground[x > place] += new - height
            height = new
    return ground


def _turned_back(height: float, rise: float) -> float:
    """Add a rise, downwards where it would leave what is allowed."""
    return height + rise if abs(height + rise) <= TALLEST / 2 else height - rise


def _gaps(widths: Range | None, rng: np.random.Generator) -> Floats:
    """Give depths (ROWS, 1) of gaps across the course; one narrower than a cell is shallower in proportion."""
    x, _ = grid()
    depth = np.zeros_like(x)
    for place in _along(GAP_SPACING, rng):
        share = rng.uniform()
        if widths is not None:
            width = widths[0] + share * (widths[1] - widths[0])
            covered = np.minimum(x + CELL / 2, place + width / 2) - np.maximum(x - CELL / 2, place - width / 2)
            depth = np.maximum(depth, GAP_DEPTH * np.clip(covered / CELL, 0.0, 1.0))
    return depth


def _boulders(ground: Floats, heights: Range | None, rng: np.random.Generator) -> Floats:
    """Lay boulders, rounded tops over a round foot, on the ground (ROWS, COLUMNS)."""
    x, y = grid()
    laid = ground
    for _ in range(BOULDERS):
        along, across, size, share = rng.uniform(size=4)
        if heights is None:
            continue
        middle_x, middle_y = START_PAD + along * (END - START_PAD), HALF_WIDTH * (2 * across - 1)
        radius = BOULDER_RADIUS[0] + size * (BOULDER_RADIUS[1] - BOULDER_RADIUS[0])
        away = ((x - middle_x) ** 2 + (y - middle_y) ** 2) / (radius * radius)
        height = heights[0] + share * (heights[1] - heights[0])
        laid = np.maximum(laid, ground + height * np.sqrt(np.maximum(1 - away, 0.0)))
    return laid


def add_domain(name: str) -> None:
    """Let tasks of a domain have these courses."""
    stem = _stem(name)
    if stem not in _domains:
        _domains.append(stem)


def _stem(name: str) -> str:
    """Give a domain's name without what its body has different."""
    return name.partition("[")[0]


def check_bare(genome: Genome) -> None:
    """Raise ValueError if a CPPN genome brings obstacles, which are the walker's."""
    if "parametric" in genome:
        raise ValueError("the genome has the part parametric; the hexapod's CPPN ground carries no obstacles")


@lru_cache(maxsize=256)
def terrain_of(environment: Environment | None) -> Terrain:
    """Express a task of this domain; level ground when None. Equal tasks share one, read-only, terrain.

    Raises:
        ValueError: the task is another domain's, or its genome is not valid.
    """
    if environment is None:
        return flat()
    if _stem(environment.domain) in _domains and PHYSICS in environment.genome:
        return terrain_of(on_ground(environment))
    makers: dict[str, Callable[[], Terrain]] = {
        HeightfieldEncoding.name: partial(_parametric, environment),
        CPPNEncoding.name: partial(_cppn, environment),
        DrawnFieldEncoding.name: partial(express_drawn, environment.genome),
    }
    if _stem(environment.domain) not in _domains or environment.encoding not in makers:
        *others, last = makers
        raise ValueError(
            f"the environment is {environment.domain} with {environment.encoding} encoding; "
            f"it must be {_domains[0]} with {', '.join(others)} or {last} encoding"
        )
    return makers[environment.encoding]()


def _parametric(environment: Environment) -> Terrain:
    return express(HeightfieldGenome.from_json(environment.genome), environment.seed)


def _cppn(environment: Environment) -> Terrain:
    check_bare(environment.genome)
    CPPNEncoding(probe(), unit=CPPN_UNIT).check(environment.genome)
    return express_cppn(environment.genome)
