"""The comparison's tables and its figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.curricula.results import PRIMARY, besides
from environments.intervals import interquartile_mean
from environments.tasks.curriculum import SPLITS

Row = Mapping[str, Any]
COLOURS = ("#0072b2", "#d55e00", "#a8558c", "#00805f")
ACTIONS = {"stochastic": "drawn", "deterministic": "likeliest"}
APART = 0.06  # of the runs' dots about their arm


def tables(table: Row, cells: Sequence[Row], runs: Sequence[Row]) -> dict[str, str]:
    """Write the tables: what each arm came to, comparisons that were planned and all, growth with steps, the runs.

    Each is Markdown, by name.
    """
    head = "| arm | tested on | actions | trainings | steps, with the run's | return, interquartile mean | solved |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    for row in table["rows"]:
        cost = "not known" if row["run_steps"] is None else f"{row['steps'] + row['run_steps']:,.0f}"
        lines.append(
            f"| {row['arm']} | {row['ground']} | {ACTIONS[row['actions']]} | {row['trainings']} | {cost} "
            f"| {row['return']:.0f}{_between(row)} | {row['solved']:.1%} |"
        )
    # With as many steps, a later table has the same comparison, of more runs or beside more arms.
    stages = list({each["steps"]: each for each in (*table.get("earlier", []), table)}.values())
    grown = ["| arm | after steps | trainings | return, interquartile mean | solved |", "|" + "---|" * 5]
    for stage in stages:
        for row in stage["rows"]:
            if (row["ground"], row["actions"]) == PRIMARY[2:]:
                told = f"{row['return']:.0f}{_between(row)} | {row['solved']:.1%}"
                grown.append(f"| {row['arm']} | {stage['steps']:,} | {row['trainings']} | {told} |")
    said = ["| | after steps | runs | actions | difference of returns | p |", "|---|---|---|---|---|---|"]
    for stage in stages:
        for each in stage["contrasts"]:
            first, second = each["arms"]
            primary = (first, second, each["ground"], each["actions"]) == PRIMARY
            what = f"{first} less {second}, {each['ground']}"
            low, high = each["interval"]
            said.append(
                f"| {f'**{what}**' if primary else what} | {stage['steps']:,} | {each['runs']} "
                f"| {ACTIONS[each['actions']]} | {each['difference']:.1f} ({low:.1f} to {high:.1f}) | {each['p']:.2g} |"
            )
    others = [
        "| | runs | actions | difference of returns | median, least, most | p | of shares solved |",
        "|" + "---|" * 7,
    ]
    for each in besides(cells):
        first, second = each["arms"]
        low, high = each["interval"]
        spread = np.median(each["differences"]), each["differences"][0], each["differences"][-1]
        others.append(
            f"| {first} less {second} | {each['runs']} | {ACTIONS[each['actions']]} "
            f"| {each['difference']:.1f} ({low:.1f} to {high:.1f}) | {', '.join(f'{value:.0f}' for value in spread)} "
            f"| {each['p']:.2g} | {each['solved']:+.1%} |"
        )
    made = [
        "| run | steps | tasks | solved by their agents | train, validation, test | farthest, solved or not |",
        "|" + "---|" * 6,
    ]
    for row in runs:
        splits = ", ".join(str(row[split]) for split in SPLITS)
        reach = f"roughness {row['roughness']}, gap {row['pit_gap']}, stump {row['stump_height']}"
        steps = "not known" if row["steps"] is None else f"{row['steps']:,}"
        made.append(f"| {row['run']} | {steps} | {row['tasks']} | {row['solved']} | {splits} | {reach} |")
    written = {"arms": lines, "contrasts": said, "growth": grown, "besides": others, "runs": made}
    return {name: "\n".join(rows) for name, rows in written.items()}


def _between(row: Row) -> str:
    return "" if row["interval"] is None else " ({:.0f} to {:.0f})".format(*row["interval"])


def draw(cells: Sequence[Row], path: Path) -> None:
    """Draw every training as a dot, those of one run joined, and each arm's interquartile mean."""
    grounds = list(dict.fromkeys(cell["ground"] for cell in cells))
    arms = list(dict.fromkeys(cell["arm"] for cell in cells))
    figure = Figure(figsize=(3.6 * len(grounds), 4.2), layout="constrained")
    for place, (axes, ground) in enumerate(
        zip(figure.subplots(1, len(grounds), squeeze=False)[0], grounds, strict=True)
    ):
        here = [cell for cell in cells if cell["ground"] == ground and cell["actions"] == PRIMARY[3]]
        runs = list(dict.fromkeys(cell["run"] for cell in here))
        places = dict(zip(runs, APART * np.linspace(-1, 1, len(runs)), strict=True))
        for run, offset in places.items():
            of_run = [(arms.index(cell["arm"]) + offset, cell["return"]) for cell in here if cell["run"] == run]
            axes.plot(*zip(*sorted(of_run), strict=True), color="#c9ccd1", linewidth=0.8)
        for number, (arm, colour) in enumerate(zip(arms, COLOURS, strict=False)):
            dots = [(number + places[cell["run"]], cell["return"]) for cell in here if cell["arm"] == arm]
            if not dots:
                continue
            axes.scatter(*zip(*dots, strict=True), color=colour, s=18, zorder=3)
            middle = interquartile_mean(np.array([value for _, value in dots]))
            axes.hlines(middle, number - 0.25, number + 0.25, color=colour, linewidth=3, zorder=4)
        axes.set_title(ground, fontsize=10)
        axes.set_xticks(range(len(arms)), arms, rotation=20)
        axes.grid(axis="y", color="#e6e8eb", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        if place == 0:
            axes.set_ylabel("return, likeliest actions")
    figure.savefig(path, dpi=130)
