"""What is tried by other means: some of the hardest grounds that a run solved, and what its agents spent on each.

The plan is made once, from the run as it stood, and kept with what comes of it: the run may go on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.long_runs.choosing import hardest_solved, was_admitted
from benchmarks.long_runs.summary import summarise
from environments.domain import Environment
from environments.files import write_aside
from environments.weights import agent_bytes, read_agent
from evolution.noise import Stream, keyed_rng
from poet.archive.reading import read_config, read_population, reading
from poet.archive.rows import read_blob
from poet.config import Config, build
from poet.run import Run

Row = dict[str, Any]
PLAN, WALKER = "plan.json", "flat_walker.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One ground, and how the run came to solve it."""

    niche: int
    environment: str  # JSON
    description: str
    level: int
    line: int  # optimiser steps of the solver's whole line, from the run's first agent on
    solver_best: float  # score in the run
    solver_fresh: float  # mean return of the niche's best agent in fresh episodes
    solver_interval: tuple[float, float] | None

    @property
    def place(self) -> Environment:
        """The environment itself."""
        return Environment.from_json(self.environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run's controls."""

    run: str
    settings: Mapping[str, Any]
    brought: bool  # the run began with an agent that had learned before
    steps: int  # simulated steps of the run until then
    solved: tuple[Row, ...]  # measures of all grounds that the run had admitted and solved
    targets: tuple[Target, ...]

    @property
    def config(self) -> Config:
        """The run's settings."""
        return build(self.settings, self.run)


def make_plan(folder: Path, count: int) -> tuple[Plan, NDArray[np.float64]]:
    """Plan the controls of a run, whose best agents are scored on fresh episodes first, and give its flat walker."""
    Run.open(folder).rescore()
    found = summarise(folder)
    if found["source"]:
        raise SystemExit(
            f"error: {folder.name} began with pairs of {found['source']['name']}, and what their optimisers' steps "
            "had cost is not in its archive; give that run"
        )
    rows = {row["id"]: row for row in found["niches"]}
    with reading(folder) as connection:
        config, population = read_config(connection), read_population(connection)
        targets = [
            Target(
                niche=number,
                environment=population.niches[number].environment.to_json(),
                description=rows[number]["description"],
                level=rows[number]["level"],
                line=line_of(connection, number, rows[number]["solved"]["iteration"]),
                solver_best=rows[number]["best_score"],
                solver_fresh=rows[number]["mean_return"],
                solver_interval=rows[number]["return_interval"],
            )
            for number in hardest_solved(found["niches"], count)
        ]
        brought = _brought(connection, config)
        theta = flat_walker(connection, config, brought=brought)
    solved = [row for row in found["niches"] if was_admitted(row) and row["solved"] is not None]
    plan = Plan(
        run=folder.name,
        settings=config.to_table(),
        brought=brought,
        steps=found["steps"],
        solved=tuple(solved),
        targets=tuple(targets),
    )
    return plan, theta


def line_of(connection: Connection, niche: int, until: int) -> int:
    """Count the optimiser steps behind a niche's agent as it stood in an iteration, back to the run's first agent.

    One an iteration, wherever the line lived then, and one more each time that it moved, or came with a new
    environment, after fine-tuning.
    """
    steps, place, before = until + 1, niche, until
    while True:
        moved = connection.execute(
            """SELECT iteration, source, kind FROM transfer
            WHERE target = ? AND source IS NOT NULL AND iteration < ? ORDER BY iteration DESC LIMIT 1""",
            (place, before),
        ).fetchone()
        if moved is None:
            moved = connection.execute(
                "SELECT iteration, source, kind FROM child WHERE niche = ? AND source IS NOT NULL", (place,)
            ).fetchone()
        if moved is None:
            return steps
        before, place, kind = moved
        steps += kind == "fine-tuned"


def _first_agent(connection: Connection) -> NDArray[np.float64]:
    (blob,) = connection.execute("SELECT theta FROM agent WHERE niche = 0 AND origin = 'initial'").fetchone()
    theta: NDArray[np.float64] = read_blob(blob).astype(np.float64)
    return theta


def _brought(connection: Connection, config: Config) -> bool:
    drawn = config.make_domain().controller.initial_theta(keyed_rng(config.seed, Stream.INITIAL_THETA))
    return not np.allclose(_first_agent(connection), drawn, atol=1e-6)


def flat_walker(connection: Connection, config: Config, *, brought: bool) -> NDArray[np.float64]:
    """Give an agent that walks where the run began: the one it began with, or the first kept copy that solved it.

    Raises:
        ValueError: the run kept none that did.
    """
    if brought:
        return _first_agent(connection)
    row = connection.execute(
        "SELECT theta FROM agent WHERE niche = 0 AND score >= ? ORDER BY iteration LIMIT 1",
        (config.make_domain().solved_return,),
    ).fetchone()
    if row is None:
        raise ValueError("the run has kept no agent that walks where it began; let it go on")
    theta: NDArray[np.float64] = read_blob(row[0]).astype(np.float64)
    return theta


def write_plan(plan: Plan, walker: NDArray[np.float64], folder: Path) -> None:
    """Keep a plan."""
    folder.mkdir(parents=True, exist_ok=True)
    write_aside(folder / WALKER, agent_bytes(plan.config.make_domain().controller, walker.astype(np.float32)))
    write_aside(folder / PLAN, json.dumps(asdict(plan), indent=1).encode())


def read_plan(folder: Path) -> tuple[Plan, NDArray[np.float64]] | None:
    """Read what is kept; None where nothing is."""
    if not (folder / PLAN).exists():
        return None
    table = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    targets = tuple(
        Target(**{**row, "solver_interval": row["solver_interval"] and tuple(row["solver_interval"])})
        for row in table["targets"]
    )
    plan = replace(Plan(**{**table, "targets": ()}), targets=targets)
    walker = read_agent(folder / WALKER, plan.config.make_domain().controller)
    return plan, walker.astype(np.float64)
