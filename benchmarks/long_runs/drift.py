"""What mutation does to grounds without any agent: the yardstick of a run's difficulty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.long_runs.summary import measures
from environments.domain import Environment, find_domain

SEEDS = 60
MEASURES = ("stump", "gap", "roughness", "level")


def drift(settings: Mapping[str, Any], admissions: int) -> dict[str, list[float]]:
    """Give the median over seeds of the hardest ground so far, after each admission.

    Every admission is a child of a ground drawn uniformly from those active, the oldest of which retires beyond
    capacity, as in a run's reproduction where every child is let in.

    Args:
        settings: a run's, as a table.
        admissions: how many.

    Returns:
        `admissions` medians by measure.
    """
    encoding = find_domain(settings["domain"]).encoding(settings["encoding"]["name"], settings["encoding"]["options"])
    capacity = settings["reproduction"]["capacity"]
    reached: dict[str, list[NDArray[np.float64]]] = {name: [] for name in MEASURES}
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        active = [encoding.initial()]
        hardest = {name: np.zeros(admissions) for name in MEASURES}
        for number in range(admissions):
            child = encoding.mutate(active[int(rng.integers(len(active)))], rng)
            active = [*active, child][-capacity:]
            environment = Environment(
                domain=settings["domain"], encoding=settings["encoding"]["name"], genome=child, seed=0
            )
            found = measures(environment)
            for name in MEASURES:
                before = hardest[name][number - 1] if number else 0.0
                hardest[name][number] = max(before, found[name])
        for name in MEASURES:
            reached[name].append(hardest[name])
    return {name: np.median(rows, axis=0).round(3).tolist() for name, rows in reached.items()}
