"""Summarise and draw long runs: `python -m benchmarks.long_runs RUN [RUN ...]`; without one, from what is kept."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.long_runs.drift import drift
from benchmarks.long_runs.figures import draw
from benchmarks.long_runs.summary import summarise
from environments.files import write_aside

RESULTS = Path(__file__).parents[1] / "results" / "long_runs"
Row = dict[str, Any]


def page(runs: Mapping[str, Row]) -> str:
    """Lay the results out in Markdown."""
    lines = [
        "# Long runs, as far as they have come",
        "",
        "Written by `python -m benchmarks.long_runs RUN [RUN ...]` from runs that go on; `summary.json` has the rest.",
        "Levels are the paper's: how many of stump height 2.4, gap width 6 and roughness 4.5 a ground reaches. On a",
        "CPPN's ground the obstacles alone count, and its relief is told beside them. Core-hours are the time that",
        "iterations took by the workers there were; these runs shared their cores with other work.",
        "",
        "| run | iterations | steps | core-hours | admitted | solved | ANNECS | transfers accepted |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, run in runs.items():
        admitted = [niche for niche in run["niches"] if niche["parent"] is not None]
        solved = sum(niche["solved"] is not None for niche in admitted)
        moves, annecs = run["transfers"], run["annecs"]
        share = moves["accepted"] / max(moves["attempts"], 1)
        measured = "-" if annecs is None else f"{annecs['created_and_solved']} of {annecs['created']}"
        lines.append(
            f"| {name} | {run['iterations']} | {run['steps']:,} | {run['core_hours']:.1f} | {len(admitted)} | {solved} "
            f"| {measured} | {moves['accepted']} of {moves['attempts']}, {share:.0%} |"
        )
    lines += ["", "| run | | " + " | ".join(next(iter(runs.values()))["levels"]["admitted"]) + " | hardest genes |"]
    lines.append("| --- " * 7 + "|")
    for name, run in runs.items():
        for state in ("admitted", "solved"):
            rows = [n for n in run["niches"] if n["parent"] is not None and (state == "admitted" or n["solved"])]
            hardest = ", ".join(
                f"{gene} {max((n[gene] for n in rows), default=0):g}" for gene in ("stump", "gap", "roughness")
            )
            if any("relief" in niche for niche in rows):
                hardest += f", relief {max(niche['relief'] for niche in rows):.1f} m"
            counts = " | ".join(str(count) for count in run["levels"][state].values())
            lines.append(f"| {name} | {state} | {counts} | {hardest} |")
    for name, run in runs.items():
        passed = len(run["drift"]["level"])
        lines += [
            "",
            f"{name}: after as many admissions ({passed}), drift without agents has a median hardest level of "
            f"{run['drift']['level'][-1]:g} and hardest genes of stump {run['drift']['stump'][-1]:g}, "
            f"gap {run['drift']['gap'][-1]:g}, roughness {run['drift']['roughness'][-1]:g}.",
        ]
    return "\n".join([*lines, "", "![How hard admitted and solved grounds are](difficulty.png)", ""])


def main() -> None:
    """Summarise the runs that are given, and draw all that are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="*", help="folders of runs; they may go on meanwhile")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for summaries and figures")
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / "summary.json"
    kept: dict[str, Row] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for folder in options.runs:
        run = summarise(folder)
        admissions = sum(niche["parent"] is not None for niche in run["niches"])
        kept[folder.name] = {**run, "drift": drift(run["settings"], max(admissions, 1))}
    if not kept:
        parser.error("no run is given and none is kept")
    write_aside(path, (json.dumps(kept, sort_keys=True) + "\n").encode())
    write_aside(options.results / "README.md", page(kept).encode())
    draw(kept, options.results / "difficulty.png")


if __name__ == "__main__":
    main()
