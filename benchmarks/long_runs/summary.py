"""What a run has reached, as one JSON table small enough to keep."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate
from pathlib import Path
from typing import Any

from environments.difficulty import LEVELS
from environments.domain import Environment
from environments.encodings.cppn import relief
from environments.encodings.parametric import ParametricGenome
from environments.walker2d.difficulty import difficulty
from environments.walker2d.terrain import cppn_inputs
from poet.archive import inspection
from poet.archive.reading import read_config, reading

Row = dict[str, Any]

KEPT_POINTS = 200  # of a curve


def summarise(folder: Path) -> Row:
    """Summarise a walker run as far as it has come; it may go on meanwhile.

    Costs are simulated steps, and core-hours of the machines it ran on: the time of its iterations by the
    workers each had.
    """
    with reading(folder) as connection:
        config = read_config(connection)
        metrics, niches = inspection.metrics(connection), inspection.niches(connection)
        totals = inspection.summary(connection)
        times = dict(
            iter(
                connection.execute(
                    "SELECT iteration, seconds * workers FROM timing JOIN session ON session.id = timing.session"
                )
            )
        )
    steps = list(accumulate(row["steps"] for row in metrics))
    hours = list(accumulate(times.get(row["iteration"], 0.0) / 3600 for row in metrics))

    def cost(iteration: int | None) -> Row | None:
        """Give what had been spent at the end of an iteration."""
        if iteration is None or not steps:
            return None
        place = min(iteration, len(steps) - 1)
        return {"iteration": iteration, "steps": steps[place], "hours": round(hours[place], 3)}

    rows = []
    for niche in niches:
        environment = Environment(
            domain=config.domain,
            encoding=config.encoding.name,
            genome=niche["genome"],
            seed=niche["terrain_seed"],
        )
        rows.append(
            {
                "id": niche["id"],
                "parent": niche["parent"],
                "admitted": cost(niche["born"]),
                "solved": cost(niche["solved"]),
                "description": niche["description"],
                **measures(environment),
            }
        )
    stride = max(len(metrics) // KEPT_POINTS, 1)
    return {
        "settings": config.to_table(),
        "iterations": len(metrics),
        "steps": steps[-1] if steps else 0,
        "core_hours": round(hours[-1], 2) if hours else 0.0,
        "steps_of": totals["steps"],
        "transfers": totals["transfers"],
        "annecs": totals["annecs"],
        "diverged_episodes": totals["diverged_episodes"],
        "curves": {
            "steps": steps[::stride],
            "hours": [round(value, 3) for value in hours[::stride]],
            **{name: [row[name] for row in metrics[::stride]] for name in ("niches", "solved", "created", "annecs")},
        },
        "levels": {
            "admitted": count_levels([row for row in rows if row["parent"] is not None]),
            "solved": count_levels([row for row in rows if row["parent"] is not None and row["solved"] is not None]),
        },
        "niches": rows,
    }


def measures(environment: Environment) -> Row:
    """Measure what the paper counts, and of a CPPN's ground its relief in m; obstacles on it count like others."""
    genome = environment.genome
    genes = genome if environment.encoding == "parametric" else genome.get("parametric", {})
    parametric = ParametricGenome.from_json(genes)
    graded = difficulty(
        Environment(domain=environment.domain, encoding="parametric", genome=genes, seed=environment.seed)
    )
    found: Row = {
        "stump": (parametric.stump_height or (0.0, 0.0))[1],
        "gap": (parametric.pit_gap or (0.0, 0.0))[1],
        "roughness": parametric.roughness,
        "level": graded.level if graded else 0,
    }
    if "cppn" in genome:
        heights = relief(genome["cppn"], cppn_inputs())
        found["relief"] = round(float(heights.max() - heights.min()), 3)
    return found


def count_levels(rows: list[Row]) -> dict[str, int]:
    """Count grounds by the paper's words."""
    counts = Counter(LEVELS[row["level"]] for row in rows)
    return {name: counts[name] for name in LEVELS}
