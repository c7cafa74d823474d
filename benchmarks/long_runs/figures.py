"""Long runs as pictures: each ground where it was admitted, filled once solved, beside the paper's bounds and drift."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from environments.walker2d.difficulty import GAP, ROUGHNESS, STUMP

Row = dict[str, Any]

COLOURS = ("#c2703d", "#2f6f9f", "#5b8c5a", "#8a5a9b")
GENES = {
    "stump": ("stump height, steps", STUMP),
    "gap": ("gap width, steps", GAP),
    "roughness": ("roughness", ROUGHNESS),
}
BY = {"admissions": "environments admitted", "steps": "simulated steps, billions", "hours": "core-hours"}


def draw(runs: Mapping[str, Row], path: Path) -> None:
    """Draw how hard grounds are, gene by gene, over admissions, steps and core-hours."""
    figure = Figure(figsize=(11, 9), layout="constrained")
    grid = figure.subplots(len(GENES), len(BY), sharey="row", sharex="col")
    for colour, run in zip(COLOURS, runs.values(), strict=False):
        for row, (gene, (label, bound)) in zip(grid, GENES.items(), strict=True):
            for axes, by in zip(row, BY, strict=True):
                _points(axes, run, gene, by, colour)
                axes.axhline(bound, color="black", linewidth=0.8, linestyle=":")
                axes.grid(alpha=0.3)
                axes.spines[["top", "right"]].set_visible(False)
                axes.set_ylim(0, bound * 1.1)
            drift = run["drift"][gene]
            row[0].plot(range(1, len(drift) + 1), drift, color=colour, linewidth=1, linestyle="--")
            row[0].set_ylabel(label)
    for axes, label in zip(grid[-1], BY.values(), strict=True):
        axes.set_xlabel(label)
        axes.set_xlim(0, None)
    keys = [
        Line2D([], [], color=colour, marker="o", linestyle="", label=name)
        for colour, name in zip(COLOURS, runs, strict=False)
    ]
    keys += [
        Line2D([], [], color="#444", marker="o", mfc="white", linestyle="", label="hollow: not solved (yet)"),
        Line2D([], [], color="#444", linewidth=1, linestyle="--", label="drift without agents, median of the hardest"),
        Line2D([], [], color="black", linewidth=0.8, linestyle=":", label="the paper's bound of challenging"),
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False, fontsize=8)
    figure.savefig(path, dpi=130)


def _points(axes: Any, run: Row, gene: str, by: str, colour: str) -> None:
    admitted = [niche for niche in run["niches"] if niche["parent"] is not None]
    for number, niche in enumerate(admitted, 1):
        where = {
            "admissions": number,
            "steps": niche["admitted"]["steps"] / 1e9,
            "hours": niche["admitted"]["hours"],
        }[by]
        filled = colour if niche["solved"] is not None else "white"
        axes.plot(where, niche[gene], "o", color=colour, mfc=filled, ms=4, clip_on=False)
