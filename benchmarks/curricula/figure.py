"""The comparison as one table and one figure: `python -m benchmarks.curricula.figure DIR` draws kept results anew."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

Row = dict[str, Any]

COLOURS = {
    "poet": "#0072b2",
    "random": "#d55e00",
    "random-mild": "#a8558c",
    "hand-made": "#00805f",
    "nothing": "#6b7280",
}
SPECIALIST = "#22262b"
GROUP, PALEST = 0.62, 0.35  # of a group: its height, of the distance to the next; opacity of its first line
NAMES = {"ppo": "multi-task PPO, fine-tuned", "rl2": "RL²", "promp": "ProMP", "maml": "MAML"}
SCRATCH = "nothing"  # the curriculum of a learner that was not trained


def summary(results: Sequence[Mapping[str, Any]], adaptations: Sequence[int]) -> list[Row]:
    """Give a row for each learner, curriculum, ground and number of adaptation episodes: mean over seeds, interval.

    The interval is Student's 95 % one over seeds, whose means over tasks are taken as normal; of one seed, nothing is
    known of the spread, and both ends are the mean.
    """
    rows = []
    for learner, curriculum in dict.fromkeys((each["learner"], each["curriculum"]) for each in results):
        runs = [each for each in results if (each["learner"], each["curriculum"]) == (learner, curriculum)]
        for ground in runs[0]["curves"]:
            means = np.array([np.mean(run["curves"][ground], axis=0) for run in runs])
            for column, episodes in enumerate(adaptations):
                values = means[:, column]
                spread = _half_interval(values)
                rows.append(
                    {
                        "learner": learner,
                        "curriculum": curriculum,
                        "ground": ground,
                        "adaptation_episodes": episodes,
                        "seeds": len(values),
                        "mean": float(values.mean()),
                        "interval": [float(values.mean() - spread), float(values.mean() + spread)],
                    }
                )
    return rows


def _half_interval(values: NDArray[np.float64]) -> float:
    count = len(values)
    return float(stats.t.ppf(0.975, count - 1) * values.std(ddof=1) / count**0.5) if count > 1 else 0.0


def table(rows: Sequence[Row], specialists: Mapping[str, float], adaptations: Sequence[int]) -> str:
    """Write the rows as Markdown."""
    lines = [
        "| tested on | learner | trained on | " + " | ".join(f"after {each}" for each in adaptations) + " |",
        "|---|---|---|" + "---|" * len(adaptations),
    ]
    places = dict.fromkeys((row["ground"], row["learner"], row["curriculum"]) for row in rows)
    for place in sorted(places, key=lambda each: each[:2]):  # curricula stay in their order
        cells = [row for row in rows if (row["ground"], row["learner"], row["curriculum"]) == place]
        shown = " | ".join(_written(cell) for cell in cells)
        ground, learner, curriculum = place
        lines.append(f"| {ground} | {NAMES.get(learner, learner)} | {curriculum} | {shown} |")
    for ground, mean in specialists.items():
        figures = " | ".join([f"{mean:.0f}"] + ["" for _ in adaptations[1:]])
        lines.append(f"| {ground} | each task's own POET agent | its niche | {figures} |")
    return "\n".join(lines)


def _written(cell: Row) -> str:
    spread = f" ± {cell['interval'][1] - cell['mean']:.0f}" if cell["seeds"] > 1 else ""
    return f"{cell['mean']:.0f}{spread}"


def draw(rows: Sequence[Row], specialists: Mapping[str, float], path: Path) -> None:
    """Draw the rows of `summary` as a picture."""
    chart(rows, specialists).savefig(path, dpi=130)


def chart(rows: Sequence[Row], specialists: Mapping[str, float]) -> Figure:
    """Draw a panel for every learner on every ground: a group of lines a curriculum, a line a number of episodes."""
    learners, grounds, curricula = (
        list(dict.fromkeys(row[key] for row in rows)) for key in ("learner", "ground", "curriculum")
    )
    size = (2.0 + 3.4 * len(learners), 1.2 + 2.7 * len(grounds))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(grounds), len(learners), squeeze=False, sharex="row", sharey=True)
    for (down, ground), (across, learner) in ((d, a) for d in enumerate(grounds) for a in enumerate(learners)):
        axes = panels[down][across]
        for place, curriculum in enumerate(curricula):
            where = (learner, curriculum, ground)
            cells = [row for row in rows if (row["learner"], row["curriculum"], row["ground"]) == where]
            _draw_group(axes, place, cells, COLOURS.get(curriculum, "#444"))
        if ground in specialists:
            axes.axvline(specialists[ground], color=SPECIALIST, linewidth=1.2, linestyle=":")
        axes.set_title(f"{NAMES.get(learner, learner)}: {ground}", fontsize=10, loc="left")
        axes.set_yticks(range(len(curricula)), curricula, fontsize=10)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(labelsize=9, left=False)
        axes.tick_params(axis="y", labelsize=10)
        axes.grid(axis="x", color="#e6e8eb")
        axes.set_axisbelow(True)
        axes.set_xlabel("mean return", fontsize=9)
    panels[0][0].set_ylim(len(curricula) - 0.45, -0.55)
    figure.supylabel("trained on", fontsize=10)
    counts = ", ".join(str(each) for each in dict.fromkeys(row["adaptation_episodes"] for row in rows))
    note = f"In each group, from the pale line down: after {counts} episodes of adaptation; a dot the mean,"
    note += " a line its 95 % interval over seeds."
    if specialists:
        note += " Dotted: each task's own POET agent."
    figure.supxlabel(fill(note, int(11.5 * size[0])), fontsize=9, x=0.01, ha="left")
    return figure


def _draw_group(axes: Axes, place: int, cells: Sequence[Row], colour: str) -> None:
    """Draw a line for each number of episodes, one under the other, the first of them palest."""
    last = max(len(cells) - 1, 1)
    for number, cell in enumerate(cells):
        height, shade = place + GROUP * (number / last - 0.5), PALEST + (1 - PALEST) * number / last
        axes.plot(cell["interval"], [height] * 2, color=colour, alpha=shade, linewidth=1.6, solid_capstyle="butt")
        axes.plot(cell["mean"], height, "o", color=colour, alpha=shade, markersize=4, markeredgewidth=0)


def main() -> None:
    """Draw kept results anew."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.curricula.figure", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="of results.json; figure.png is written beside it")
    folder = parser.parse_args().folder
    document = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    draw(document["rows"], document["specialists"], folder / "figure.png")


if __name__ == "__main__":
    main()
