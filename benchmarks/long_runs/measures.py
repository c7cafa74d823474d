"""What grounds are measured by, body by body: the papers' measures, and for the hexapod heights over its legs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from environments.difficulty import LEVELS, difficulty_of
from environments.domain import Environment
from environments.encodings.cppn import relief
from environments.encodings.heightfield import HeightfieldGenome
from environments.encodings.parametric import ParametricGenome
from environments.hexapod3d.body import BODY
from environments.hexapod3d.difficulty import THRESHOLDS
from environments.hexapod3d.expression import terrain_of
from environments.hexapod3d.terrain import CELL, FINISH, SIDE_LIMIT, START_PAD, grid
from environments.walker2d.difficulty import GAP, ROUGHNESS, STUMP
from environments.walker2d.terrain import cppn_inputs

Row = dict[str, Any]

STRIDE = 0.5  # m: how far the heights that a hexapod's `climb` compares lie apart at most
LEG = sum(segment.length for segment in BODY.segments[1:])  # m, of femur and tibia
CLASSES = (0.25, 0.5, 1.0)  # of climb over leg length; ours, for 3D POET has none


@dataclass(frozen=True, slots=True)
class Axis:
    """One measure as figures show it."""

    label: str
    bounds: tuple[float, ...]  # from which a level begins


WALKER = {
    "stump": Axis("stump height, steps", (STUMP,)),
    "gap": Axis("gap width, steps", (GAP,)),
    "roughness": Axis("roughness", (ROUGHNESS,)),
}
HEXAPOD = {
    "variance": Axis("variance of heights, m²", THRESHOLDS),
    "climb": Axis("climb within a stride, leg lengths", CLASSES),
    "gap": Axis("gap width, leg lengths", ()),
}


def axes_of(domain: str) -> Mapping[str, Axis]:
    """Say what the grounds of a domain are measured by."""
    return HEXAPOD if domain.startswith("hexapod") else WALKER


def measures(environment: Environment) -> Row:
    """Measure a ground: each of its domain's axes, its `level` and `score`, and of a CPPN's ground its relief in m."""
    return _hexapod(environment) if environment.domain.startswith("hexapod") else _walker(environment)


def _walker(environment: Environment) -> Row:
    """Count as the paper does; obstacles on a CPPN's ground count like others."""
    genome = environment.genome
    genes = genome if environment.encoding == "parametric" else genome.get("parametric", {})
    parametric = ParametricGenome.from_json(genes)
    graded = difficulty_of(replace(environment, encoding="parametric", genome=genes))
    found: Row = {
        "stump": (parametric.stump_height or (0.0, 0.0))[1],
        "gap": (parametric.pit_gap or (0.0, 0.0))[1],
        "roughness": parametric.roughness,
        "level": graded.level if graded else 0,
        "score": round(graded.score, 4) if graded else 0.0,
    }
    if "cppn" in genome:
        heights = relief(genome["cppn"], cppn_inputs())
        found["relief"] = round(float(heights.max() - heights.min()), 3)
    return found


def _hexapod(environment: Environment) -> Row:
    """Measure by 3D POET's variance, and by what there is to climb without the gaps, which are as deep as a leg."""
    graded = difficulty_of(environment)
    assert graded is not None  # the hexapod measures every course
    genes = {} if environment.encoding != "parametric" else environment.genome
    gap = (HeightfieldGenome.from_json(genes).gap_width or (0.0, 0.0))[1]
    filled = replace(environment, genome={**environment.genome, "gap_width": None}) if gap else environment
    climb = _climb(filled) / LEG
    return {
        "variance": round(THRESHOLDS[-1] * graded.score**2, 6),
        "climb": round(climb, 3),
        "gap": round(gap / LEG, 3),
        "level": graded.level,
        "climb_level": sum(climb >= bound for bound in CLASSES),
        "score": round(graded.score, 4),
    }


def _climb(environment: Environment) -> float:
    """Give the greatest difference of height within a stride of the course that is walked, m."""
    x, y = (side.reshape(-1) for side in grid())
    walked = np.ix_((x > START_PAD - CELL / 2) & (x < FINISH + CELL / 2), np.abs(y) < SIDE_LIMIT + CELL / 2)
    points = round(STRIDE / CELL) + 1
    windows = np.lib.stride_tricks.sliding_window_view(terrain_of(environment).heights[walked], (points, points))
    return float((windows.max(axis=(2, 3)) - windows.min(axis=(2, 3))).max())


def hardness(niche: Mapping[str, Any]) -> tuple[int, float]:
    """Order grounds: by level, and within one by score."""
    return niche["level"], niche["score"]


def count_levels(rows: list[Row], key: str = "level") -> dict[str, int]:
    """Count grounds by the paper's words."""
    counts = [row[key] for row in rows]
    return {name: counts.count(level) for level, name in enumerate(LEVELS)}
