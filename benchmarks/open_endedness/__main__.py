"""Run, control, summarise, draw: `python -m benchmarks.open_endedness [RUNS] [--steps N] [--minutes M]`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.open_endedness import controls, figures, results, runs
from environments.files import write_aside

RESULTS = Path(__file__).parents[1] / "results" / "open_endedness"


def main() -> None:
    """Do what is still to do."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs/open_endedness"), help="of the runs")
    parser.add_argument("--steps", type=float, default=2e7, help="budget of each run")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="at most, for the runs")
    parser.add_argument("--control-minutes", type=float, default=float("inf"), help="at most, for the controls")
    parser.add_argument("--warm", action="store_true", help="controls from the runs' first agent too, after the others")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for summaries and figures")
    parser.add_argument("--figures-only", action="store_true", help="draw from the summaries that are kept")
    options = parser.parse_args()
    summary = options.results / "summary.json"
    if options.figures_only:
        document = json.loads(summary.read_text(encoding="utf-8"))
    else:
        options.results.mkdir(parents=True, exist_ok=True)
        options.folder.mkdir(parents=True, exist_ok=True)
        agent = runs.first_agent(options.results, options.folder)
        runs.run_all(options.folder, agent, int(options.steps), 60 * options.minutes)
        found = results.gather_runs(options.folder, runs.NAMES)
        planned = controls.plan(found, agent, options.warm)
        done = controls.run_all(planned, agent, options.folder / "controls", 60 * options.control_minutes)
        document = results.write(summary, found, done)
    write_aside(options.results / "README.md", results.tables(document).encode())
    figures.draw(document, options.results)


if __name__ == "__main__":
    main()
