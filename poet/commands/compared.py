"""A comparison of runs as tables for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

Row = Mapping[str, Any]

FIGURES = {
    "iterations": "iterations",
    "niches": "environments",
    "solved": "solved",
    "annecs": "ANNECS",
    "hardest": "hardest",
    "hardest_solved": "hardest solved",
    "best_mean_return": "best mean return",
    "transfers": "transfers accepted",
    "episodes": "episodes",
    "steps": "steps",
    "core_hours": "core-hours",
}
MOST_SETTINGS = 40  # listed; the page and --json have all


def comparison(found: Row) -> RenderableType:
    """Lay a comparison out: headline figures, groups, cost, the matrix by runs, settings that differ."""
    parts: list[RenderableType] = [_headline(found["runs"])]
    if found["groups"]:
        parts.append(_groups(found["groups"], found["measures"]))
    parts.append(_costs(found["runs"]))
    if found["matrix"] is not None:
        parts.append(_matrix(found["matrix"]))
    parts.append(_settings(found))
    parts += [Text(f"note: {note}", style="dim") for note in found["notes"]]
    return Group(*parts)


def _headline(runs: Sequence[Row]) -> Table:
    table = _table("", *(run["name"] for run in runs))
    for name, meaning in FIGURES.items():
        table.add_row(
            meaning, *(_level(run, name) if name.startswith("hardest") else _figure(run[name]) for run in runs)
        )
    return table


def _level(run: Row, name: str) -> str:
    word = run[f"{name}_level"]
    return f"{_figure(run[name])}{f' {word}' if word else ''}"


def _groups(groups: Sequence[Row], measures: Mapping[str, str]) -> Table:
    table = _table(
        "interquartile mean (95 % of runs resampled)", *(f"{each['name']} ({len(each['runs'])})" for each in groups)
    )
    for name, meaning in measures.items():
        found = [each["figures"][name] for each in groups]
        if any(each["iqm"] is not None for each in found):
            table.add_row(meaning, *(_with_interval(each) for each in found))
    return table


def _with_interval(found: Row) -> str:
    between = "" if found["low"] is None else f" ({_figure(found['low'])}..{_figure(found['high'])})"
    return f"{_figure(found['iqm'])}{between}"


def _costs(runs: Sequence[Row]) -> Table:
    table = _table("steps for", *(run["name"] for run in runs))
    for phase in runs[0]["costs"]:
        table.add_row(phase, *(_share(run, phase) for run in runs))
    return table


def _share(run: Row, phase: str) -> str:
    cost = run["costs"][phase]
    return "-" if cost is None else f"{_figure(cost['steps'])} ({cost['steps'] / max(run['steps'], 1):.0%})"


def _matrix(matrix: Row) -> RenderableType:
    blocks = matrix["blocks"]
    names = list(dict.fromkeys(block["niches_of"] for block in blocks))
    table = _table("agents of \\ in niches of", *names)
    for agents_of in names:
        row = [block for block in blocks if block["agents_of"] == agents_of]
        table.add_row(
            agents_of,
            *(f"{each['mean_return']:.1f}, solve {each['niches_solved_by_any']}/{each['niches']}" for each in row),
        )
    meaning = "mean return; niches that at least one of the agents solves, in half of its episodes or more"
    return Group(table, Text(f"{meaning}; {matrix['episodes']} episodes of each agent in each niche"))


def _settings(found: Row) -> RenderableType:
    rows = found["settings"]
    if not rows:
        return Text(f"settings: all {found['equal_settings']} are equal")
    table = _table("setting", *(run["name"] for run in found["runs"]))
    for row in rows[:MOST_SETTINGS]:
        table.add_row(row["setting"], *("-" if value is None else json.dumps(value) for value in row["values"]))
    left = f"; {len(rows) - MOST_SETTINGS} more differ, which --json has" if len(rows) > MOST_SETTINGS else ""
    return Group(table, Text(f"{found['equal_settings']} other settings are equal{left}"))


def _table(first: str, *others: str) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(first, overflow="fold")
    for heading in others:
        table.add_column(heading, justify="right", overflow="fold")
    return table


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if abs(value) >= size:
            return f"{value / size:.2f} {letter}"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
