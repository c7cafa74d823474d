"""All grounds of a run in order of difficulty: walkers' from the side, hexapods' from above."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.long_runs.measures import hardness
from environments.difficulty import LEVELS
from environments.domain import Environment, find_domain
from environments.sketch import Sketch

Row = dict[str, Any]

COLUMNS, MOST = 3, 24  # pictures; of more grounds every so many are drawn, the hardest among them
WIDTH, HEIGHT = 12.0, 1.15  # inches, of all and of a line
EARTH, STONE = "#b99f80", "#5f6672"
LIMITS = (-1.5, 2.5)  # m about the start, of a walker's picture
DEEPEST, HIGHEST = -0.6, 0.6  # m, of a hexapod's colours
WORDS = 74  # characters under a title


def draw_gallery(name: str, run: Mapping[str, Any], path: Path) -> None:
    """Draw grounds from the easiest to the hardest, line by line."""
    niches = sorted(run["niches"], key=hardness)
    chosen = niches[:: -ceil(len(niches) / MOST)][::-1]
    lines = ceil(len(chosen) / COLUMNS)
    figure = Figure(figsize=(WIDTH, HEIGHT * lines + 0.4), layout="constrained")
    axes = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
    for place in axes:
        place.set_axis_off()
    for place, niche in zip(axes, chosen, strict=False):
        environment = Environment.from_json(json.dumps(niche["environment"]))
        _draw(place, find_domain(environment.domain).sketch(environment))  # type: ignore[attr-defined]
        solved = "solved" if niche["solved"] is not None else "not solved"
        title = f"{niche['id']}, {LEVELS[niche['level']]}, {solved}: {niche['description']}"
        place.set_title(title[:WORDS], fontsize=6.5, loc="left", pad=2)
    figure.suptitle(f"{name}: {len(chosen)} of {len(niches)} grounds, easiest first", fontsize=9, x=0.01, ha="left")
    figure.savefig(path, dpi=100)


def _draw(axes: Any, sketch: Sketch) -> None:
    if sketch.relief is not None:
        relief = sketch.relief
        (x, y), (rows, columns) = relief.start, relief.heights.shape
        extent = (x, x + relief.cell * (rows - 1), y, y + relief.cell * (columns - 1))
        shown = {"vmin": DEEPEST, "vmax": HIGHEST, "cmap": "terrain", "origin": "lower", "extent": extent}
        axes.imshow(relief.heights.T, **shown)
        return
    ground, start = sketch.ground, float(sketch.ground[0, 1])
    bottom = min(start + LIMITS[0], float(ground[:, 1].min()) - 0.3)
    axes.fill_between(*ground.T, bottom, color=EARTH, linewidth=0)
    for corners in sketch.boxes:
        axes.fill(*corners.T, color=STONE, linewidth=0)
    axes.set(xlim=(0, float(ground[-1, 0])), ylim=(bottom, max(start + LIMITS[1], float(ground[:, 1].max()) + 0.3)))
