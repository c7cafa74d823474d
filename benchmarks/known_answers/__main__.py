"""Do the meta-learners find what is known? `python -m benchmarks.known_answers [NAME] [--short] [--json]`.

Exit status 1 where an aim is missed. The short form aims lower, at what can be learned in seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from benchmarks.known_answers.answer import Answer
from benchmarks.known_answers.lists import check_place, figures_in, write_figures
from benchmarks.known_answers.workers import Job, Side, jobs_of
from meta_learners.errors import MetaLearningError
from poet.display.output import LARGEST

NAMES = (
    "sinusoid",
    "bandits",
    "mdps",
    "navigation",
    "niches",
    "omniglot",
    "curves",
    "recall",
    "in_context",
    "hull",
    "instances",
    "optimisers",
    "plastic",
    "uncertain",
    "online",
)
MOST_WORKERS = 256


def main() -> None:
    """Run one problem or all."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.known_answers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", choices=NAMES, help="all when left out")
    parser.add_argument("--short", action="store_true", help="minutes' work in seconds: learns something, not all")
    parser.add_argument(
        "--part",
        help="of a long form that has several, which take long: "
        "curves, in_context, hull, instances, niches, omniglot, plastic, sinusoid, uncertain",
    )
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes among which problems and parts are shared"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--json",
        action="store_true",
        help="a list with each target's source, and how certain it is",
    )
    parser.add_argument(
        "--into",
        type=Path,
        metavar="PATH",
        help="a list that --json wrote, or none yet: figures of the same name are replaced, others added; "
        "of a folder, if it is there, the lists PROBLEM-PART.json that it has, and else PROBLEM.json",
    )
    options = parser.parse_args()
    if options.part is not None:
        _check_part(parser, options)
    for name, low, high in (("workers", 1, MOST_WORKERS), ("seed", 0, LARGEST)):
        if not low <= (given := getattr(options, name)) <= high:
            parser.error(f"--{name} is {given}; it must be in [{low}, {high}]")
    names = [options.name] if options.name else list(NAMES)
    jobs = [Job(options.name, options.part)] if options.part else jobs_of(names, short=options.short)
    _check_into(parser, options)
    paths = {job: _path(options.into, job) for job in jobs}
    try:
        kept = {path: figures_in(path) for path in paths.values()}
    except ValueError as error:
        parser.error(str(error))
    started = time.perf_counter()
    found: dict[Job, list[dict[str, Any]]] = {}
    failed: dict[Job, str] = {}

    def keep(job: Job, figures: list[dict[str, Any]]) -> None:
        """Write what there is so far, in the order of the jobs, whichever came first."""
        found[job] = figures
        of = [each for each in jobs if paths[each] == paths[job]]
        told = [*kept[paths[job]], *(figure for each in of for figure in found.get(each, ()))]
        if (path := paths[job]) is not None:
            write_figures(path, told)

    if len(jobs) == 1:
        try:
            keep(jobs[0], _run(jobs[0], options))
        except MetaLearningError as error:
            parser.exit(2, f"{error}\n")
    else:
        passed = ["--seed", str(options.seed), "--device", options.device, *(["--short"] if options.short else [])]
        try:
            failed = Side(options.workers, passed).run(jobs, keep)
        except KeyboardInterrupt:
            sys.exit(130)
        worked = sum(os.times()[2:4])  # of processes that have ended
        print(f"all: {time.perf_counter() - started:.0f} s, {worked:.0f} of the processor", file=sys.stderr)
    if idle := [str(job) for job in jobs if found.get(job) == []]:  # so that nobody takes the rest for a whole run
        print(f"not measured: {', '.join(idle)}", file=sys.stderr)
    _tell([each for job in jobs for each in found.get(job, ())], failed, as_json=options.json)


def _run(job: Job, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run a problem, or a part of it, here."""
    torch.set_num_threads(1)
    started, worked = time.perf_counter(), time.process_time()
    problem = import_module(f"benchmarks.known_answers.{job.problem}")
    if job.part is None:
        answers = problem.run(short=options.short, seed=options.seed, device=options.device)
    else:
        answers = problem.PARTS[job.part](options.seed, options.device)
    if answers:
        spent = f"{time.perf_counter() - started:.0f} s, {time.process_time() - worked:.0f} of the processor"
        print(f"{job}: {spent}", file=sys.stderr)
    return [{**asdict(answer), "reached": answer.reached} for answer in answers]


def _tell(figures: list[dict[str, Any]], failed: Mapping[Job, str], *, as_json: bool) -> None:
    """Print the figures, and end with status 1 where an aim was missed or something failed."""
    if as_json:
        print(json.dumps(figures, indent=2))
    else:
        print("\n".join(str(Answer(**{key: each[key] for key in each if key != "reached"})) for each in figures))
    if failed:  # why was said when they did
        print(f"failed: {', '.join(map(str, failed))}", file=sys.stderr)
    aims = [each["reached"] for each in figures if each["reached"] is not None]
    if missed := aims.count(False):
        print(f"{missed} of {len(aims)} aims missed", file=sys.stderr)
    if failed or False in aims:
        sys.exit(1)


def _check_into(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End with one sentence unless figures can be kept there."""
    into: Path | None = options.into
    if into is None:
        return
    if options.short and into.is_dir() and any(into.glob("*.json")):
        parser.error(f"--into is {into}, where lists lie that may be of the long form; name an empty folder, or a file")
    try:
        check_place(into)
    except ValueError as error:
        parser.error(str(error))


def _path(into: Path | None, job: Job) -> Path | None:
    """Name the list that a job's figures go into."""
    if into is None or not into.is_dir():
        return into
    own = into / f"{job.problem}-{job.part}.json"
    return own if own.exists() else into / f"{job.problem}.json"


def _check_part(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End with one sentence unless the problem has the part."""
    if options.name is None:
        parser.error(f"--part is {options.part}; name the problem that it is of")
    parts = getattr(import_module(f"benchmarks.known_answers.{options.name}"), "PARTS", {})
    if options.part not in parts:
        has = f"it must be one of {', '.join(parts)}" if parts else f"{options.name} has no parts"
        parser.error(f"--part is {options.part}; {has}")
    if options.short:
        parser.error(f"--part is {options.part}; parts are of the long form, so leave out --short")


if __name__ == "__main__":
    main()
