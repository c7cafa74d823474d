"""What a sweep came to: interquartile means over runs with bootstrap intervals, and the one contrast it is for.

The unit is the POET run that a curriculum is of, not the learner's seed: runs are resampled, and seeds within them.
Agarwal et al. 2021 (arXiv:2108.13264) for interquartile means and stratified bootstrap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.documents import parse_json
from environments.intervals import RESAMPLES, interquartile_mean, percentiles
from poet.errors import InputError
from poet.sweep.plan import Cell

Floats = NDArray[np.float64]
TABLE = "table.json"
KEPT = ("steps", "trainings", "rows", "contrasts")  # of a table that another took the place of
Results = Mapping[str, list[tuple[Cell, dict[str, Any]]]]  # by arm


def rows_of(results: Results, solved_return: float, runs: Mapping[str, int | None]) -> list[dict[str, Any]]:
    """Give a row for each arm, ground and way of acting.

    Args:
        results: of all trainings.
        solved_return: from which an episode counts as solved.
        runs: by curriculum the control steps of the run that it is of, None where unknown. An arm whose teacher makes
            use of a run has their mean as `run_steps`, beside the mean of its own `steps`.
    """
    rows = []
    for arm, cells in results.items():
        cost = {"steps": float(np.mean([result["steps"] for _, result in cells])), "run_steps": _owed(cells, runs)}
        grounds = dict.fromkeys(ground for _, result in cells for ground in result["tests"])
        for ground in grounds:
            for mode in cells[0][1]["tests"][ground]:
                returns = by_run(cells, ground, mode, np.mean)
                solved = by_run(cells, ground, mode, lambda episodes: np.mean(episodes >= solved_return))
                rows.append(
                    {
                        "arm": arm,
                        "ground": ground,
                        "actions": mode,
                        "runs": len(returns),
                        "trainings": returns.size,
                        **cost,
                        "return": float(interquartile_mean(returns.ravel())),
                        "interval": bootstrap(returns, interquartile_mean),
                        "solved": float(solved.mean()),
                        "solved_interval": bootstrap(solved, lambda drawn: drawn.mean(-1)),
                    }
                )
    return rows


def read_tables(path: Path) -> list[dict[str, Any]]:
    """Read what was written of a sweep: its last table, and before it those of fewer steps or trainings.

    Raises:
        InputError: the file is damaged.
    """
    try:
        last = parse_json(path.read_bytes())
        tables = [{name: table.get(name) for name in KEPT} for table in [*last.get("earlier", []), last]]
        for table in tables:
            if type(table["steps"]) is not int or not all(
                isinstance(table[name], list) for name in ("rows", "contrasts")
            ):
                raise ValueError("a table lacks something")
    except FileNotFoundError:
        return []
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); it tells how the sweep stood before, so move it elsewhere to go on"
        ) from error
    return tables


def _owed(cells: Sequence[tuple[Cell, dict[str, Any]]], runs: Mapping[str, int | None]) -> float | None:
    owed = [runs.get(cell.curriculum) if cell.owes else 0 for cell, _ in cells]
    known = [steps for steps in owed if steps is not None]
    return float(np.mean(known)) if len(known) == len(owed) else None


def by_run(cells: Sequence[tuple[Cell, dict[str, Any]]], ground: str, mode: str, measure: Any) -> Floats:
    """Give one number a training (R, S), curricula by seeds; those without the ground are left out."""
    found: dict[str, list[float]] = {}
    for cell, result in cells:
        if ground in result["tests"]:
            found.setdefault(cell.curriculum, []).append(float(measure(np.array(result["tests"][ground][mode]))))
    return np.array(list(found.values()))


def bootstrap(runs: Floats, statistic: Any) -> list[float] | None:
    """Give the 95 % percentile interval of (R, S): runs are drawn, and trainings within them; None of a single one."""
    if runs.size < 2:
        return None
    return _ends(statistic(_drawn(runs, np.random.default_rng(0)).reshape(RESAMPLES, -1)))


def _drawn(runs: Floats, rng: np.random.Generator) -> Floats:
    """Resample runs, and in each of those its trainings: (RESAMPLES, R, S)."""
    count, seeds = runs.shape
    places = rng.integers(count, size=(RESAMPLES, count))
    return np.asarray(runs[places[..., None], rng.integers(seeds, size=(RESAMPLES, count, seeds))])


def _ends(found: Floats) -> list[float]:
    return [float(end) for end in percentiles(found)]


def contrast(results: Results, compared: tuple[str, str, str], mode: str) -> dict[str, Any] | None:
    """Compare two arms on a ground: mean difference within runs, its interval, and a rank test's p.

    None where either arm lacks runs with that ground.

    With several runs they are pairs, and the test is Wilcoxon's; within a single one it is Mann and Whitney's, over
    seeds.
    """
    from scipy import stats  # noqa: PLC0415

    *arms, ground = compared
    first, second = (by_run(results.get(arm, []), ground, mode, np.mean) for arm in arms)
    if not first.size or not second.size:
        return None
    differences = first.mean(1) - second.mean(1)
    if len(differences) == 1:
        test, chance = "Mann-Whitney, over seeds", float(stats.mannwhitneyu(first[0], second[0]).pvalue)
    else:
        test = "Wilcoxon, over runs"
        chance = float(stats.wilcoxon(differences).pvalue) if differences.any() else 1.0
    # Both arms with the same runs drawn, which are pairs, and each with trainings of its own.
    rng = np.random.default_rng(0)
    places = rng.integers(len(first), size=(RESAMPLES, len(first)))
    drawn = [
        each[places[..., None], rng.integers(each.shape[1], size=(*places.shape, each.shape[1]))].mean((1, 2))
        for each in (first, second)
    ]
    return {
        "arms": arms,
        "ground": ground,
        "actions": mode,
        "runs": len(differences),
        "difference": float(differences.mean()),
        "interval": _ends(drawn[0] - drawn[1]),
        "test": test,
        "p": chance,
    }
