"""POET without transfer, at the cost of the run: what comes of it when no agent ever leaves its niche."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.controls.plan import Plan
from benchmarks.long_runs.choosing import was_admitted
from benchmarks.long_runs.summary import summarise
from cluster.executor import Executor
from environments.files import holds_run
from poet.archive.reading import reading
from poet.archive.store import Archive
from poet.config import build, merge
from poet.population import Population, first_population
from poet.records import Journal
from poet.session import evolve_archive

Row = dict[str, Any]

FIRST_SEED = 200
FOREVER = 10**6  # iterations; the steps end it before


def begin(plan: Plan, walker: NDArray[np.float64], folder: Path, seed: int) -> None:
    """Make a run with the same settings but without transfer; it begins with what the run began with."""
    table = merge(plan.settings, {"seed": seed, "iterations": FOREVER, "transfer": {"rule": "none", "confirm": 0}})
    config = build(table, "without transfer")
    population = first_population(config, walker if plan.brought else None)
    Archive.create(folder, config, population).close()


def advance(plan: Plan, walker: NDArray[np.float64], folder: Path, seed: int, executor: Executor) -> Iterator[int]:
    """Let it go on until it has simulated as many steps as the run had; yields them after every iteration."""
    if not holds_run(folder):
        begin(plan, walker, folder, seed)
    while (done := steps_of(folder)) < plan.steps:
        archive = Archive.resume(folder)
        try:
            archive.config = replace(archive.config, iterations=archive.population.iteration + 1)
            evolve_archive(archive, executor, _Silent())
        finally:
            archive.close()
        yield done


def steps_of(folder: Path) -> int:
    """Count what a run has simulated; 0 where there is none."""
    if not holds_run(folder):
        return 0
    with reading(folder) as connection:
        (steps,) = connection.execute("SELECT coalesce(sum(steps), 0) FROM cost").fetchone()
    return int(steps)


def outcome(folder: Path) -> Row:
    """Say what it admitted and solved, and how hard that is."""
    found = summarise(folder)
    admitted = [row for row in found["niches"] if was_admitted(row)]
    solved = [row for row in admitted if row["solved"] is not None]
    return {
        "steps": found["steps"],
        "iterations": found["iterations"],
        "admitted": len(admitted),
        "solved": len(solved),
        "levels": found["levels"]["solved"],
        "scores": [row["score"] for row in solved],
    }


class _Silent:
    """A display that shows nothing."""

    def phase(self, purpose: str, done: int, total: int) -> None:
        pass

    def iteration(self, population: Population, journal: Journal, seconds: float) -> None:
        pass

    def close(self) -> None:
        pass
