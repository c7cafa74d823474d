"""The comparison as one table and one figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

Row = dict[str, Any]

COLOURS = {
    "poet": "#2f6fb3",
    "random": "#c46a1b",
    "random-mild": "#8e63b5",
    "hand-made": "#4b9b5a",
    "nothing": "#8a929b",
}
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
    """Draw a panel for every learner on every ground."""
    learners = list(dict.fromkeys(row["learner"] for row in rows))
    grounds = list(dict.fromkeys(row["ground"] for row in rows))
    figure = Figure(figsize=(3.6 * len(learners), 2.9 * len(grounds)), layout="constrained")
    panels = figure.subplots(len(grounds), len(learners), squeeze=False, sharex=True, sharey="row")
    for (down, ground), (across, learner) in ((d, a) for d in enumerate(grounds) for a in enumerate(learners)):
        axes = panels[down][across]
        for curriculum, colour in COLOURS.items():
            cells = [
                row
                for row in rows
                if (row["learner"], row["curriculum"], row["ground"]) == (learner, curriculum, ground)
            ]
            if not cells:
                continue
            place = [str(cell["adaptation_episodes"]) for cell in cells]
            low, high = zip(*(cell["interval"] for cell in cells), strict=True)
            axes.fill_between(place, low, high, color=colour, alpha=0.15, linewidth=0)
            axes.plot(place, [cell["mean"] for cell in cells], color=colour, marker="o", markersize=3, label=curriculum)
        if ground in specialists:
            axes.axhline(specialists[ground], color="#9b2f4f", linewidth=1, linestyle=":", label="own POET agent")
        axes.set_title(f"{NAMES.get(learner, learner)}: {ground}", fontsize=9, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
        axes.grid(axis="y", color="#e6e8eb")
    for axes in panels[-1]:
        axes.set_xlabel("episodes of adaptation", fontsize=8)
    for row_of_axes in panels:
        row_of_axes[0].set_ylabel("mean return", fontsize=8)
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, frameon=False, loc="outside lower center", ncols=3, title="trained on")
    figure.savefig(path, dpi=130)
