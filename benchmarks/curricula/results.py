"""What is kept of the comparison: a number for each training and ground, and what each run of POET came to."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from environments.intervals import interval
from environments.tasks.curriculum import SPLITS, Curriculum
from environments.walker2d import DOMAIN
from poet.sweep.cells import OTHERS, RESULT
from poet.sweep.plan import NAME, Cell, Choice

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
            "return": round(float(np.mean(returns)), 1),
            "solved": round(float(np.mean(np.array(returns) >= DOMAIN.solved_return)), 4),
        }
        for ground, modes in result["tests"].items()
        for mode, returns in modes.items()
    ]


def besides(cells: Sequence[Row]) -> list[Row]:
    """Give the differences, within runs, of all pairs of arms on the ground of the comparison, planned or not.

    With an interval and Wilcoxon's p over the runs that both arms have; pairs with fewer than two are left out.
    """
    here = [cell for cell in cells if cell["ground"] == PRIMARY[2]]
    rows = []
    for pair in itertools.combinations(dict.fromkeys(cell["arm"] for cell in here), 2):
        for actions in dict.fromkeys(cell["actions"] for cell in here):
            returns, solved = (
                _differences([cell for cell in here if cell["actions"] == actions], pair, measure)
                for measure in ("return", "solved")
            )
            between = interval(returns)
            if between is None:
                continue
            chance = float(stats.wilcoxon(returns).pvalue) if returns.any() else 1.0
            row = {"arms": pair, "actions": actions, "runs": len(returns), "difference": float(returns.mean())}
            rows.append({**row, "interval": between, "p": chance, "solved": float(solved.mean())})
    return rows


def _differences(cells: Sequence[Row], pair: tuple[str, str], measure: str) -> NDArray[np.float64]:
    """Take the second arm's means from the first's, run by run."""
    first, second = (
        {run: np.mean([cell[measure] for cell in cells if (cell["arm"], cell["run"]) == (arm, run)]) for run in runs}
        for arm in pair
        for runs in [dict.fromkeys(cell["run"] for cell in cells if cell["arm"] == arm)]
    )
    return np.array([first[run] - second[run] for run in first if run in second])


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
