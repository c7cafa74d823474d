"""ES beside PPO: what it costs until an agent walks on flat ground, and until a run admits challenging ground.

    python -m benchmarks.inner_loops [--presets ppo,quick] [--seeds 5] [--most-seconds 600] [--runs DIR ...]
        [-o DIR] [--kept] [--json]

Each trial is written when it is done, so the same command goes on after an interruption. Runs are folders that
`poet evolve` made, of any preset; they are read as far as they have come.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.inner_loops.challenging import first_challenging
from benchmarks.inner_loops.figure import draw, table
from benchmarks.inner_loops.flat import Trial
from environments.files import write_aside

RESULTS = Path(__file__).parent.parent / "results" / "inner_loops"


def main() -> None:
    """Run what is missing, then write table and figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inner_loops", description=__doc__.splitlines()[0])
    parser.add_argument("--presets", default="ppo,quick")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--most-seconds", type=float, default=600.0, help="of one core, for a trial")
    parser.add_argument("--runs", type=Path, nargs="*", default=[], help="folders of runs to read")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    parser.add_argument("--kept", action="store_true", help="run nothing: show what there is")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = options.output / "flat"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [(preset, seed) for seed in range(options.seeds) for preset in options.presets.split(",")]
    trials = [
        _result(folder / f"{preset}-{seed}.json", Trial(preset=preset, seed=seed, most_seconds=options.most_seconds))
        for preset, seed in wanted
        if not options.kept or (folder / f"{preset}-{seed}.json").exists()
    ]
    for run in options.runs:
        row = first_challenging(run)
        write_aside(options.output / f"run-{run.name}.json", json.dumps(row, indent=1).encode())
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(options.output.glob("run-*.json"))]
    draw(trials, options.output / "flat.png")
    write_aside(options.output / "table.md", f"{table(trials)}\n".encode())
    short = [{name: value for name, value in row.items() if name != "curve"} for row in trials]
    print(json.dumps({"flat": short, "runs": runs}, indent=2) if options.json else table(trials))


def _result(path: Path, trial: Trial) -> dict[str, Any]:
    """Give a trial's kept result, or run it and keep it."""
    if path.exists():
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if kept["made_of"] == trial.made_of and (kept["solved"] or kept["seconds"] >= trial.most_seconds):
            return kept
    row = trial.run(path.with_suffix(".npz"))
    write_aside(path, json.dumps(row).encode())
    told = f"{path.stem}: score {row['score']} after {row['steps']:,} steps, {row['seconds']:.0f} core-seconds"
    print(told, file=sys.stderr, flush=True)
    return row


if __name__ == "__main__":
    main()
