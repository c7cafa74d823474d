"""The paper's controls of a run: `python -m benchmarks.controls RUN -o FOLDER`; again to go on.

Six of the hardest grounds that it solved, of different lineages: ES straight there, from scratch and from the flat
walker, with the steps of the solver's whole line and with twice as many; the direct path; and POET without transfer
at the run's cost. What is found is in FOLDER, and the table is FOLDER/README.md, after every search anew.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.controls import without_transfer
from benchmarks.controls.plan import Plan, make_plan, read_plan, write_plan
from benchmarks.controls.searching import FIRST_STEPS, FORMS, Searcher, Trial, trials
from benchmarks.controls.table import page, rank_sum, signed_rank, summarise_trials
from benchmarks.long_runs.__main__ import copied
from cluster.executor import Executor, InProcess
from cluster.processes import Processes
from environments.files import write_aside

Row = dict[str, Any]
REPORT, RESULTS = "README.md", "results.json"


def main() -> None:
    """Go on with the controls until they are done or the time is up."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.controls", description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a run, which may go on meanwhile")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the controls; again to resume")
    parser.add_argument("--grounds", type=int, default=6, help="how many; decided at the first call")
    parser.add_argument("--seeds", type=int, default=5, help="of each kind of search")
    parser.add_argument("--runs", type=int, default=2, help="without transfer")
    parser.add_argument(
        "--first-steps",
        type=int,
        default=FIRST_STEPS,
        help="by which the first agent that a run began with was trained",
    )
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--table", action="store_true", help="only write the table of what there is")
    parser.add_argument("--keep", type=Path, help="folder for table and numbers besides")
    options = parser.parse_args()
    kept = read_plan(options.output)
    if kept is None:
        with copied(options.run) as copy:
            kept = make_plan(copy, options.grounds)
        write_plan(*kept, options.output)
    plan, walker = kept
    deadline = time.monotonic() + options.seconds
    (options.output / "results").mkdir(exist_ok=True)
    executor: Executor = InProcess() if options.workers == 1 else Processes(options.workers)
    with closing(executor):
        searcher = Searcher(plan, walker, options.output, executor, options.first_steps)
        listed = trials(plan, options.seeds)
        if not options.table:
            done = _search(searcher, listed, deadline, lambda: _report(plan, searcher, listed, options))
            if done:
                _without_transfer(plan, walker, options, executor, deadline)
        _report(plan, searcher, listed, options)


def _search(searcher: Searcher, listed: list[Trial], deadline: float, report: Any) -> bool:
    """Do what is not done yet; False if the time was up before."""
    for trial in listed:
        if searcher.result(trial) is not None:
            continue
        for steps in searcher.run(trial):
            print(f"{trial.name}: {steps} steps", file=sys.stderr, flush=True)
            if time.monotonic() > deadline:
                return False
        report()
    return True


def _folders(options: argparse.Namespace) -> list[tuple[int, Path]]:
    seeds = [without_transfer.FIRST_SEED + number for number in range(options.runs)]
    return [(seed, options.output / f"without-transfer-{seed}") for seed in seeds]


def _without_transfer(
    plan: Plan, walker: np.ndarray[Any, Any], options: argparse.Namespace, executor: Executor, deadline: float
) -> None:
    for seed, folder in _folders(options):
        for steps in without_transfer.advance(plan, walker, folder, seed, executor):
            print(f"{folder.name}: {steps:,} of {plan.steps:,} steps", file=sys.stderr, flush=True)
            if time.monotonic() > deadline:
                return


def _report(plan: Plan, searcher: Searcher, listed: list[Trial], options: argparse.Namespace) -> None:
    """Write numbers and table of what there is."""
    rows = []
    for form in FORMS:
        for multiple in form.multiples:
            for target in plan.targets:
                chosen = [t for t in listed if (t.form, t.multiple, t.target) == (form, multiple, target)]
                found = [result for trial in chosen if (result := searcher.result(trial)) is not None]
                if chosen:
                    rows.append(
                        {**asdict(target), "form": form.name, "words": form.words, "multiple": multiple}
                        | summarise_trials(found, target.solver_fresh, options.seeds)
                    )
    rows.sort(key=lambda row: [target.niche for target in plan.targets].index(row["niche"]))
    ours = [row["score"] for row in plan.solved]
    others = [
        {"seed": seed, **found, "p": rank_sum(ours, found["scores"])}
        for seed, folder in _folders(options)
        if without_transfer.steps_of(folder)
        for found in [without_transfer.outcome(folder)]
    ]
    document = {
        "plan": asdict(plan),
        "seeds": options.seeds,
        "first_steps": options.first_steps,
        "rows": rows,
        "over_grounds": _over_grounds(rows),
        "without_transfer": others,
    }
    for folder in filter(None, (options.output, options.keep)):
        folder.mkdir(parents=True, exist_ok=True)
        write_aside(folder / RESULTS, (json.dumps(document, sort_keys=True) + "\n").encode())
        write_aside(folder / REPORT, page(document).encode())


def _over_grounds(rows: list[Row]) -> list[Row]:
    """Compare every kind of search with the solvers over all grounds where there is a seed of it."""
    found = []
    for form in FORMS:
        for multiple in form.multiples:
            here = [row for row in rows if (row["form"], row["multiple"]) == (form.name, multiple) and row["seeds"]]
            if here:
                fresh, solvers = (np.array([row[name] for row in here]) for name in ("fresh", "solver_fresh"))
                found.append(
                    {"words": form.words, "multiple": multiple, "grounds": len(here), "fresh": float(fresh.mean())}
                    | {"solvers": float(solvers.mean()), "p": signed_rank(fresh - solvers)}
                )
    return found


if __name__ == "__main__":
    main()
