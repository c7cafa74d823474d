"""The curricula that are compared, of as many tasks each, in the order to learn them in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from environments.domain import Environment, Genome
from environments.encodings.parametric import PIT, ROUGHNESS, STUMP, ParametricGenome
from environments.tasks.curriculum import Curriculum

# What the literature calls extremely challenging (arXiv:1901.01753, section 4): where the hand-made one ends.
HARD = {"roughness": 4.5, "pit_gap": 6.0, "stump_height": 2.4}
ANYTHING = {"roughness": ROUGHNESS.maximum, "pit_gap": PIT.maximum, "stump_height": STUMP.maximum}
STAGED = {"poet": True, "random": False, "random-mild": False, "hand-made": True}
"""Whether tasks open one after another; otherwise all are drawn from from the start."""


def curricula(exported: Curriculum, seed: int) -> dict[str, list[Environment]]:
    """Lay out all of them; the random ones are others for every seed. Only parametric tasks have a mild one."""
    poet = [task.environment for task in exported.train_tasks]
    mild = all(task.encoding == "parametric" for task in poet)
    return {
        "poet": poet,
        "random": random_tasks(len(poet), seed, ANYTHING),
        **({"random-mild": random_tasks(len(poet), seed, greatest(poet))} if mild else {}),
        "hand-made": hand_made_tasks(len(poet)),
    }


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


def greatest(tasks: Sequence[Environment]) -> dict[str, float]:
    """Find how far each gene goes in any of some tasks: what is random up to there is about as hard as they are."""
    genomes = [ParametricGenome.from_json(task.genome) for task in tasks]
    return {
        "roughness": max(genome.roughness for genome in genomes),
        "pit_gap": max((genome.pit_gap or (0.0, 0.0))[1] for genome in genomes),
        "stump_height": max((genome.stump_height or (0.0, 0.0))[1] for genome in genomes),
    }


def hand_made_tasks(count: int) -> list[Environment]:
    """Go in equal strides from flat ground to the hard course, every gene in step."""
    return [_course(_scaled(number / max(count - 1, 1)), number) for number in range(count)]


def _scaled(share: float) -> Genome:
    gap, stump = (round(share * HARD[name], 2) for name in ("pit_gap", "stump_height"))
    genome = {"roughness": round(share * HARD["roughness"], 2), "pit_gap": [0.0, gap], "stump_height": [0.0, stump]}
    return genome if share > 0 else {}


def _course(genome: Genome, seed: int) -> Environment:
    return Environment(domain="walker2d", encoding="parametric", genome=genome, seed=seed)
