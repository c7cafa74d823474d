"""The figures: a panel a room of learners, or a problem of fitting."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = (
    "#0072b2",
    "#d55e00",
    "#00805f",
    "#a8558c",
    "#b8860b",
    "#3b5bdb",
    "#c2255c",
    "#5c940d",
    "#0b7285",
    "#862e9c",
    "#7c2d12",
)
GREYS = {"nearest raw example": ":", "seven statistics by hand": "--", "trained on the task alone": "-."}
LEARNED = "optimiser"  # ends the names of learned ones
ROOMS = {
    "metric": "metric",
    "gradient": "by gradients",
    "bayesian": "Bayesian",
    "black_box": "black-box",
    "learned_optimisers": "learned optimisers",
    "plastic": "plastic synapses",
}


def recognition(found: Mapping[str, Any], path: Path) -> None:
    """Draw accuracy over examples, the learners of a room in a panel, and in each what learns nothing over tasks."""
    shots, results = found["setting"]["shots"], found["results"]
    rooms: dict[str, list[str]] = {}
    for name, result in sorted(results.items()):
        if "accuracy" in result and result["room"] != "rivals":
            rooms.setdefault(result["room"], []).append(name)
    ordered = [*(room for room in ROOMS if room in rooms), *(room for room in rooms if room not in ROOMS)]
    columns = 3
    rows = -(-len(ordered) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.6 * rows + 0.8), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axis in axes.flat[len(ordered) :]:
        axis.set_visible(False)
    for axis, room in zip(axes.flat, ordered, strict=False):
        _rivals(axis, shots, results)
        names = sorted(rooms[room], key=lambda name: -results[name]["accuracy"][-1][0])
        for name, colour in zip(names, COLOURS * 3, strict=False):
            means, lows, highs = zip(*results[name]["accuracy"], strict=True)
            axis.fill_between(shots, lows, highs, color=colour, alpha=0.1, linewidth=0)
            axis.plot(shots, means, color=colour, linewidth=1.6, label=name)
        axis.set_title(ROOMS.get(room, room), loc="left", fontsize=10)
        axis.legend(fontsize=7, loc="upper right", ncols=2, frameon=False)
        axis.set_xticks(shots)
        axis.set_ylim(0.15, 1)
        axis.grid(alpha=0.2)
    for axis in axes[:, 0]:
        axis.set_ylabel("accuracy")
    for column in range(columns):
        shown = [axis for axis in axes[:, column] if axis.get_visible()]
        if shown:
            shown[-1].set_xlabel("examples of each of 5 niches")
            shown[-1].tick_params(labelbottom=True)
    setting = found["setting"]
    figure.suptitle(
        f"Niches told by 60 points of ground, {setting['tasks']} test tasks of other branches; each learner trained "
        f"for {setting['seconds']:g} s of one core on 5 examples.\nGrey: chance (line at .2), {', '.join(GREYS)}. "
        "Bands: 95 % over tasks.",
        fontsize=9,
    )
    figure.savefig(path, dpi=110)


def _fit(result: Mapping[str, Any]) -> str:
    lost = f", {result['diverged']} of {result['tasks']} diverged" if result["diverged"] else ""
    return f"{result['by']}: {result['last']:.3g}{lost}"


def _rivals(axis: Axes, shots: list[int], results: Mapping[str, Any]) -> None:
    axis.axhline(0.2, color="#9aa0a6", linewidth=0.8)
    for name, style in GREYS.items():
        if name in results:
            means = [each[0] for each in results[name]["accuracy"]]
            axis.plot(shots, means, style, color="#6b7280", linewidth=1.2)


def scores(found: Mapping[str, Any], path: Path) -> None:
    """Draw the errors, least first, with their intervals; what learns nothing over tasks in grey."""
    results = {name: each for name, each in found["results"].items() if "error" in each}
    ordered = sorted(results, key=lambda name: -results[name]["error"][0])
    figure = Figure(figsize=(8, 0.24 * len(ordered) + 1.2), layout="constrained")
    axis = figure.subplots()
    for place, name in enumerate(ordered):
        mean, low, high = results[name]["error"]
        colour = "#6b7280" if results[name]["room"] == "rivals" else COLOURS[0]
        axis.plot([low, high], [place, place], color=colour, linewidth=1.6)
        axis.plot(mean, place, "o", color=colour, markersize=5)
    axis.set_yticks(range(len(ordered)), ordered, fontsize=8)
    axis.set_xlim(0, 1.1)
    axis.set_xlabel("mean square error of an agent's scores; 1: of telling the mean of all (further right: not shown)")
    axis.grid(alpha=0.2)
    figure.savefig(path, dpi=110)


def dynamics(found: Mapping[str, Any], path: Path) -> None:
    """Draw the errors over the steps told: what learns nothing over tasks level and grey, the rest as lines."""
    shots = found["setting"]["shots"]
    results = {name: each["errors"] for name, each in found["results"].items() if "errors" in each}
    figure = Figure(figsize=(7.5, 5), layout="constrained")
    axis = figure.subplots()
    ordered = sorted(results, key=lambda name: results[name][-1][0])
    learned = [name for name in ordered if found["results"][name]["room"] != "rivals"]
    styles = dict(zip([name for name in ordered if name not in learned], ("--", "-", ":", "-."), strict=False))
    for name in ordered:
        means, lows, highs = zip(*results[name], strict=True)
        if name in learned:
            colour = COLOURS[learned.index(name) % len(COLOURS)]
            axis.fill_between(shots, lows, highs, color=colour, alpha=0.1, linewidth=0)
            axis.plot(shots, means, "o-", color=colour, linewidth=1.6, label=name)
        else:
            axis.plot(shots, means, styles[name], color="#6b7280", linewidth=1.2, label=name)
    axis.set_xscale("log")
    axis.set_xticks(shots, [str(each) for each in shots])
    axis.set_ylim(0, 1.1)
    axis.set_xlabel("steps of the body that are told")
    axis.set_ylabel("mean square error of the speeds' change; 1: of the mean")
    axis.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    axis.grid(alpha=0.2)
    figure.savefig(path, dpi=110)


def fits(found: Mapping[str, Any], path: Path) -> None:
    """Draw the loss over steps, a panel a problem."""
    results = list(found["results"].values())
    problems = list(dict.fromkeys(each["problem"] for each in results))
    figure = Figure(figsize=(5 * len(problems), 4), layout="constrained")
    axes = figure.subplots(1, len(problems), squeeze=False)[0]
    for axis, problem in zip(axes, problems, strict=True):
        for each, colour in zip([each for each in results if each["problem"] == problem], COLOURS, strict=False):
            learned = each["by"].endswith(LEARNED)
            width, style = (2.0, "-") if learned else (1.2, "--")
            if "curve" in each:
                axis.plot(each["curve"], style, color=colour, linewidth=width, label=_fit(each))
        axis.set_yscale("log")
        axis.set_title(f"{problem} of unseen niches", loc="left", fontsize=10)
        axis.set_xlabel("steps")
        axis.legend(fontsize=8, frameon=False, title="mean loss after the last", title_fontsize=8)
        axis.grid(alpha=0.2)
    axes[0].set_ylabel("mean square error of the support, mean over tasks")
    figure.savefig(path, dpi=110)
