"""What mutation does to grounds without any agent: the yardstick of a run's difficulty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.long_runs.measures import axes_of, measures
from environments.domain import Environment, find_domain

SEEDS = 60
MOST = 400  # admissions until which a level is waited for


def drift(settings: Mapping[str, Any], admissions: int, seeds: int = SEEDS) -> dict[str, list[float]]:
    """Give the median over seeds of the hardest ground so far, after each admission.

    Every admission is a child of a ground drawn uniformly from those active, the oldest of which retires beyond
    capacity, as in a run's reproduction where every child is let in.

    Args:
        settings: a run's, as a table.
        admissions: how many.
        seeds: how many times it is done.

    Returns:
        `admissions` medians by measure.
    """
    names = (*axes_of(settings["domain"]), "level")
    reached = np.array([_walk(settings, admissions, seed, names) for seed in range(seeds)])
    return dict(zip(names, np.median(reached, axis=0).T.round(6).tolist(), strict=True))


def _walk(settings: Mapping[str, Any], admissions: int, seed: int, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Mutate once, so many times over: the hardest so far by every measure, (admissions, measures)."""
    encoding = find_domain(settings["domain"]).encoding(settings["encoding"]["name"], settings["encoding"]["options"])
    capacity, rng = settings["reproduction"]["capacity"], np.random.default_rng(seed)
    active, found = [encoding.initial()], []
    for number in range(admissions):
        child = encoding.mutate(active[int(rng.integers(len(active)))], rng)
        active = [*active, child][-capacity:]
        environment = Environment(
            domain=settings["domain"], encoding=settings["encoding"]["name"], genome=child, seed=number
        )
        told = measures(environment)
        found.append([told[name] for name in names])
    hardest: NDArray[np.float64] = np.maximum.accumulate(np.array(found, dtype=np.float64))
    return hardest


def admissions_to_levels(settings: Mapping[str, Any], seeds: int = SEEDS, most: int = MOST) -> list[float | None]:
    """Say how many admissions drift needs, in the median, to each level beyond easy; None beyond `most`."""
    walks = np.array([_walk(settings, most, seed, ("level",))[:, 0] for seed in range(seeds)])
    needed = []
    for level in (1, 2, 3):
        there = walks >= level
        first = np.where(there.any(axis=1), there.argmax(axis=1) + 1.0, np.inf)
        median = float(np.median(first))
        needed.append(median if np.isfinite(median) else None)
    return needed
