"""How hard a course of the walker is, by its parametric genome alone, and courses as DCD keeps them.

The paper's measure (arXiv:1901.01753, section 4.2) counts how many of three
genes reach a threshold: none is easy, one challenging, two very and three
extremely challenging.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from environments.difficulty import Difficulty, LevelVectors
from environments.domain import Environment
from environments.encodings.parametric import ParametricEncoding, ParametricGenome
from environments.encodings.physics import SECTION, ground_of

STUMP, GAP, ROUGHNESS = 2.4, 6.0, 4.5  # from here on a gene counts; the upper end of a range decides


def difficulty(environment: Environment) -> Difficulty | None:
    """Measure a course by its genome; None where that is not parametric. The score is the mean share of thresholds."""
    genome = _genome(environment)
    if genome is None:
        return None
    stump, gap = (genome.stump_height or (0.0, 0.0))[1], (genome.pit_gap or (0.0, 0.0))[1]
    shares = (stump / STUMP, gap / GAP, genome.roughness / ROUGHNESS)
    # A rounding error below the threshold still meets it: 12 steps of 0.2 must count as 2.4.
    return Difficulty(sum(share >= 1 - 1e-9 for share in shares), sum(shares) / 3)


def level_vectors(environments: Sequence[Environment]) -> LevelVectors | None:
    """Write courses as DCD's bipedal levels, with stairs where one has any; None where a genome is not parametric.

    None too where a body is not the ordinary one: their levels have no place for it.
    """
    if any(SECTION in each.genome for each in environments):
        return None
    genomes = [genome for each in environments if (genome := _genome(each)) is not None]
    if len(genomes) < len(environments):
        return None
    columns = ["roughness", "pit_gap_lo", "pit_gap_hi", "stump_height_lo", "stump_height_hi"]
    rows = [[each.roughness, *(each.pit_gap or (0.0, 0.0)), *(each.stump_height or (0.0, 0.0))] for each in genomes]
    if any(each.stair_height for each in genomes):
        columns += ["stair_height_lo", "stair_height_hi", "stair_steps"]
        for row, each in zip(rows, genomes, strict=True):
            row += [*(each.stair_height or (0.0, 0.0)), each.stair_steps if each.stair_height else 0]
    for row, environment in zip(rows, environments, strict=True):
        row.append(environment.seed)
    return LevelVectors((*columns, "seed"), np.array(rows, dtype=np.float64))


def _genome(environment: Environment) -> ParametricGenome | None:
    ours = environment.encoding == ParametricEncoding.name
    return ParametricGenome.from_json(ground_of(environment.genome)) if ours else None
