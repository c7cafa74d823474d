"""What controls found, as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

Row = Mapping[str, Any]


def searches(figures: Row) -> RenderableType:
    """Lay out what searches came to."""
    on_path = figures["control"] == "path"
    how = "on the direct path to" if on_path else "straight in"
    in_run = figures["solved_in_run"]
    story = f"the run solved it in {in_run}" if in_run else "the run has not solved it"
    number, steps = len(figures["searches"]), figures["steps"]
    title = (
        f"{how} niche {figures['niche']}, {figures['description']}\n"
        f"{figures['solved']} of {number} solved it in {steps} steps; {story}"
    )
    table = Table(box=None)
    headings = ["seed", "steps", "solved at", "best", "last", f"mean of {figures['final_episodes']} fresh"]
    for heading in [*headings, *(["stages", "arrived at", "learning in"] if on_path else [])]:
        table.add_column(heading, justify="left" if heading == "learning in" else "right")
    for row in figures["searches"]:
        cells = [str(row["seed"]), str(row["steps"]), _or_dash(row["solved"])]
        cells += [f"{row[name]:.1f}" for name in ("best", "last", "final")]
        if on_path:
            cells += [str(row["stage"]), _or_dash(row["arrived"]), row["environment"]]
        table.add_row(*cells)
    return Group(Text(title), table)


def _or_dash(value: object) -> str:
    return "-" if value is None else str(value)


def rates(figures: Row) -> RenderableType:
    """Lay out how many transfers were false positives."""
    title = (
        f"false positives under the {figures['rule']} rule ({figures['judged']} of {figures['accepted']} accepted "
        f"transfers judged, by {figures['episodes_each']} fresh episodes of each agent)"
    )
    table = Table(box=None)
    for heading in ("transfers", "number", "false positives", "rate", "95 % interval", "mean gain"):
        table.add_column(heading, justify="left" if heading == "transfers" else "right")
    for row in figures["rates"]:
        bounds = row["interval"]
        table.add_row(
            row["transfers"],
            str(row["number"]),
            str(row["false_positives"]),
            "-" if row["rate"] is None else f"{row['rate']:.0%}",
            "-" if bounds is None else f"{bounds[0]:.0%} to {bounds[1]:.0%}",
            "-" if row["mean_gain"] is None else f"{row['mean_gain']:+.1f}",
        )
    return Group(Text(title), table)


def contrast(rows: Sequence[Row]) -> Table:
    """Lay out runs side by side."""
    table = Table(box=None)
    names = ("run", "iterations", "admitted", "solved", "created", "annecs", "spread", "transfers", "steps")
    for name in names:
        table.add_column(name.replace("annecs", "ANNECS"), justify="left" if name == "run" else "right")
    for row in rows:
        cells = {
            **row,
            "spread": "-" if row["spread"] is None else f"{row['spread']:.3f}",
            "steps": f"{row['steps']:,}",
        }
        table.add_row(*(str(cells[name]) for name in names))
    return table
