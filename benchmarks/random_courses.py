"""Courses of the walker that are drawn at random, every gene up to a most."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from environments.domain import Environment, Genome

# What the literature calls extremely challenging (arXiv:1901.01753, section 4).
HARD = {"roughness": 4.5, "pit_gap": 6.0, "stump_height": 2.4}


def random_tasks(count: int, seed: int, most: Mapping[str, float]) -> list[Environment]:
    """Draw every gene uniformly from nothing to a most: domain randomisation."""
    rng = np.random.default_rng([seed, count])

    def pair(maximum: float) -> list[float]:
        return sorted(round(float(end), 1) for end in rng.uniform(0, maximum, 2))

    return [
        _course(
            {
                "roughness": round(float(rng.uniform(0, most["roughness"])), 1),
                "pit_gap": pair(most["pit_gap"]),
                "stump_height": pair(most["stump_height"]),
            },
            number,
        )
        for number in range(count)
    ]


def _course(genome: Genome, seed: int) -> Environment:
    return Environment(domain="walker2d", encoding="parametric", genome=genome, seed=seed)
