"""New environments from old ones: who may be a parent, and what the children are.

The mutation step of POET's outer loop (arXiv:1901.01753, algorithm 3); the
admission of children is in `poet.algorithm`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from environments.domain import Encoding, Environment
from environments.settings import Bounds, check_bounds
from evolution.noise import Stream, keyed_rng

TERRAIN_SEEDS = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproductionSettings:
    """When and how environments reproduce; the defaults are POET's."""

    every: Annotated[int, Bounds(1, 10**6)] = 200  # iterations
    parent_score: float = 200.0  # a parent's agent scores at least this in it
    children: Annotated[int, Bounds(1, 10**6)] = 8  # tried at each reproduction
    admitted: Annotated[int, Bounds(1, 10**6)] = 1  # at most, of them
    capacity: Annotated[int, Bounds(1, 10**6)] = 20  # active pairs; above it the oldest retires
    neighbours: Annotated[int, Bounds(1, 10**6)] = 5  # in the measure of novelty
    novelty: str = "encoding"  # what measures it; or "pata-ec", Enhanced POET's, or another package's
    whole_archive: bool = False  # test those admitted against every agent there ever was, for ANNECS

    def __post_init__(self) -> None:
        check_bounds(self)

    def due(self, iteration: int) -> bool:
        """Say whether environments reproduce before this iteration's steps of the optimiser."""
        return iteration > 0 and iteration % self.every == 0


@dataclass(frozen=True, slots=True)
class Child:
    """A mutated environment and the niche it came from."""

    number: int  # among its siblings
    parent: int  # niche id
    environment: Environment


def bear_children(
    parents: Sequence[tuple[int, Environment]],
    encoding_of: Callable[[Environment], Encoding],
    settings: ReproductionSettings,
    seed: int,
    iteration: int,
) -> list[Child]:
    """Mutate uniformly drawn parents, given as (niche id, environment), into `settings.children` children."""
    children = []
    for number in range(settings.children):
        rng = keyed_rng(seed, Stream.CHILD, iteration, number)
        niche, parent = parents[int(rng.integers(len(parents)))]
        environment = Environment(
            domain=parent.domain,
            encoding=parent.encoding,
            genome=encoding_of(parent).mutate(parent.genome, rng),
            seed=int(rng.integers(TERRAIN_SEEDS)),
        )
        children.append(Child(number, niche, environment))
    return children
