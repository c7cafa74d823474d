"""Runs that differ in one setting: POET without transfer, and PATA-EC against encoding novelty.

Each is an ordinary run in a folder of its own, which every command reads. They
advance in turns, so that at any time all have come about equally far. What they
are compared by is read from their archives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cluster.executor import Executor
from evolution.novelty import novelty
from poet.archive import inspection
from poet.archive.reading import read_config, read_population, reading
from poet.config import Config, build, merge
from poet.novelty import places_of
from poet.population import Population
from poet.records import Journal
from poet.session import Choices, evolve_archive, open_run, rescore_archive

Row = dict[str, Any]
Table = Mapping[str, Any]

TURN = 5  # iterations that a run advances by before it is another's turn

# The settings of each variant. ANNECS is measured in all, which changes nothing else.
MEASURED: Table = {"reproduction": {"whole_archive": True}}
NO_TRANSFER: Mapping[str, Table] = {"with-transfer": {}, "without-transfer": {"transfer": {"rule": "none"}}}
NOVELTY: Mapping[str, Table] = {
    "encoding": {"reproduction": {"novelty": "encoding"}},
    "pata-ec": {"reproduction": {"novelty": "pata-ec"}},
}


@dataclass(frozen=True, slots=True)
class Plan:
    """One of the runs: where it is, and its settings."""

    folder: Path
    variant: str
    table: Table


def plan(folder: Path, variants: Mapping[str, Table], base: Table, seeds: Sequence[int]) -> list[Plan]:
    """List the runs, those of one seed after another."""
    return [
        Plan(folder / f"{name}-{seed}", name, merge(merge(merge(base, MEASURED), settings), {"seed": seed}))
        for seed in seeds
        for name, settings in variants.items()
    ]


def advance(planned: Plan, executor: Executor, told: Callable[[int], None]) -> bool:
    """Let a run take its turn; `told` hears of the iterations it has done. Says whether it is at its end.

    Raises:
        InputError: the settings are wrong, or the folder holds a run with others.
    """
    iterations = build(planned.table, planned.variant).iterations
    choices = Choices(base=planned.table, overrides={"iterations": iterations}, origin=planned.variant)
    archive = open_run(planned.folder, choices, {})
    try:
        wanted, done = archive.config.iterations, archive.population.iteration
        told(done)
        if done < wanted:
            archive.config = replace(archive.config, iterations=min(done + TURN, wanted))
            evolve_archive(archive, executor, _Teller(told))
        ended = archive.population.iteration >= wanted
        if ended:
            rescore_archive(archive, executor, _Teller(lambda done: None))
        return ended
    finally:
        archive.close()


class _Teller:
    """A display that only passes on how far a run has come."""

    def __init__(self, told: Callable[[int], None]) -> None:
        self._told = told

    def phase(self, purpose: str, done: int, total: int) -> None:
        pass

    def iteration(self, population: Population, journal: Journal, seconds: float) -> None:
        self._told(population.iteration)

    def close(self) -> None:
        pass


def compare(planned: Sequence[Plan]) -> list[Row]:
    """Give a row for each run: what it admitted and solved, how far apart that lies, and what it cost."""
    return [_compare(each) for each in planned]


def _compare(planned: Plan) -> Row:
    with reading(planned.folder) as connection:
        config, population = read_config(connection), read_population(connection)
        figures, niches = inspection.summary(connection), inspection.niches(connection)
    levels = Counter(row["difficulty_level"] for row in niches if row["solved"] is not None and row["difficulty_level"])
    return {
        "run": planned.folder.name,
        "variant": planned.variant,
        "seed": config.seed,
        "iterations": figures["iterations"],
        "admitted": figures["niches"] - 1,
        "solved": figures["solved"],
        "created": figures["annecs"]["created"],
        "annecs": figures["annecs"]["created_and_solved"],
        "solved_by_level": dict(sorted(levels.items())),
        "spread": _spread(config, population),
        "transfers": figures["transfers"]["accepted"],
        "steps": sum(figures["steps"].values()),
    }


def _spread(config: Config, population: Population) -> float | None:
    """Say how far the niches lie from each other's nearest, by the encoding's distance; None of fewer than two."""
    places = places_of([niche.environment for niche in population.niches], config)
    if len(places) < 2:
        return None
    distances = [
        novelty(place, np.delete(places, number, axis=0), config.reproduction.neighbours)
        for number, place in enumerate(places)
    ]
    return float(np.mean(distances))
