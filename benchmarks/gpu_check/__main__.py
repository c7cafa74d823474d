"""Run the parts of the check one after another, each in a process and with a budget of its own.

    python -m benchmarks.gpu_check [--only PART ...] [--seconds 450] [--paper-seconds 0] [--out DIR]
    python -m benchmarks.gpu_check --part PART --out DIR       one part, in this process

A part that fails or takes too long does not keep the others from running. `DIR/results.json` has every part's verdict
and figures, `DIR/log.txt` all that was printed. Exit status: 0 if nothing failed, 1 if something did.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.gpu_check.counting import ALWAYS
from benchmarks.gpu_check.target import SMALL, CheckError, Figures, SkippedError, Target, Tell, find_target

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
PAPER = "paper"
LEAST = 5.0  # s; with less a part is not begun
AS_USERS_DO = ("speed", PAPER)  # there the engine itself decides what is worth the card
MARK = "POET_GPU_CHECK_PART"  # in the environment of every process that a part starts
RELAXED = 4.0  # times a part's budget in a rehearsal, whose machine may be small and busy
GRACE = 45.0  # s for the paper's run to write what it has and be looked at


@dataclass(frozen=True, slots=True)
class Part:
    """Something that is checked."""

    about: str
    budget: float  # s
    check: Callable[[Target, Tell, Path], Figures]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a part."""

    part: str
    verdict: str
    why: str  # empty where it passed
    seconds: float
    figures: Figures


def _parts(paper_seconds: float = 0.0) -> dict[str, Part]:
    """List the parts, most telling first. What they stand on is loaded within one: what is missing fails it alone."""

    def of(module: str, name: str, with_place: bool = True, *more: float) -> Callable[[Target, Tell, Path], Figures]:
        def check(target: Target, tell: Tell, place: Path) -> Figures:
            function = getattr(importlib.import_module(f"benchmarks.gpu_check.{module}"), name)
            found: Figures = function(target, tell, place, *more) if with_place else function(target, tell)
            return found

        return check

    return {
        "compiling": Part(
            "the kernels, for this card; without one for an H100", 180, of("compiling", "check_compiling", False)
        ),
        "engine": Part("the engine says that it works, and auto means it", 60, of("engine", "check_engine", False)),
        "episodes": Part("whole episodes, every bit; 1,200 on a card", 90, of("agreement", "check_episodes", False)),
        "edges": Part("odd batches, the hardest courses, sick agents", 60, of("agreement", "check_edges", False)),
        "repeats": Part("a row depends on itself alone", 30, of("agreement", "check_repeats", False)),
        "speed": Part("steps a second", 90, of("engine", "measure_speed", False)),
        "steps": Part(
            "worlds as tensors in lockstep; a million steps on a card", 60, of("stepping", "check_steps", False)
        ),
        "archives": Part("runs give equal archives", 90, of("runs", "check_archives")),
        "resumes": Part("runs go on from one engine to the other", 90, of("runs", "check_resumes")),
        "refusals": Part("no card, no such engine: a sentence, status 2", 30, of("failures", "check_refusals")),
        "failing-kernel": Part("a kernel that fails amid a run", 90, of("failures", "check_failing_kernel")),
        "full-card": Part("hardly any memory left", 40, of("failures", "check_full_card", False)),
        "learners": Part("PPO, RL2, ProMP, TRPO, bfloat16, resuming", 120, of("learners", "check_learners")),
        "sanitizer": Part("compute-sanitizer", 90, of("sanitizing", "check_sanitizer", False)),
        "profile": Part("what Nsight Compute counts", 60, of("profiling", "check_profile", False)),
        "tests": Part("the tests that need a card", 90, of("engine", "run_tests", False)),
        PAPER: Part(
            "the paper's settings, for as long as there is",
            paper_seconds + GRACE,
            of("runs", "check_paper", True, paper_seconds),
        ),
    }


def run_part(name: str, out: Path, seconds: float) -> None:
    """Check one part in this process, and write its verdict; `seconds` are for the paper's run."""
    began = time.monotonic()
    figures: Figures = {}
    why = ""
    place = out / "places" / name
    place.mkdir(parents=True, exist_ok=True)
    if name not in AS_USERS_DO:
        os.environ.update(ALWAYS)
    try:
        figures = _parts(seconds)[name].check(find_target(), lambda line: print(line, flush=True), place)
        verdict = PASSED
    except SkippedError as error:
        verdict, why = SKIPPED, str(error)
    except CheckError as error:
        verdict, why = FAILED, str(error)
    except Exception as error:
        traceback.print_exc()
        verdict, why = FAILED, f"{type(error).__name__}: {error}"
    found = Verdict(name, verdict, why, time.monotonic() - began, figures)
    (out / f"{name}.json").write_text(json.dumps(asdict(found)), encoding="utf-8")


def supervise(name: str, line: list[str], out: Path, budget: float) -> Verdict:
    """Run a part in a process of its own; what is still running at the end of its time is killed, children too."""
    written = out / f"{name}.json"
    written.unlink(missing_ok=True)
    began = time.monotonic()
    with (out / "log.txt").open("a", encoding="utf-8") as log:
        log.write(f"\n== {name}\n")
        log.flush()
        mark = f"{os.getpid()}-{name}"
        process = subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", env={**os.environ, MARK: mark}
        )
        alarm = threading.Timer(budget, _end, [mark])
        alarm.start()
        try:
            with process:
                assert process.stdout is not None
                for text in process.stdout:
                    log.write(text)
                    print(f"  {text}", end="", flush=True)
        finally:
            alarm.cancel()
            _end(mark)
    spent = time.monotonic() - began
    if written.exists():
        return Verdict(**json.loads(written.read_text(encoding="utf-8")))
    if spent >= budget:
        return Verdict(name, FAILED, f"it took longer than its {budget:.0f} s", spent, {})
    return Verdict(name, FAILED, f"its process ended with {process.returncode}", spent, {})


def _end(mark: str) -> None:
    """End what a part left running: every process that it handed its mark down to."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)


def bring_home(out: Path) -> list[str]:
    """Pack the archive of the paper's run, and take away what the parts worked in; the files that are left."""
    run = out / "places" / "paper" / "paper"
    if (run / "archive.sqlite").exists():
        with tarfile.open(out / "paper.tar.gz", "w:gz") as packed:
            packed.add(run, "paper")
    shutil.rmtree(out / "places", ignore_errors=True)
    for name in _parts():
        (out / f"{name}.json").unlink(missing_ok=True)
    return sorted(path.name for path in out.iterdir())


def check_all(
    names: list[str], out: Path, deadline: float, paper_seconds: float, patience: float = 1.0
) -> list[Verdict]:
    """Run parts, each within `patience` times its budget and all but the paper's run before the deadline.

    `deadline` is by `time.monotonic`.
    """
    verdicts = []
    parts = _parts(paper_seconds)
    for name in names:
        left = deadline - time.monotonic()
        budget = parts[name].budget if name == PAPER else min(parts[name].budget * patience, left)
        print(f"\n== {name}: {parts[name].about} (at most {max(budget, 0):.0f} s)", flush=True)
        if budget < LEAST:
            verdict = Verdict(name, SKIPPED, "there was no time left for it", 0.0, {})
        else:
            line = [sys.executable, "-m", "benchmarks.gpu_check", "--part", name, "--out", str(out)]
            verdict = supervise(name, [*line, "--paper-seconds", str(paper_seconds)], out, budget)
        why = f": {verdict.why}" if verdict.why else ""
        print(f"   {verdict.verdict} in {verdict.seconds:.0f} s{why}", flush=True)
        verdicts.append(verdict)
    return verdicts


def machine(target: Target) -> dict[str, str | int | None]:
    """Say what this was run on."""
    cores = len(os.sched_getaffinity(0))
    return {"card": target.card, "python": platform.python_version(), "machine": platform.machine(), "cores": cores}


def main() -> None:
    """Run one part, or all of them and tell what became of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="PART", help=", ".join(_parts()))
    parser.add_argument("--part", choices=list(_parts()), help="this one, in this process")
    parser.add_argument("--out", type=Path, default=Path("gpu_check_results"), help="folder of the results")
    parser.add_argument("--seconds", type=float, default=450.0, help="for all parts but the paper's run")
    parser.add_argument("--paper-seconds", type=float, default=0.0, help="for the paper's run, after the others")
    parser.add_argument("--small", action="store_true", help="do little of everything")
    given = parser.parse_args()
    if given.small:
        os.environ[SMALL] = "1"
    given.out = given.out.resolve()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.part:
        run_part(given.part, given.out, given.paper_seconds)
        return
    unknown = set(given.only or []) - set(_parts())
    if unknown:
        parser.error(f"--only names {', '.join(sorted(unknown))}; parts are {', '.join(_parts())}")
    names = [name for name in given.only or _parts() if name != PAPER]
    if given.paper_seconds > 0:
        names.append(PAPER)
    target = find_target()
    print(banner(target), flush=True)
    patience = RELAXED if target.rehearsal else 1.0
    verdicts = check_all(names, given.out, time.monotonic() + given.seconds, given.paper_seconds, patience)
    found = {
        "rehearsal": target.rehearsal,
        **machine(target),
        "small": target.small,
        "parts": [asdict(verdict) for verdict in verdicts],
    }
    (given.out / "results.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    files = bring_home(given.out)
    print(summary(target, verdicts), f"results: {', '.join(files)} in {given.out}", sep="\n", flush=True)
    sys.exit(any(verdict.verdict == FAILED for verdict in verdicts))


def banner(target: Target) -> str:
    """Say what is checked against what."""
    if not target.rehearsal:
        return f"card: {target.card}\nengine {target.engine} is checked against engine {target.yardstick}"
    stars = "*" * 100
    return (
        f"{stars}\n*** REHEARSAL: there is no card here. NOTHING BELOW SAYS ANYTHING ABOUT A GPU.\n"
        f"*** Engine {target.engine} stands in the place of cuda, and is checked against {target.yardstick}.\n{stars}"
    )


def summary(target: Target, verdicts: list[Verdict]) -> str:
    """Lay out what passed, failed and was skipped."""
    lines = ["", "REHEARSAL, no card: what passed passed on the processor" if target.rehearsal else str(target.card)]
    for verdict in verdicts:
        why = f"  {verdict.why}" if verdict.why else ""
        lines.append(f"  {verdict.verdict:8} {verdict.part:15} {verdict.seconds:5.0f} s{why}")
    counts = {name: sum(verdict.verdict == name for verdict in verdicts) for name in (PASSED, FAILED, SKIPPED)}
    lines.append(", ".join(f"{count} {name}" for name, count in counts.items()))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
