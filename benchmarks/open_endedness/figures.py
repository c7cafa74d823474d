"""The results as pictures: curves, a gallery of terrains, the controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.open_endedness.controls import SLICE
from environments.domain import Environment, find_domain
from environments.walker2d.terrain import FINISH

Row = dict[str, Any]

COLOURS = {"original": "#c2703d", "enhanced": "#2f6f9f"}
STYLES = ("-", "--", ":", "-.")
COLUMNS, MOST = 3, 24  # of the gallery
DRIFT, DRIFT_SEEDS = (20, 100, 400), 5  # mutations


def draw(document: Row, folder: Path) -> None:
    """Draw everything that there is data for."""
    _curves(document["runs"], folder / "curves.png")
    _gallery(document["runs"], folder / "gallery.png")
    _drift(folder / "drift.png")
    if document["controls"]:
        _controls(document["controls"], folder / "controls.png")


def _curves(runs: Mapping[str, Row], path: Path) -> None:
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    for axes, (name, title) in zip(
        figure.subplots(1, 2), (("admitted", "environments admitted"), ("annecs", "ANNECS")), strict=True
    ):
        for run, results in runs.items():
            algorithm, seed = run.split("-")
            curves = results["curves"]
            values = np.array(curves["niches"]) - 1 if name == "admitted" else np.array(curves["annecs"])
            axes.step(
                np.arange(1, len(values) + 1),
                values,
                where="post",
                color=COLOURS[algorithm],
                linestyle=STYLES[int(seed) % len(STYLES)],
                label=f"{algorithm}, seed {seed}",
            )
        axes.set(xlabel="iteration", title=title)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.yaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def _gallery(runs: Mapping[str, Row], path: Path) -> None:
    """Draw the admitted terrains: the algorithms in turn, the latest of each run first."""
    by_run = [
        [(name, niche) for niche in reversed(run["niches"]) if niche["parent"] is not None]
        for name, run in runs.items()
    ]
    depth = max(map(len, by_run), default=0)
    shown = [niches[i] for i in range(depth) for niches in by_run if i < len(niches)][:MOST]
    if not shown:
        return
    shown.sort(key=lambda entry: (entry[0].split("-")[0], entry[0], entry[1]["id"]))
    courses = []
    for name, niche in shown:
        solved = "not solved" if niche["solved"] is None else f"solved at {niche['solved']}"
        title = f"{name}, niche {niche['id']}: {niche['description']}; {solved}"
        courses.append((title, Environment(**niche["environment"])))
    _draw_courses(courses, path)


def _drift(path: Path) -> None:
    """Draw what mutation alone makes of the CPPN encoding: no agent has had a say in these."""
    encoding = find_domain("walker2d").encoding("cppn", {})
    courses = []
    for seed in range(DRIFT_SEEDS):
        genome, rng = encoding.initial(), np.random.default_rng(seed)
        for mutation in range(1, max(DRIFT) + 1):
            genome = encoding.mutate(genome, rng)
            if mutation in DRIFT:
                environment = Environment(domain="walker2d", encoding="cppn", genome=genome, seed=0)
                courses.append((f"{mutation} mutations: {encoding.describe(genome)}", environment))
    _draw_courses(courses, path)


def _draw_courses(courses: Sequence[tuple[str, Environment]], path: Path) -> None:
    rows = -(-len(courses) // COLUMNS)
    figure = Figure(figsize=(4 * COLUMNS, 0.9 * rows), layout="constrained")
    places = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in places:
        axes.set_axis_off()
    for axes, (title, environment) in zip(places, courses, strict=False):
        sketch = find_domain(environment.domain).sketch(environment)  # type: ignore[attr-defined]
        bottom = sketch.ground[:, 1].min() - 1.5
        axes.fill_between(*sketch.ground.T, bottom, color="#8a9a5b", linewidth=0)
        for corners in sketch.boxes:
            axes.fill(*corners.T, color="#6b6257", linewidth=0)
        axes.set(xlim=(0, FINISH + 3), ylim=(bottom, max(sketch.ground[:, 1].max() + 2.5, bottom + 6)), aspect="equal")
        axes.set_title(title, fontsize=7, loc="left")
    figure.savefig(path, dpi=150)


def _controls(controls: Sequence[Row], path: Path) -> None:
    groups = list(dict.fromkeys((control["run"], control["niche"]) for control in controls))
    figure = Figure(figsize=(3.2 * len(groups), 3), layout="constrained")
    for axes, (run, niche) in zip(figure.subplots(1, len(groups), squeeze=False)[0], groups, strict=True):
        here = [control for control in controls if (control["run"], control["niche"]) == (run, niche)]
        for control in here:
            axes.plot(SLICE * np.arange(1, len(control["scores"]) + 1), control["scores"], color="#888", linewidth=1)
        axes.axhline(230, color="black", linewidth=0.8, linestyle=":")
        axes.plot([here[0]["wanted"]], [here[0]["solver_score"]], "o", color=COLOURS[run.split("-")[0]])
        axes.set(title=f"niche {niche} of {run}", xlabel="ES steps from scratch", ylim=(-120, 320))
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
