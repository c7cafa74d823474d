"""Pictures of terrains: those that the runs admitted, and what mutation alone makes of the CPPN encoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from environments.domain import Environment, find_domain
from environments.walker2d.terrain import FINISH

Row = dict[str, Any]

COLUMNS, OF_A_RUN = 3, 6  # of the gallery
WIDTH, LENGTH = 4.0, FINISH + 3  # of one picture: inches, and metres
TITLE_HEIGHT = 0.45  # inches, of two lines
DRIFT, DRIFT_SEEDS = (20, 100, 400), 5  # mutations


def draw_gallery(runs: Mapping[str, Row], path: Path) -> None:
    """Draw admitted terrains of every run, from its first to its last, evenly apart."""
    courses = []
    for name in sorted(runs):
        for niche in spread([niche for niche in runs[name]["niches"] if niche["parent"] is not None], OF_A_RUN):
            solved = "not solved" if niche["solved"] is None else f"solved at {niche['solved']}"
            title = f"{name}, niche {niche['id']}, admitted at {niche['born']}, {solved}\n{niche['description']}"
            courses.append((title, Environment(**niche["environment"])))
    if courses:
        _draw_courses(courses, path)


def spread(rows: Sequence[Row], most: int) -> list[Row]:
    """Pick so many rows at equal distances, the first and the last among them; all where there are no more."""
    places = np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int))
    return [rows[place] for place in places]


def draw_drift(path: Path) -> None:
    """Draw what mutation alone makes of the CPPN encoding: no agent has had a say in these."""
    encoding = find_domain("walker2d").encoding("cppn", {})
    courses = []
    for seed in range(DRIFT_SEEDS):
        genome, rng = encoding.initial(), np.random.default_rng(seed)
        for mutation in range(1, max(DRIFT) + 1):
            genome = encoding.mutate(genome, rng)
            if mutation in DRIFT:
                environment = Environment(domain="walker2d", encoding="cppn", genome=genome, seed=0)
                courses.append((f"{mutation} mutations\n{encoding.describe(genome)}", environment))
    _draw_courses(courses, path)


def _draw_courses(courses: Sequence[tuple[str, Environment]], path: Path) -> None:
    """Draw courses to one scale, rows as high as their highest."""
    sketches = [find_domain(environment.domain).sketch(environment) for _, environment in courses]  # type: ignore[attr-defined]
    bounds = [(sketch.ground[:, 1].min() - 1.5, sketch.ground[:, 1].max() + 2.5) for sketch in sketches]
    spans = [max(top - bottom for bottom, top in bounds[i : i + COLUMNS]) for i in range(0, len(bounds), COLUMNS)]
    heights = [TITLE_HEIGHT + WIDTH * span / LENGTH for span in spans]
    figure = Figure(figsize=(WIDTH * COLUMNS, sum(heights)), layout="constrained")
    places = figure.subplots(len(heights), COLUMNS, squeeze=False, height_ratios=heights).ravel()
    for axes in places:
        axes.set_axis_off()
    for axes, (title, _), sketch, (bottom, top) in zip(places, courses, sketches, bounds, strict=False):
        axes.fill_between(*sketch.ground.T, bottom, color="#8a9a5b", linewidth=0)
        for corners in sketch.boxes:
            axes.fill(*corners.T, color="#6b6257", linewidth=0)
        axes.set(xlim=(0, LENGTH), ylim=(bottom, top), aspect="equal", anchor="NW")
        axes.set_title(title, fontsize=7, loc="left")
    figure.savefig(path, dpi=150)
