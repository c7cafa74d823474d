"""Runs of the toy domain and the command line as a process of its own."""

import os
import sqlite3
import sys
import time
from pathlib import Path

import numpy as np

from cluster.executor import InProcess
from evolution.evaluator import Evaluator
from evolution.requests import PerturbationRequest
from poet.algorithm import evolve
from poet.archive.store import Archive
from poet.config import build
from poet.population import first_population
from poet.session import evolve_archive

SUPPORT = Path(__file__).parent

TOY_SETTINGS = {
    "domain": "toy",
    "iterations": 36,
    "episode_limit": 10,
    "score_episodes": 2,
    "es": {"pairs": 12, "sigma": 0.1, "step_size": 0.03},
    "minimal_criterion": {"lower": 50.0, "upper": 195.0},
    "reproduction": {"every": 4, "parent_score": 150.0, "children": 6, "admitted": 1, "capacity": 3},
    "transfer": {"every": 3},
    "encoding": {"name": "target"},
    "archive": {"checkpoint_every": 5},
}


def perturbing(simulation, theta, sigma, environment, key, pairs):
    """Ask for the episodes of so many antithetic perturbations."""
    theta = theta.astype(np.float32)
    whole = {"simulation": simulation, "environment": environment, "theta": theta, "sigma": sigma, "key": key}
    return PerturbationRequest(**whole, start=0, stop=pairs)


def variables(**extra):
    """Environment variables with which another process finds the toy domain too."""
    paths = os.pathsep.join(filter(None, [str(SUPPORT), os.environ.get("PYTHONPATH")]))  # an empty one is the folder
    return {**os.environ, "PYTHONPATH": paths, "COLUMNS": "200", **extra}


def command(*arguments):
    """The command line that runs `poet` with these arguments."""
    return [sys.executable, "-m", "poet", *map(str, arguments)]


def typed(monkeypatch, *arguments):
    """Run the command line in this process, which takes a fraction of what one of its own takes; the exit status."""
    from poet import cli  # noqa: PLC0415

    monkeypatch.setattr("sys.argv", ["poet", *map(str, arguments)])
    try:
        cli.main()
    except SystemExit as end:
        return end.code or 0


def history_of(config):
    """Evolve in this process: the population before each iteration, its journal, the population after it."""
    evaluator = Evaluator(config.simulation(), InProcess())
    before, steps = first_population(config), []
    for after, journal in evolve(before, config, evaluator):
        steps.append((before, journal, after))
        before = after
    return steps


class Silent:
    """A display that shows nothing."""

    def phase(self, purpose, done, total):
        pass

    def iteration(self, population, journal, seconds):
        pass


def evolved(folder, settings, iterations=None, executor=None):
    """Start a run in a folder by settings, or go on with it there, to its end or so many iterations; the folder."""
    config = build(settings, "test")
    archive = Archive.resume(folder) if folder.exists() else Archive.create(folder, config, first_population(config))
    if iterations is not None:
        archive.extend(iterations)
    evolve_archive(archive, executor or InProcess(), Silent())
    archive.close()
    return folder


def alive(pid):
    """Whether a process still runs; a zombie does not, only its entry waits for the parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def all_end(pids, seconds=10):
    """Wait for processes to end; False if one has not by then."""
    deadline = time.monotonic() + seconds
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(alive(pid) for pid in pids)


def dump(folder):
    """Every row of every table that equal runs share; `rescore` is a cache, which a run has once it has ended."""
    connection = sqlite3.connect(f"{(Path(folder) / 'archive.sqlite').as_uri()}?mode=ro", uri=True)
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    names = [row[0] for row in tables if row[0] not in ("session", "timing", "rescore", "receipt")]
    tables = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}
    connection.close()
    return {name: sorted(rows, key=repr) for name, rows in tables.items()}


def assert_equal_archives(folder, expected):
    """Compare table by table, naming the first that differs."""
    ours, theirs = dump(folder), dump(expected)
    assert ours.keys() == theirs.keys()
    assert len(theirs["score"]) > 0
    for name, rows in theirs.items():
        assert ours[name] == rows, f"table {name} differs"
