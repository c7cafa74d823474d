"""The results as pictures: curves, how hard environments became, the controls; terrains are `gallery`'s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.open_endedness.controls import SLICE
from benchmarks.open_endedness.gallery import draw_drift, draw_gallery
from benchmarks.open_endedness.results import solving_score
from benchmarks.open_endedness.runs import FIRST_ITERATIONS
from environments.domain import find_domain
from environments.encodings.cppn import relief
from environments.encodings.parametric import ParametricGenome
from environments.walker2d.difficulty import GAP, ROUGHNESS, STUMP
from environments.walker2d.terrain import cppn_inputs

Row = dict[str, Any]

COLOURS = {"original": "#c2703d", "enhanced": "#2f6f9f"}
COLD, WARM = "#888888", "#b0567f"  # controls
STYLES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D")
WIDTHS, SIZES = (3.4, 2.4, 1.6, 0.9), (6.5, 4, 3, 2)  # of curves and points that coincide all show
COUNTS = {"niches": "environments admitted", "created": "created: challenge all agents ever", "annecs": "ANNECS"}
HARDNESS = {  # what is measured, in which runs, and from where on it counts as hard
    "stump height, steps": ("original", STUMP),
    "gap width, steps": ("original", GAP),
    "roughness": ("original", ROUGHNESS),
    "CPPN ground, m from lowest to highest": ("enhanced", None),
}


def draw(document: Row, folder: Path) -> None:
    """Draw everything that there is data for."""
    _curves(document["runs"], folder / "curves.png")
    _difficulty(document["runs"], folder / "difficulty.png")
    draw_gallery(document["runs"], folder / "gallery.png")
    draw_drift(folder / "drift.png")
    if document["controls"]:
        _controls(document["controls"], document["runs"], folder / "controls.png")


def _of(run: str) -> tuple[str, int]:
    algorithm, seed = run.split("-")
    return algorithm, int(seed)


def _curves(runs: Mapping[str, Row], path: Path) -> None:
    figure = Figure(figsize=(10, 6.2), layout="constrained")
    grid = figure.subplots(2, len(COUNTS), sharey="col")
    for row, unit in zip(grid, ("iterations", "million simulated steps"), strict=True):
        for axes, (name, title) in zip(row, COUNTS.items(), strict=True):
            for width, (run, results) in zip(WIDTHS, runs.items(), strict=False):
                algorithm, seed = _of(run)
                curves = results["curves"]
                counts = np.array(curves[name]) - (name == "niches")  # nobody admitted the first
                iterations, steps = np.arange(1, len(counts) + 1), np.cumsum(curves["steps"]) / 1e6
                axes.step(
                    iterations if unit == "iterations" else steps,
                    counts,
                    where="post",
                    color=COLOURS[algorithm],
                    linestyle=STYLES[seed % len(STYLES)],
                    linewidth=width,
                    label=f"{algorithm}, seed {seed}",
                )
            axes.set(xlabel=unit, title=title, ylim=(0, None), xlim=(0, None))
            axes.grid(alpha=0.3)
            axes.yaxis.get_major_locator().set_params(integer=True)
            axes.spines[["top", "right"]].set_visible(False)
    grid[0][0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)


def _hardness(niche: Row) -> dict[str, float]:
    """Measure an environment by what its encoding makes hard; keys of `HARDNESS`."""
    genome = niche["environment"]["genome"]
    if "cppn" in genome:
        heights = relief(genome["cppn"], cppn_inputs())
        measures = [float(heights.max() - heights.min())]
    else:
        genes = ParametricGenome.from_json(genome)
        measures = [(genes.stump_height or (0, 0))[1], (genes.pit_gap or (0, 0))[1], genes.roughness]
    algorithm = "enhanced" if "cppn" in genome else "original"
    return dict(zip((name for name, (whose, _) in HARDNESS.items() if whose == algorithm), measures, strict=True))


def _difficulty(runs: Mapping[str, Row], path: Path) -> None:
    """Draw each admitted environment where it was born: filled if it was solved."""
    figure = Figure(figsize=(10, 5.6), layout="constrained")
    for axes, (name, (algorithm, hard)) in zip(figure.subplots(2, 2).ravel(), HARDNESS.items(), strict=True):
        for run, results in runs.items():
            whose, seed = _of(run)
            if whose != algorithm:
                continue
            for niche in results["niches"]:
                if niche["parent"] is not None:
                    filled = COLOURS[algorithm] if niche["solved"] is not None else "white"
                    height = _hardness(niche)[name]
                    size, marker = SIZES[seed], MARKERS[seed]
                    axes.plot(
                        niche["born"], height, marker, color=COLOURS[algorithm], mfc=filled, ms=size, clip_on=False
                    )
        if hard is not None:
            axes.axhline(hard, color="black", linewidth=0.8, linestyle=":")
        axes.set(xlabel="iteration of admission", title=f"{algorithm}: {name}", ylim=(0, None))
        axes.set_xlim(0, 1.02 * max(results["iterations"] for results in runs.values()))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    seeds = sorted({_of(run)[1] for run in runs})
    keys = [
        Line2D([], [], color="#444", marker=MARKERS[seed], ms=SIZES[seed], linestyle="", label=f"seed {seed}")
        for seed in seeds
    ]
    keys.append(Line2D([], [], color="#444", marker="o", mfc="white", linestyle="", label="hollow: not solved"))
    keys.append(Line2D([], [], color="black", linewidth=0.8, linestyle=":", label="the paper's bound of challenging"))
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)


def _controls(controls: Sequence[Row], runs: Mapping[str, Row], path: Path) -> None:
    groups = list(dict.fromkeys((control["run"], control["niche"]) for control in controls))
    figure = Figure(figsize=(4 * len(groups), 3.8), layout="constrained")
    for axes, (run, number) in zip(figure.subplots(1, len(groups), squeeze=False)[0], groups, strict=True):
        here = [control for control in controls if (control["run"], control["niche"]) == (run, number)]
        for control in here:
            warm = control.get("warm", False)
            colour, begun = (WARM, FIRST_ITERATIONS) if warm else (COLD, 0)
            steps = np.minimum(SLICE * np.arange(1, len(control["scores"]) + 1), control["wanted"])
            axes.plot(steps + begun, control["scores"], color=colour, linewidth=1)
            if control["solved"] is not None:
                score = control["scores"][np.searchsorted(steps, control["solved"])]
                axes.plot(control["solved"] + begun, score, "o", color=colour, markersize=4)
        _solver(axes, runs[run]["niches"][number], COLOURS[_of(run)[0]])
        bar = find_domain(here[0]["environment"]["domain"]).solved_return
        axes.axhline(bar, color="black", linewidth=0.8, linestyle=":")
        axes.set_title(
            "\n".join(wrap(f"{run}, niche {number}: {runs[run]['niches'][number]['description']}", 46)), fontsize=9
        )
        axes.set(xlabel="ES steps, those of the first agent included", ylabel="score", ylim=(-125, 320))
        axes.set_xlim(0, 1.08 * here[0]["wanted"])
        axes.spines[["top", "right"]].set_visible(False)
    keys = [
        Line2D(
            [], [], color=COLD, linewidth=1, marker="o", markersize=4, label="ES from scratch, five seeds; dot: solved"
        ),
        *[Line2D([], [], color=WARM, linewidth=1, label="from the first agent")] * any(c.get("warm") for c in controls),
        Line2D([], [], color="#444", marker="o", label="the solver, from admission until it solved"),
        Line2D([], [], color="black", linewidth=0.8, linestyle=":", label="what solving takes, if every episode ends"),
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)


def _solver(axes: Axes, niche: Row, colour: str) -> None:
    """Draw what the agent of a niche scored in it, from admission until it solved it."""
    steps = FIRST_ITERATIONS + 1 + np.arange(niche["born"], niche["solved"] + 1)
    scores = niche.get("scores", [])[: len(steps)]
    axes.plot(steps[: len(scores)], scores, color=colour, linewidth=1.6)
    axes.plot(steps[-1], solving_score(niche), "o", color=colour)
