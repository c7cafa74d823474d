"""Whole runs on two engines: equal archives, resumed from one to the other, killed and stopped on the way."""

from __future__ import annotations

import json
import math
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.gpu_check.commands import INTERRUPTED, poet, python
from benchmarks.gpu_check.counting import ALWAYS, check_launched, poet_on_card
from benchmarks.gpu_check.target import CheckError, Figures, Target, Tell

OWN = ("session", "timing", "rescore", "receipt")  # tables of one process's own: times, hosts, caches
SMALL = [
    *("--set", "es.pairs=4", "--set", "episode_limit=60", "--set", "score_episodes=2"),
    *("--set", "reproduction.every=1", "--set", "reproduction.children=3", "--set", "reproduction.parent_score=-200"),
    *("--set", "minimal_criterion.lower=-200", "--set", "transfer.every=2"),
]
Tables = dict[str, list[tuple[Any, ...]]]


def evolve(folder: Path, engine: str, *words: object, seconds: float = math.inf, **extra: str) -> int:
    """Evolve a run, or go on with it, to its end or for so long; how many iterations are on disk then."""
    wanted = [] if (folder / "archive.sqlite").exists() else [*words, "--set", f"engine={engine}"]
    poet("evolve", folder, *wanted, seconds=seconds, **extra).must(0, INTERRUPTED)
    return iterations(folder)


def iterations(folder: Path) -> int:
    """Count the iterations on disk."""
    with _opened(folder) as connection:
        return int(connection.execute("SELECT count(*) FROM iteration").fetchone()[0])


def tables(folder: Path) -> Tables:
    """Read every row that equal runs share; not which engine they name in their settings."""
    with _opened(folder) as connection:
        listed = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        names = [name for (name,) in listed if name not in (*OWN, "run")]
        found = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}
    if "checksum" in found:
        found["checksum"] = [row for row in found["checksum"] if row[0] != "settings"]
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def differences(found: Tables, expected: Tables) -> list[str]:
    """Name the tables of which a row differs."""
    return sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))


def check_same(found: Path, expected: Path, what: str) -> int:
    """Compare two archives, and see that a flipped bit in one of them would show; how many rows they have.

    Raises:
        CheckError: they differ, or the comparison would not notice.
    """
    ours, theirs = tables(found), tables(expected)
    differ = differences(ours, theirs)
    if differ:
        raise CheckError(f"{what}: the archives differ in {', '.join(differ)}")
    copy = found.with_name(f"{found.name}-damaged")
    shutil.copytree(found, copy)
    with _opened(copy, "rw") as connection:
        (theta,) = connection.execute("SELECT theta FROM pair ORDER BY niche LIMIT 1").fetchone()
        connection.execute("UPDATE pair SET theta = ? WHERE niche = (SELECT min(niche) FROM pair)", (flipped(theta),))
        connection.commit()
    if differences(tables(copy), theirs) != ["pair"]:
        raise CheckError("a bit of an agent was flipped, and the comparison of archives did not find it")
    shutil.rmtree(copy)
    return sum(map(len, theirs.values()))


def flipped(blob: bytes) -> bytes:
    """Flip the lowest bit of the last byte."""
    return blob[:-1] + bytes([blob[-1] ^ 1])


def check_archives(target: Target, tell: Tell, place: Path) -> Figures:
    """Equal archives: a quick run stopped after a while, and two iterations of the paper's settings."""
    figures: Figures = {}
    if target.rehearsal or target.small:
        plans = {"small": (["--preset", "quick", "--iterations", 3, *SMALL], math.inf)}
    else:
        plans = {
            "quick": (["--preset", "quick"], 30.0),
            "paper": (["--preset", "original", "--iterations", 2], math.inf),
        }
    for name, (words, seconds) in plans.items():
        ours, theirs = place / f"{name}-{target.engine}", place / f"{name}-{target.yardstick}"
        began = time.monotonic()
        words_of_it = ["evolve", ours, *words, "--set", f"engine={target.engine}", "--workers", 1]
        ended, launches = poet_on_card(place, *words_of_it, seconds=seconds)
        ended.must(0, INTERRUPTED)
        spent, done = time.monotonic() - began, iterations(ours)
        if not done:
            raise CheckError(f"{name}: no iteration ended within {seconds:.0f} s on {target.engine}")
        if not target.rehearsal:
            check_launched(launches, name)
        if seconds < math.inf:  # both to where the first was stopped, ends included
            poet("evolve", ours, "--iterations", done).must()
        evolve(theirs, target.yardstick, *words, *([] if seconds == math.inf else ["--iterations", done]))
        rows = check_same(ours, theirs, name)
        tell(f"{name}: {done} iterations on {target.engine} in {spent:.0f} s, {launches} launches")
        tell(f"{name}: all {rows} rows of the archive equal {target.yardstick}'s; a flipped bit was found")
        figures[name] = {"iterations": done, "rows": rows, "seconds": spent}
    return figures


def check_resumes(target: Target, tell: Tell, place: Path) -> Figures:
    """A run that is begun with the engine, killed, resumed without it and again with it, beside one never stopped."""
    here, gone = first_engine({}), first_engine(target.without())
    if (here, gone) != (target.engine, target.yardstick):
        raise CheckError(
            f"auto means {here} here and {gone} without the card; it must mean {target.engine}, {target.yardstick}"
        )
    words = ["--preset", "quick", "--iterations", 1, *SMALL]
    run, unbroken = place / "resumed", place / "unbroken"
    evolve(run, "auto", *words, **ALWAYS)
    ended = poet("evolve", run, "--iterations", 200, **ALWAYS, until=lambda: iterations(run) >= 3, kill=True)
    killed = iterations(run)
    if ended.status != -signal.SIGKILL:
        raise CheckError(f"the run was to be killed, and ended with {ended.status}: {ended.last}")
    poet("doctor", run).must()
    stages = (target.without(), {})
    for n, extra in enumerate(stages, 1):
        ended, launches = poet_on_card(place, "evolve", run, "--iterations", killed + n, "--workers", 1, **extra)
        ended.must()
        if bool(launches) != (not extra and not target.rehearsal):
            raise CheckError(f"{launches} kernels were started {'without' if extra else 'with'} the card")
    evolve(unbroken, "auto", *words, **target.without())
    poet("evolve", unbroken, "--iterations", killed + len(stages), **target.without()).must()
    rows = check_same(run, unbroken, "the resumed run")
    tell(f"begun on {here}, killed after {killed} iterations, then an iteration each on {gone} and {here}: "
         f"all {rows} rows equal those of a run on {gone} alone")  # fmt: skip
    return {"auto": here, "without": gone, "killed_after": killed, "rows": rows}


def first_engine(extra: dict[str, str]) -> str:
    """Ask a process of its own which engine `auto` means."""
    return python("-c", "from environments.walker2d import DOMAIN; print(DOMAIN.engines[0])", **extra).must().strip()


def check_paper(target: Target, tell: Tell, place: Path, seconds: float) -> Figures:
    """A run of the paper's settings for as long as there is; stopped so that what it did is on disk."""
    run = place / "paper"
    words = ["--preset", "original"] if not target.rehearsal else ["--preset", "original", "--set", "es.pairs=8"]
    began = time.monotonic()
    done = evolve(run, target.engine, *words, seconds=seconds)
    spent = time.monotonic() - began
    if not done:
        raise CheckError(f"not one iteration ended within {seconds:.0f} s")
    poet("doctor", run).must()
    summary = json.loads(poet("inspect", run, "--json").must())
    tell(f"{done} iterations in {spent:.0f} s on {target.engine}; the archive is sound; run: {run}")
    return {"iterations": done, "seconds": spent, "summary": summary}


def _opened(folder: Path, mode: str = "ro") -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"{(folder / 'archive.sqlite').resolve().as_uri()}?mode={mode}", uri=True))
