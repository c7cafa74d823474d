"""What is kept of the comparison: a number for each training and ground, and what each run of POET came to."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from environments.tasks.curriculum import SPLITS, Curriculum
from environments.walker2d import DOMAIN
from poet.sweep.cells import OTHERS, RESULT
from poet.sweep.plan import NAME, Cell, Choice
from poet.sweep.summary import by_run, contrast

CELLS, RUNS = "cells.json", "runs.json"
PRIMARY = ("ppo/stages", "ppo/random", OTHERS, "deterministic")
"""The one comparison: arms, ground and way of acting. Written down on 28 November 2026, before any of its trainings."""
Row = dict[str, Any]


def cells_of(sweep: Path) -> list[Row]:
    """Give a row for each training, ground and way of acting: the mean return and the share solved."""
    planned = json.loads((sweep / NAME).read_text(encoding="utf-8"))["sweep"]
    learners, teachers = ([Choice(**each) for each in planned[name]] for name in ("learners", "teachers"))
    cells = itertools.product(planned["curricula"], learners, teachers, planned["seeds"])
    return [row for each in cells for row in _cells(sweep, Cell(*each))]


def _cells(sweep: Path, cell: Cell) -> list[Row]:
    result = json.loads((sweep / cell.name / RESULT).read_text(encoding="utf-8"))
    return [
        {
            "arm": cell.arm,
            "run": cell.curriculum,
            "seed": cell.seed,
            "steps": result["steps"],
            "ground": ground,
            "actions": mode,
            "episodes": int(np.size(returns)),
            "return": round(float(np.mean(returns)), 3),
            "solved": round(float(np.mean(np.array(returns) >= DOMAIN.solved_return)), 4),
        }
        for ground, modes in result["tests"].items()
        for mode, returns in modes.items()
    ]


def besides(cells: Sequence[Row]) -> list[Row]:
    """Compare all pairs of arms on the ground of the comparison, planned or not, as `poet sweep` compares two.

    Each row has the differences of the runs, too, smallest first, and that of the shares solved.
    """
    here = [cell for cell in cells if cell["ground"] == PRIMARY[2]]
    rows = []
    for pair in itertools.combinations(dict.fromkeys(cell["arm"] for cell in here), 2):
        for mode in dict.fromkeys(cell["actions"] for cell in here):
            returns, solved = (_results(here, pair, mode, measure) for measure in ("return", "solved"))
            found, share = (contrast(each, (*pair, PRIMARY[2]), mode) for each in (returns, solved))
            if found and share and found["runs"] > 1:
                first, second = (by_run(returns[arm], PRIMARY[2], mode, np.mean).mean(1) for arm in pair)
                rows.append({**found, "solved": share["difference"], "differences": sorted(first - second)})
    return rows


def _results(cells: Sequence[Row], pair: tuple[str, str], mode: str, measure: str) -> dict[str, Any]:
    """Lay out what is kept of two arms' trainings as a sweep's results, of the runs that both have."""
    shared = set.intersection(*({cell["run"] for cell in cells if cell["arm"] == arm} for arm in pair))
    found: dict[str, Any] = {arm: [] for arm in pair}
    for cell in cells:
        if cell["arm"] in pair and cell["run"] in shared and cell["actions"] == mode:
            result = {"tests": {cell["ground"]: {mode: [cell[measure]]}}}
            found[cell["arm"]].append((SimpleNamespace(curriculum=cell["run"]), result))
    return found


def runs_of(curricula: Sequence[Path]) -> list[Row]:
    """Give a row for each run of POET: its steps, tasks, and how far they reach."""
    rows = []
    for folder in curricula:
        found = Curriculum.load(folder)
        tasks = [task.environment.genome for task in found.stages]
        rows.append(
            {
                "run": folder.name,
                "steps": found.steps,
                "tasks": len(tasks),
                "solved": sum(bool(row["solved"]) for row in found.rows()),
                **{split: len(found.split(split)) for split in SPLITS},
                "roughness": max(genome["roughness"] for genome in tasks),
                "pit_gap": max((genome["pit_gap"] or (0, 0))[1] for genome in tasks),
                "stump_height": max((genome["stump_height"] or (0, 0))[1] for genome in tasks),
            }
        )
    return rows
