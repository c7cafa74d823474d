"""Pictures of terrains: those that the runs admitted, and what mutation alone makes of the CPPN encoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from environments.domain import Environment, find_domain
from environments.walker2d.terrain import FINISH

Row = dict[str, Any]

COLUMNS, OF_A_RUN = 2, 6  # of the gallery
WIDTH, LENGTH = 12.4, FINISH + 3  # inches of all, metres of one picture
STRETCH = 3.0  # of heights, so that obstacles of a step's height can be seen
BELOW, ABOVE = 0.8, 1.6  # m drawn under the deepest and over the highest ground
TITLE_HEIGHT = 0.36  # inches
SKY, EARTH, GRASS, STONE = "#eef4fa", "#b99f80", "#4d7f3f", "#5f6672"
DRIFT, DRIFT_SEEDS = (20, 100, 400), 5  # mutations


@dataclass(frozen=True)
class Course:
    """What is drawn."""

    title: str
    words: str
    environment: Environment


def draw_gallery(runs: Mapping[str, Row], path: Path) -> None:
    """Draw admitted terrains of every run, from its first to its last, evenly apart; a column a run."""
    columns = []
    for name in sorted(runs):
        admitted = spread([niche for niche in runs[name]["niches"] if niche["parent"] is not None], OF_A_RUN)
        columns.append([_course(name, niche) for niche in admitted])
    pairs = [columns[i : i + COLUMNS] for i in range(0, len(columns), COLUMNS)]
    courses = [course for pair in pairs for line in zip_longest(*pair) for course in line]
    if any(columns):
        _draw_courses(courses, COLUMNS, path)


def _course(run: str, niche: Row) -> Course:
    solved = "not solved" if niche["solved"] is None else f"solved at {niche['solved']}"
    words = f"{niche['description']}; admitted at {niche['born']}, {solved}"
    return Course(f"{run}, niche {niche['id']}", words, Environment(**niche["environment"]))


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
                courses.append(Course(f"{mutation} mutations", encoding.describe(genome), environment))
    _draw_courses(courses, len(DRIFT), path)


def _draw_courses(courses: Sequence[Course | None], columns: int, path: Path) -> None:
    """Draw courses to one scale, lines as high as their highest; None leaves a place empty."""
    sketches = [course and find_domain(course.environment.domain).sketch(course.environment) for course in courses]  # type: ignore[attr-defined]
    bounds = [sketch and (sketch.ground[:, 1].min() - BELOW, sketch.ground[:, 1].max() + ABOVE) for sketch in sketches]
    lines = [bounds[i : i + columns] for i in range(0, len(bounds), columns)]
    spans = [max(ends[1] - ends[0] for ends in line if ends) for line in lines]
    width = WIDTH / columns
    heights = [TITLE_HEIGHT + STRETCH * width * span / LENGTH for span in spans]
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.05, hspace=0, wspace=0)
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.3), layout=layout)
    places = figure.subplots(len(heights), columns, squeeze=False, height_ratios=heights).ravel()
    for axes in places:
        axes.set_axis_off()
    for axes, course, sketch, ends in zip(places, courses, sketches, bounds, strict=False):
        if course is None:
            continue
        bottom, top = ends
        axes.axhspan(bottom, top, color=SKY, linewidth=0)
        axes.fill_between(*sketch.ground.T, bottom, color=EARTH, linewidth=0)
        axes.plot(*sketch.ground.T, color=GRASS, linewidth=1.0, solid_joinstyle="round")
        for corners in sketch.boxes:
            axes.fill(*corners.T, color=STONE, linewidth=0)
        axes.set(xlim=(0, LENGTH), ylim=(bottom, top), aspect=STRETCH, anchor="NW")
        title = axes.set_title(course.title, fontsize=9.5, loc="left", fontweight="bold", pad=4)
        words = axes.annotate(
            course.words,
            xy=(1, 0),
            xycoords=title,
            xytext=(8, 0),
            textcoords="offset points",
            fontsize=9,
            color="#5c636b",
            va="bottom",
        )
        words.set_in_layout(False)  # it may stand over the edge of its picture
    note = f"Each course from its start to its end, {FINISH:.0f} m; heights stretched {STRETCH:g} times."
    figure.supxlabel(note, fontsize=9, color="#5c636b", x=0.01, ha="left")
    figure.savefig(path, dpi=130)
