"""Several runs as one: interquartile means over a group, with bootstrap intervals over its runs.

After Agarwal et al. 2021 (arXiv:2108.13264): of few runs the interquartile mean is less moved by one lucky run than
the mean, and surer than the median. Pure functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from environments.intervals import RESAMPLES, interquartile_mean, percentiles
from poet.compare.facts import AXES, MEASURES, Column, RunFacts
from poet.errors import InputError

GRID = 120  # points of a group's curve
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The interquartile mean of runs and its 95 % interval, a value a point; None where a run has no value."""

    middle: Column
    low: Column  # None, too, of a single run: nothing is known of the spread
    high: Column

    def to_plain(self) -> dict[str, Column]:
        """Give it as plain values."""
        return {"iqm": self.middle, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class Group:
    """Some runs that count as one, such as seeds of the same settings."""

    name: str
    runs: tuple[int, ...]  # places in the comparison's list
    curves: Mapping[str, Mapping[str, Column | Aggregate]]  # by axis: "x", and every measure
    figures: Mapping[str, Aggregate]  # of every measure, each run's last value: one point

    def to_plain(self, names: Sequence[str]) -> dict[str, object]:
        """Give it as plain values, given the names of all runs."""
        return {
            "name": self.name,
            "runs": [names[place] for place in self.runs],
            "curves": {
                axis: {name: each.to_plain() if isinstance(each, Aggregate) else each for name, each in curve.items()}
                for axis, curve in self.curves.items()
            },
            "figures": {
                name: {key: column[0] for key, column in each.to_plain().items()} for name, each in self.figures.items()
            },
        }


def group(name: str, places: Sequence[int], runs: Sequence[RunFacts]) -> Group:
    """Aggregate some of the runs; curves end where the first of them does.

    Raises:
        InputError: there is none.
    """
    if not places:
        raise InputError(f"the group {name} has no run; give some, as {name}=RUN,RUN")
    members = [runs[place] for place in places]
    curves: dict[str, dict[str, Column | Aggregate]] = {}
    for axis in AXES:
        ends = [run.curves[axis][-1] if run.curves[axis] else 0.0 for run in members]
        grid = np.linspace(0.0, min(float(end or 0.0) for end in ends), GRID)
        curves[axis] = {"x": grid.tolist()}
        for measure in MEASURES:
            values = np.stack([_at(grid, run.curves[axis], run.curves[measure]) for run in members])
            curves[axis][measure] = aggregate(values)
    figures = [run.figures() for run in members]
    last = {
        measure: aggregate(np.array([[figure[measure]] for figure in figures], dtype=np.float64))  # None becomes NaN
        for measure in MEASURES
    }
    return Group(name, tuple(places), curves, last)


def _at(grid: Floats, places: Column, values: Column) -> Floats:
    """Give the last value at or before each point of a grid: (points,), NaN where there is none."""
    xs = np.array(places, dtype=np.float64)
    ys = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    found = np.searchsorted(xs, grid * (1 + 1e-12), side="right") - 1
    return np.where(found >= 0, ys[np.maximum(found, 0)], np.nan) if len(xs) else np.full(len(grid), np.nan)


def aggregate(values: Floats) -> Aggregate:
    """Aggregate values (runs, points)."""
    known: NDArray[np.bool_] = np.asarray(np.isfinite(values).all(axis=0))
    filled = np.where(known, values, 0.0)
    middle = interquartile_mean(filled.T)
    if len(values) < 2:
        nothing: Column = [None] * len(known)
        return Aggregate(_plain(middle, known), nothing, nothing)
    draws = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    means = np.stack([interquartile_mean(column[draws]) for column in filled.T])  # (points, RESAMPLES)
    low, high = percentiles(means)
    return Aggregate(_plain(middle, known), _plain(low, known), _plain(high, known))


def _plain(values: Floats, known: NDArray[np.bool_]) -> Column:
    return [value if ok else None for value, ok in zip(values.tolist(), known.tolist(), strict=True)]
