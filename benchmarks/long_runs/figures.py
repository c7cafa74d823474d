"""Long runs as pictures, all of them drawn from kept summaries alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.long_runs.choosing import was_admitted
from benchmarks.long_runs.measures import Axis, axes_of
from benchmarks.long_runs.summary import before
from environments.difficulty import LEVELS

Row = dict[str, Any]

COLOURS = ("#c2703d", "#2f6f9f", "#5b8c5a", "#8a5a9b", "#8c7b3f", "#444444")
LEVEL_COLOURS = ("#8fb58c", "#e0b04a", "#c96b3c", "#8b1e3f")
BY = {"admissions": "environments admitted", "steps": "simulated steps, billions", "hours": "core-hours"}
DOTS_PER_INCH = 110


def draw_difficulty(runs: Mapping[str, Row], path: Path) -> None:
    """Draw how hard grounds are, measure by measure, over admissions, steps and core-hours; runs of one domain."""
    axes_by_name = axes_of(next(iter(runs.values()))["domain"])
    figure = Figure(figsize=(11, 9), layout="constrained")
    grid = figure.subplots(len(axes_by_name), len(BY), sharey="row", sharex="col")
    for row, (name, axis) in zip(grid, axes_by_name.items(), strict=True):
        for axes, by in zip(row, BY, strict=True):
            for colour, (of, run) in zip(COLOURS, runs.items(), strict=False):
                _points(axes, run, before(of, runs), name, by, colour)
            _bounds(axes, axis, _highest(runs, name))
        for colour, run in zip(COLOURS, runs.values(), strict=False):
            drift = run["drift"][name]
            row[0].plot(range(1, len(drift) + 1), drift, color=colour, linewidth=1, linestyle="--")
        row[0].set_ylabel(axis.label)
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
        Line2D([], [], color="black", linewidth=0.8, linestyle=":", label="bounds of levels"),
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=min(len(keys), 6), frameon=False, fontsize=8)
    figure.savefig(path, dpi=DOTS_PER_INCH)


def _highest(runs: Mapping[str, Row], name: str) -> float:
    values = [niche[name] for run in runs.values() for niche in run["niches"]]
    return max([*values, *(value for run in runs.values() for value in run["drift"][name])], default=0.0)


def _bounds(axes: Any, axis: Axis, highest: float) -> None:
    """Draw the bounds of levels, the next one above what there is included."""
    shown = [bound for bound in axis.bounds if bound <= highest]
    shown += [bound for bound in axis.bounds if bound > highest][:1]
    for bound in shown:
        axes.axhline(bound, color="black", linewidth=0.8, linestyle=":")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylim(0, 1.1 * max([highest, *shown]) or 1)


def _points(axes: Any, run: Row, earlier: Row, name: str, by: str, colour: str) -> None:
    """Draw the grounds of a run, after what the runs had cost that it branched off; their grounds are theirs."""
    for number, niche in enumerate(filter(was_admitted, run["niches"]), earlier["admitted"] + 1):
        where = {
            "admissions": number,
            "steps": (earlier["steps"] + niche["admitted"]["steps"]) / 1e9,
            "hours": earlier["core_hours"] + niche["admitted"]["hours"],
        }[by]
        filled = colour if niche["solved"] is not None else "white"
        axes.plot(where, niche[name], "o", color=colour, mfc=filled, ms=4, clip_on=False)


def draw_course(name: str, run: Row, path: Path) -> None:
    """Draw how a run went: grounds admitted, solved and counted by ANNECS, where its steps went, and its transfers."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    counts, shares, moves = figure.subplots(1, 3)
    curves = run["curves"]
    steps = np.array(curves["steps"]) / 1e9
    begun = sum(not was_admitted(niche) for niche in run["niches"])
    counts.plot(steps, np.array(curves["niches"]) - begun, color=COLOURS[1], label="admitted")
    counts.plot(steps, curves["admitted_solved"], color=COLOURS[2], label="admitted and solved")
    if curves["annecs"] and curves["annecs"][-1] is not None:
        counts.plot(steps, curves["annecs"], color=COLOURS[0], label="ANNECS")
    counts.set(xlabel=BY["steps"], title=name)
    counts.legend(frameon=False, fontsize=8)
    spent = {purpose: share for purpose, share in run["steps_of"].items() if share}
    shares.barh(list(spent), [100 * each / sum(spent.values()) for each in spent.values()], color=COLOURS[1])
    shares.set(xlabel="% of all steps", title="where steps went")
    iterations, attempts, accepted = np.array(run["tournaments"] or [[0, 0, 0]]).T
    moves.bar(iterations, attempts, width=_width(iterations), color="#cccccc", label="tournaments")
    moves.bar(iterations, accepted, width=_width(iterations), color=COLOURS[0], label="an agent moved in")
    moves.set(xlabel="iteration", title="transfers")
    moves.legend(frameon=False, fontsize=8)
    for axes in (counts, shares, moves):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=DOTS_PER_INCH)


def _width(places: Any) -> float:
    return 0.8 * float(np.diff(places).min()) if len(places) > 1 else 1.0


def draw_phylogeny(name: str, run: Row, path: Path) -> None:
    """Draw who descends from whom: every ground where it was admitted, in its level's colour, hollow if not solved."""
    niches = run["niches"]
    lines = _lines(niches)
    figure = Figure(figsize=(11, max(0.24 * len(niches) + 1, 2.5)), layout="constrained")
    axes = figure.subplots()
    places = {niche["id"]: (_billions(niche["admitted"]), lines[niche["id"]]) for niche in niches}
    for niche in niches:
        x, y = places[niche["id"]]
        if niche["parent"] is not None:
            start, line = places[niche["parent"]]
            axes.plot([start, start, x], [line, y, y], color="#999999", linewidth=0.9, zorder=1)
        colour = LEVEL_COLOURS[niche["level"]]
        filled = colour if niche["solved"] is not None else "white"
        axes.plot(x, y, "o", color=colour, mfc=filled, ms=6, zorder=2)
        axes.annotate(
            f"{niche['id']}: {niche['description'][:70]}", (x, y), (7, 0), textcoords="offset points", va="center",
            fontsize=7, annotation_clip=False,
        )  # fmt: skip
    axes.set(xlabel=BY["steps"], yticks=[], title=f"{name}: who descends from whom")
    axes.margins(x=0.02)
    axes.set_xlim(None, axes.get_xlim()[1] * 1.45)  # room for the last one's words
    axes.invert_yaxis()
    axes.spines[["top", "right", "left"]].set_visible(False)
    keys = [
        Line2D([], [], color=colour, marker="o", linestyle="", label=level)
        for colour, level in zip(LEVEL_COLOURS, LEVELS, strict=True)
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    figure.savefig(path, dpi=DOTS_PER_INCH)


def _billions(cost: Row | None) -> float:
    return cost["steps"] / 1e9 if cost else 0.0


def _lines(niches: list[Row]) -> dict[int, int]:
    """Number niches so that every one stands above its offspring, and families stay together."""
    children: dict[int | None, list[int]] = {}
    for niche in niches:
        children.setdefault(niche["parent"], []).append(niche["id"])
    order: list[int] = []
    waiting = list(reversed(children.get(None, [])))
    while waiting:
        number = waiting.pop()
        order.append(number)
        waiting += reversed(children.get(number, []))
    return {number: line for line, number in enumerate(order)}
