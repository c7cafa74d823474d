"""How hard a course is: the walker's by its parametric genome alone; other domains have measures of their own.

For the walker the paper's measure (arXiv:1901.01753, section 4.2) counts how many of three
genes reach a threshold: none is easy, one challenging, two very and three
extremely challenging. `score` refines it to an order among courses of a level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment, find_domain
from environments.encodings.parametric import ParametricEncoding, ParametricGenome

LEVELS = ("easy", "challenging", "very challenging", "extremely challenging")
STUMP, GAP, ROUGHNESS = 2.4, 6.0, 4.5  # from here on a gene counts; the upper end of a range decides


@dataclass(frozen=True, slots=True, order=True)
class Difficulty:
    """Place of a course among courses; larger is harder."""

    level: int  # thresholds met, 0 to 3
    score: float  # mean of the three genes over their thresholds

    @property
    def name(self) -> str:
        """The paper's word."""
        return LEVELS[self.level]


@runtime_checkable
class Graded(Protocol):
    """A domain that measures its courses itself."""

    def difficulty(self, environment: Environment) -> Difficulty | None:
        """Measure a course."""
        ...


def difficulty_of(environment: Environment) -> Difficulty | None:
    """Measure a course; None where its domain or encoding has no measure."""
    domain = find_domain(environment.domain)
    return domain.difficulty(environment) if isinstance(domain, Graded) else None


def parametric_difficulty(environment: Environment) -> Difficulty | None:
    """Measure a walker's course by its genome; None where that is not parametric."""
    genome = _walker_genome(environment)
    if genome is None:
        return None
    stump, gap = (genome.stump_height or (0.0, 0.0))[1], (genome.pit_gap or (0.0, 0.0))[1]
    shares = (stump / STUMP, gap / GAP, genome.roughness / ROUGHNESS)
    # A rounding error below the threshold still meets it: 12 steps of 0.2 must count as 2.4.
    return Difficulty(sum(share >= 1 - 1e-9 for share in shares), sum(shares) / 3)


def level_vector(environment: Environment, stairs: bool) -> NDArray[np.float64] | None:
    """Write a course as DCD's bipedal levels: roughness, pit lo and hi, stump lo and hi, seed.

    Args:
        environment: the course; None is returned where its genome is not the walker's parametric one.
        stairs: insert stair lo, hi and number of steps before the seed.
    """
    genome = _walker_genome(environment)
    if genome is None:
        return None
    parts = [genome.roughness, *(genome.pit_gap or (0.0, 0.0)), *(genome.stump_height or (0.0, 0.0))]
    if stairs:
        parts += [*(genome.stair_height or (0.0, 0.0)), genome.stair_steps if genome.stair_height else 0]
    return np.array([*parts, environment.seed], dtype=np.float64)


def _walker_genome(environment: Environment) -> ParametricGenome | None:
    if environment.encoding != ParametricEncoding.name:
        return None
    encoding = find_domain(environment.domain).encoding(environment.encoding, {})
    return ParametricGenome.from_json(environment.genome) if isinstance(encoding, ParametricEncoding) else None
