"""What a run has reached, as one JSON table small enough to keep."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import accumulate
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from benchmarks.long_runs.choosing import was_admitted
from benchmarks.long_runs.measures import count_levels, measures
from environments.domain import Environment
from poet.archive import inspection
from poet.archive.reading import read_config, reading
from poet.config import Config

Row = dict[str, Any]

KEPT_POINTS = 200  # of a curve
FRESH = ("mean_return", "return_interval")  # of a niche's best agent, in fresh episodes; null where none are known


def summarise(folder: Path) -> Row:
    """Summarise a run as far as it has come; it may go on meanwhile.

    Costs are simulated steps, and core-hours of the machines it ran on: the time of its iterations by the
    workers each had.
    """
    with reading(folder) as connection:
        config = read_config(connection)
        metrics, niches = inspection.metrics(connection), inspection.niches(connection)
        totals, moves = inspection.summary(connection), _moves(connection)
        spent = _spent(connection)
    steps, hours = spent
    cost = _cost_of(steps, hours)
    rows = [_niche(niche, config, cost) for niche in niches]
    admitted = [row for row in rows if was_admitted(row)]
    solved = [row for row in admitted if row["solved"] is not None]
    stride = max(len(metrics) // KEPT_POINTS, 1)
    found = {
        "domain": config.domain,
        "settings": config.to_table(),
        "source": totals["source"],
        "iterations": len(metrics),
        "steps": steps[-1] if steps else 0,
        "core_hours": round(hours[-1], 2) if hours else 0.0,
        "steps_of": totals["steps"],
        "children": totals["children"],
        "transfers": totals["transfers"],
        "transfer_episodes": totals["transfer_episodes"],
        "tournaments": moves,
        "annecs": totals["annecs"],
        "diverged_episodes": totals["diverged_episodes"],
        "curves": {
            "steps": steps[::stride],
            "hours": [round(value, 3) for value in hours[::stride]],
            **{
                name: [row[name] for row in metrics[::stride]]
                for name in ("niches", "solved", "admitted_solved", "created", "annecs", "mean_score")
            },
        },
        "levels": {"admitted": count_levels(admitted), "solved": count_levels(solved)},
        "niches": rows,
    }
    if rows and "climb_level" in rows[0]:
        found["climb_levels"] = {
            name: count_levels(group, "climb_level") for name, group in (("admitted", admitted), ("solved", solved))
        }
    return found


def before(name: str, runs: Mapping[str, Row]) -> Row:
    """Add up what the runs came to, as far as their summaries are kept, that a run branched off one after another.

    Returns:
        `steps`, `core_hours`, and `admitted`, how many grounds; `known`, whether all of these runs are kept.
    """
    spent: Row = {"steps": 0, "core_hours": 0.0, "admitted": 0, "known": True}
    seen, source = {name}, runs[name].get("source")
    while source:
        earlier = source["name"].partition("/")[0]
        if earlier not in runs or earlier in seen:
            return {**spent, "known": False}
        seen.add(earlier)
        spent["steps"] += runs[earlier]["steps"]
        spent["core_hours"] += runs[earlier]["core_hours"]
        spent["admitted"] += sum(map(was_admitted, runs[earlier]["niches"]))
        source = runs[earlier].get("source")
    return spent


def _niche(niche: Row, config: Config, cost: Callable[[int | None], Row | None]) -> Row:
    """Tell of a niche: who its parent is, when it came and was solved, at what cost, and how hard it is."""
    environment = Environment(
        domain=config.domain, encoding=niche["encoding"], genome=niche["genome"], seed=niche["terrain_seed"]
    )
    return {
        "id": niche["id"],
        "parent": niche["parent"],
        "retired": niche["retired"],
        "admitted": cost(niche["born"]),
        "solved": cost(niche["solved"]),
        "best_score": niche["best_score"],
        **{name: niche[name] for name in FRESH},
        "description": niche["description"],
        "environment": json.loads(environment.to_json()),
        **measures(environment),
    }


def _spent(connection: Connection) -> tuple[list[int], list[float]]:
    """Give steps and core-hours until the end of every iteration."""
    rows = connection.execute(
        """SELECT iteration.iteration, (SELECT coalesce(sum(steps), 0) FROM cost
                WHERE cost.iteration = iteration.iteration),
            (SELECT coalesce(sum(seconds * workers), 0) FROM timing JOIN session ON session.id = timing.session
                WHERE timing.iteration = iteration.iteration)
        FROM iteration ORDER BY iteration.iteration"""
    ).fetchall()
    return list(accumulate(row[1] for row in rows)), list(accumulate(row[2] / 3600 for row in rows))


def _cost_of(steps: list[int], hours: list[float]) -> Callable[[int | None], Row | None]:
    def cost(iteration: int | None) -> Row | None:
        """Give what had been spent at the end of an iteration."""
        if iteration is None or not steps:
            return None
        place = min(iteration, len(steps) - 1)
        return {"iteration": iteration, "steps": steps[place], "hours": round(hours[place], 3)}

    return cost


def _moves(connection: Connection) -> list[list[int]]:
    """Give of every iteration with tournaments how many there were and how many an agent won from elsewhere."""
    attempts: Counter[int] = Counter()
    accepted: Counter[int] = Counter()
    for iteration, source in connection.execute("SELECT iteration, source FROM transfer ORDER BY iteration"):
        attempts[iteration] += 1
        accepted[iteration] += source is not None
    return [[iteration, count, accepted[iteration]] for iteration, count in attempts.items()]
