"""The comparison as a table and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.figure import Figure

from benchmarks.inner_loops.flat import SOLVED

Row = dict[str, Any]

COLOURS = {"ppo": "#0072b2", "quick": "#d55e00", "original": "#00805f"}
NAMES = {"ppo": "PPO (preset ppo)", "quick": "ES (preset quick)", "original": "ES (preset original)"}


def table(trials: Sequence[Row]) -> str:
    """Write a line a preset: how many seeds got there, and the steps and core-seconds of those, median and range."""
    lines = [
        f"| optimiser | seeds at {SOLVED:.0f} | steps, median (range) | core-seconds, median (range) |",
        "|---|---|---|---|",
    ]
    for preset in dict.fromkeys(row["preset"] for row in trials):
        rows = [row for row in trials if row["preset"] == preset]
        there = [row for row in rows if row["solved"]]
        cells = [f"{len(there)} of {len(rows)}"]
        for name, digits in (("steps", 0), ("seconds", 1)):
            values = [row[name] for row in there]
            cells.append(
                f"{median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"
                if values
                else "none"
            )
        lines.append(f"| {NAMES.get(preset, preset)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(trials: Sequence[Row], path: Path) -> None:
    """Draw every seed's score by steps and by core-seconds."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, (name, label) in zip(
        figure.subplots(1, 2, sharey=True),
        (("steps", "control steps learned from"), ("seconds", "core-seconds of learning")),
        strict=True,
    ):
        for preset in dict.fromkeys(row["preset"] for row in trials):
            for number, row in enumerate(each for each in trials if each["preset"] == preset):
                axes.plot(
                    [point[name] for point in row["curve"]],
                    [point["score"] for point in row["curve"]],
                    color=COLOURS.get(preset, "#6b7280"),
                    linewidth=1.2,
                    label=NAMES.get(preset, preset) if number == 0 else None,
                )
        axes.axhline(SOLVED, color="#6b7280", linewidth=0.8, linestyle=":")
        axes.set_xscale("log")
        axes.set_xlabel(label)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("mean return of 20 fresh episodes")
    figure.axes[0].legend(frameon=False, loc="upper left", bbox_to_anchor=(0.0, 0.85))
    figure.savefig(path, dpi=150)
