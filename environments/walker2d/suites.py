"""The walker's evaluation suites, from the literature, as environments with fixed seeds.

The published protocols draw a course per episode from the clock; here each
terrain is a fixed number of courses, so that results can be repeated and
compared. `walker` is the set of PAIRED, robust PLR and ACCEL
(arXiv:2203.01302), `high` its harder versions, `xchal` random extremely
challenging courses, `poet` the hardest environments of POET's own runs as
published with ACCEL, `stump-tracks` TeachMyAgent's grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from environments.domain import Environment, Genome
from environments.encodings.parametric import ParametricEncoding
from environments.suites import Level, Suite, Suites
from environments.walker2d.terrain import DOMAINS, STUMP_TRACK

COURSES = 10  # of each terrain
EPISODE_LIMIT = 2000  # control steps, whatever the agents were bred or trained with
SOLVED = 230.0  # every suite's criterion, whatever the agents were bred for


def suites_for(domain: str) -> Suites:
    """Give the makers of the suites for one of the walker's domains: the same courses with either lidar."""
    return {name: partial(_suite, levels, domain) for name, levels in LEVELS.items()}


def _suite(levels: Callable[[], Iterator[Level]], domain: str) -> Suite:
    moved = (replace(level, environment=replace(level.environment, domain=domain)) for level in levels())
    return Suite(levels=tuple(moved), episode_limit=EPISODE_LIMIT, solved_above=SOLVED)


def _course(genome: Genome, seed: int, encoding: str = ParametricEncoding.name) -> Environment:
    return Environment(domain=DOMAINS[0], encoding=encoding, genome=genome, seed=seed)


def _courses(terrain: str, *genomes: Genome) -> Iterator[Level]:
    """Give a terrain's courses; several genomes take turns."""
    for seed in range(COURSES):
        yield Level(terrain, _course(genomes[seed % len(genomes)], seed))


def _hardcore() -> list[Genome]:
    """Come as close to BipedalWalkerHardcore-v3 as the genome allows.

    Gymnasium draws whole numbers: stumps 1 or 2 high and as wide as high, here any height between
    and 1 wide; pits 2 or 3 wide inside their walls, here any width between; 3 or 4 stairs of height
    1, here on alternate courses.
    """
    common = {"roughness": 1.0, "pit_gap": [2.0, 3.0], "stump_height": [1.0, 2.0], "stair_height": [1.0, 1.0]}
    return [{**common, "stair_steps": steps} for steps in (3, 4)]


def _walker() -> Iterator[Level]:
    yield from _courses("BipedalWalker-v3", {"roughness": 1.0})
    yield from _courses("BipedalWalkerHardcore-v3", *_hardcore())
    yield from _courses("Stairs", {"stair_height": [2.0, 2.0], "stair_steps": 5})
    yield from _courses("PitGap", {"pit_gap": [5.0, 5.0]})
    yield from _courses("StumpHeight", {"stump_height": [2.0, 2.0]})
    yield from _courses("Roughness", {"roughness": 5.0})


def _high() -> Iterator[Level]:
    yield from _courses("Stairs high", {"stair_height": [5.0, 5.0], "stair_steps": 9})
    yield from _courses("PitGap high", {"pit_gap": [10.0, 10.0]})
    yield from _courses("StumpHeight high", {"stump_height": [5.0, 5.0]})
    yield from _courses("Roughness high", {"roughness": 9.0})


def _xchal() -> Iterator[Level]:
    for seed in range(10 * COURSES):
        rng = np.random.default_rng(seed)
        stump, gap, roughness = (round(float(rng.uniform(*ends)), 3) for ends in ((2.4, 3), (6, 8), (4.5, 8)))
        genome = {"roughness": roughness, "pit_gap": [0.0, gap], "stump_height": [0.0, stump]}
        yield Level("XChal", _course(genome, seed))


TARGETS = (  # roughness, stump lo and hi, gap lo and hi
    (5.6, 2.4, 2.82, 4.48, 6.4),
    (5.44, 1.8, 2.82, 4.48, 6.72),
    (7.2, 1.98, 2.82, 5.6, 7.2),
    (5.76, 2.16, 2.76, 1.6, 7.2),
    (5.28, 1.98, 2.76, 4.8, 7.2),
    (4.8, 2.4, 2.76, 4.48, 4.8),
)


def _poet() -> Iterator[Level]:
    for number, (roughness, stump_lo, stump_hi, gap_lo, gap_hi) in enumerate(TARGETS, start=1):
        genome = {"roughness": roughness, "stump_height": [stump_lo, stump_hi], "pit_gap": [gap_lo, gap_hi]}
        yield from _courses(f"POET {number}", genome)


def _stump_tracks() -> Iterator[Level]:
    for height in np.linspace(0, 3, 10).round(3).tolist():
        for number, spacing in enumerate(np.linspace(0, 6, 10).round(3).tolist()):
            yield Level(f"height {height:.2f}", _course({"height": height, "spacing": spacing}, number, STUMP_TRACK))


LEVELS: dict[str, Callable[[], Iterator[Level]]] = {
    "walker": _walker,
    "high": _high,
    "xchal": _xchal,
    "poet": _poet,
    "stump-tracks": _stump_tracks,
}
