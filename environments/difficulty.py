"""How hard a course is: four levels in POET's words, and an order within them; each domain measures its own courses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment, find_domain

LEVELS = ("easy", "challenging", "very challenging", "extremely challenging")


@dataclass(frozen=True, slots=True, order=True)
class Difficulty:
    """Place of a course among courses; larger is harder."""

    level: int  # index into LEVELS
    score: float  # an order among courses of a level

    @property
    def name(self) -> str:
        """The paper's word."""
        return LEVELS[self.level]


@dataclass(frozen=True, slots=True, eq=False)
class LevelVectors:
    """Courses as vectors in which other tools keep them."""

    columns: tuple[str, ...]
    rows: NDArray[np.float64]  # (courses, columns)


@runtime_checkable
class Graded(Protocol):
    """A domain that measures its courses."""

    def difficulty(self, environment: Environment) -> Difficulty | None:
        """Measure a course; None where its encoding has no measure."""
        ...


@runtime_checkable
class Listed(Protocol):
    """A domain whose courses other tools keep as vectors."""

    def level_vectors(self, environments: Sequence[Environment]) -> LevelVectors | None:
        """Write courses, all in the same columns; None where one has no such vector."""
        ...


def difficulty_of(environment: Environment) -> Difficulty | None:
    """Measure a course; None where its domain or encoding has no measure."""
    domain = find_domain(environment.domain)
    return domain.difficulty(environment) if isinstance(domain, Graded) else None


def level_vectors_of(environments: Sequence[Environment]) -> LevelVectors | None:
    """Write courses of one domain as vectors; None where the domain or their encoding has none."""
    domain = find_domain(environments[0].domain)
    return domain.level_vectors(environments) if isinstance(domain, Listed) else None
