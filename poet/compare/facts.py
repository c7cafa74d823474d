"""What a comparison knows of one run: read from its archive at one moment, also while the run goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import numpy as np

from environments.domain import Environment
from environments.settings import flat
from poet.archive import inspection
from poet.archive.best import BestAgent, best_agents
from poet.archive.reading import one_moment, read_config, reading
from poet.config import Config
from poet.names import names_of

Row = dict[str, Any]
Column = list[float | None]

POINTS = 400  # of a curve
AXES = {"iteration": "iteration", "steps": "steps of simulation", "core_hours": "core-hours"}
"""What a curve may run over, and what to call it; of totals, those at the iteration's end."""
MEASURES = {
    "annecs": "ANNECS",
    "niches": "environments admitted",
    "solved": "environments solved",
    "hardest": "hardest environment admitted",
    "hardest_solved": "hardest environment solved",
    "mean_score": "mean score of active pairs",
    "best_score": "best score of active pairs",
    "transfers": "transfers accepted",
}
"""What there are curves of, and what to call it."""
STRETCHED = ("mean_score", "best_score")  # averaged over the iterations that a point stands for


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A niche and the agent that stands for it."""

    niche: int
    environment: Environment
    agent: BestAgent
    difficulty: float | None
    description: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunFacts:
    """One run, as of one moment."""

    name: str
    config: Config
    summary: Row  # as `poet inspect` gives it
    curves: Mapping[str, Column]  # by axis and measure, all of one length; None where nothing is known
    costs: Mapping[str, Mapping[str, int]]  # episodes and steps by purpose
    core_hours: float
    homes: Sequence[Home]  # every niche, by birth
    hardest: Mapping[str, str | None]  # level in words of the hardest environment `admitted` and `solved`
    best_mean_return: float | None  # of the best agents that were scored on fresh episodes

    @property
    def settings(self) -> Row:
        """Every setting by its dotted name."""
        return flat(self.config.to_table())

    def figures(self) -> Row:
        """Give the headline figures as plain values."""
        last = {
            name: next((value for value in reversed(self.curves[name]) if value is not None), None) for name in MEASURES
        }
        told = ("domain", "encoding", "optimiser", "seed", "iterations", "iterations_wanted", "active", "retired")
        return {
            "name": self.name,
            **{name: self.summary[name] for name in told},
            **last,
            "niches": self.summary["niches"],
            "solved": self.summary["solved"],
            "hardest_level": self.hardest["admitted"],
            "hardest_solved_level": self.hardest["solved"],
            "best_mean_return": self.best_mean_return,
            "transfers": self.summary["transfers"]["accepted"],
            "transfer_attempts": self.summary["transfers"]["attempts"],
            "episodes": sum(cost["episodes"] for cost in self.costs.values()),
            "steps": sum(cost["steps"] for cost in self.costs.values()),
            "core_hours": self.core_hours,
        }


def read_runs(folders: Sequence[Path]) -> list[RunFacts]:
    """Read runs, which may be going on.

    Raises:
        InputError: a folder holds none, or is named twice.
    """
    return [read_run(folder, name) for folder, name in zip(folders, names_of(folders), strict=True)]


def read_run(folder: Path, name: str) -> RunFacts:
    """Read one run; raises InputError where the folder holds none."""
    with reading(folder) as connection, one_moment(connection):
        return facts_of(connection, name)


def facts_of(connection: Connection, name: str) -> RunFacts:
    """Gather a run's facts from its archive; `name` is what to call it."""
    config, summary, niches = read_config(connection), inspection.summary(connection), inspection.niches(connection)
    costs: dict[str, dict[str, int]] = {}
    for purpose, episodes, steps in connection.execute(
        "SELECT purpose, sum(episodes), sum(steps) FROM cost GROUP BY purpose ORDER BY purpose"
    ):
        costs[purpose] = {"episodes": episodes, "steps": steps}
    curves = _curves(connection, niches)
    best = best_agents(connection)
    return RunFacts(
        name=name,
        config=config,
        summary=summary,
        curves=curves,
        costs=costs,
        core_hours=curves["core_hours"][-1] or 0.0 if curves["core_hours"] else 0.0,
        homes=[
            Home(
                niche=niche["id"],
                environment=best[niche["id"]].environment,
                agent=best[niche["id"]],
                difficulty=niche["difficulty"],
                description=niche["description"],
            )
            for niche in niches
        ],
        hardest={
            "admitted": _hardest(niches),
            "solved": _hardest([each for each in niches if each["solved"] is not None]),
        },
        best_mean_return=summary["best_agents"]["highest_mean"],
    )


def _hardest(niches: Sequence[Row]) -> str | None:
    measured = [niche for niche in niches if niche["difficulty"] is not None]
    return max(measured, key=lambda niche: niche["difficulty"])["difficulty_level"] if measured else None


def _curves(connection: Connection, niches: Sequence[Row]) -> dict[str, Column]:
    """Thin a run's metrics to `POINTS`: totals and records as they stand, scores as means over each stretch."""
    rows = inspection.metrics(connection)
    if not rows:
        return {name: [] for name in (*AXES, *MEASURES)}
    spent = dict(
        iter(
            connection.execute(
                "SELECT iteration, seconds * workers / 3600 FROM timing JOIN session ON session.id = timing.session"
            )
        )
    )
    at = [row["iteration"] for row in rows]
    whole: dict[str, Column] = {
        "iteration": [iteration + 1 for iteration in at],  # so many are done then
        "steps": np.cumsum([row["steps"] for row in rows]).tolist(),
        "core_hours": np.cumsum([spent.get(iteration, 0.0) for iteration in at]).tolist(),
        "transfers": np.cumsum([row["transfers"] for row in rows]).tolist(),
        "hardest": _record(at, [(niche["born"], niche["difficulty"]) for niche in niches]),
        "hardest_solved": _record(
            at, [(niche["solved"], niche["difficulty"]) for niche in niches if niche["solved"] is not None]
        ),
        **{name: [row[name] for row in rows] for name in ("annecs", "niches", "solved", "mean_score", "best_score")},
    }
    ends = np.unique(np.linspace(0, len(rows) - 1, min(POINTS, len(rows))).round().astype(int)).tolist()
    stretches = list(zip([-1, *ends[:-1]], ends, strict=True))
    return {
        name: [_mean(column[start + 1 : end + 1]) if name in STRETCHED else column[end] for start, end in stretches]
        for name, column in whole.items()
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _record(iterations: Sequence[int], found: Sequence[tuple[int, float | None]]) -> Column:
    """Give the largest value found until each iteration, that included; values are given with when they were found."""
    best: dict[int, float] = {}
    for when, value in found:
        if value is not None:
            best[when] = max(value, best.get(when, value))
    record: float | None = None
    column: Column = []
    for iteration in iterations:
        if iteration in best:
            record = best[iteration] if record is None else max(record, best[iteration])
        column.append(record)
    return column
