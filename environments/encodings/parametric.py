"""The original POET's genome of terrain: ranges that obstacles are drawn from.

Initial values, mutation steps and maxima from the paper's table of
environmental parameters (arXiv:1901.01753, section 3). A kind of obstacle is
absent from the first environment and appears with its initial range at the
first mutation; afterwards its range moves to a neighbouring one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from environments.domain import Genome
from environments.encodings.genes import (
    CHOICES,
    DISTANCE,
    FROM_ZERO,
    Gene,
    Range,
    approach_number,
    approach_range,
    check_number,
    check_range,
    describe_genes,
    genes_of,
    mutate_number,
    mutate_range,
    read_choices,
    read_genes,
    scale_of,
    write_genes,
)

ROUGHNESS = Gene(initial=(0.0, 0.6), step=0.6, maximum=10.0, kind="roughness", unit="1")
PIT = Gene(initial=(0.0, 0.8), step=0.4, maximum=10.0, kind="pit", unit="steps of 14/30 m")
STUMP = Gene(initial=(0.0, 0.4), step=0.2, maximum=5.0, kind="stump", unit="steps of 14/30 m")
STAIR = Gene(initial=(0.0, 0.4), step=0.2, maximum=5.0, kind="stair", unit="steps of 14/30 m")
STAIR_COUNT = Gene(initial=1, step=1, maximum=9, kind="stair", unit="stairs")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParametricGenome:
    """What a course is drawn from. A range (lo, hi) of None means no such obstacle.

    Raises:
        ValueError: a value lies outside its gene's bounds; the message names gene, value and bounds.
    """

    roughness: Annotated[float, ROUGHNESS] = 0.0
    pit_gap: Annotated[Range | None, PIT] = None
    stump_height: Annotated[Range | None, STUMP] = None
    stair_height: Annotated[Range | None, STAIR] = None
    stair_steps: Annotated[int, STAIR_COUNT] = 1

    def __post_init__(self) -> None:
        check_number("roughness", self.roughness, 0.0, ROUGHNESS.maximum)
        check_number("stair_steps", self.stair_steps, STAIR_COUNT.initial, STAIR_COUNT.maximum)
        if not isinstance(self.stair_steps, int):
            raise ValueError(f"stair_steps is {self.stair_steps}; it must be a whole number")
        for name in RANGES:
            check_range(name, getattr(self, name), GENES[name].maximum)

    @staticmethod
    def from_json(genome: Genome) -> ParametricGenome:
        """Read a JSON object, such as ``{"roughness": 1.2, "pit_gap": [0.4, 1.6]}``.

        Raises:
            ValueError: a key is unknown or a value is out of bounds.
        """
        return ParametricGenome(**read_genes(genome, GENES))

    def to_json(self) -> Genome:
        """Write the JSON object that `from_json` reads back exactly."""
        return write_genes(self)


GENES = genes_of(ParametricGenome)
RANGES = ("pit_gap", "stump_height", "stair_height")
KINDS = tuple(dict.fromkeys(gene.kind for gene in GENES.values()))
OPTIONS = ("kinds", "start", *CHOICES)


@dataclass(frozen=True)
class ParametricEncoding:
    """Genomes as vectors of ranges; only the listed kinds of obstacle ever mutate."""

    kinds: tuple[str, ...] = ("roughness", "pit", "stump")
    start: ParametricGenome = ParametricGenome()
    from_zero: str = FROM_ZERO[0]
    distance: str = DISTANCE[0]
    name: str = "parametric"

    @staticmethod
    def from_options(options: Any) -> ParametricEncoding:
        """Read a configuration's encoding options.

        Raises:
            ValueError: an option or a kind of obstacle is unknown.
        """
        for option in options:
            if option not in OPTIONS:
                raise ValueError(f"option {option!r} is unknown; the parametric encoding takes {', '.join(OPTIONS)}")
        genome, kinds = options.get("start", {}), options.get("kinds", list(ParametricEncoding.kinds))
        if not isinstance(genome, Mapping):
            raise ValueError(f"start is {genome!r}; it must be a table of genes")
        if not isinstance(kinds, list):
            raise ValueError(f"kinds is {kinds!r}; it must be a list of {', '.join(KINDS)}")
        start = ParametricGenome.from_json(dict(genome))
        for kind in kinds:
            if kind not in KINDS:
                raise ValueError(f"kinds has {kind!r}; kinds of obstacle are {', '.join(KINDS)}")
        if not kinds:
            raise ValueError(f"kinds is empty; name at least one of {', '.join(KINDS)}")
        return ParametricEncoding(tuple(kinds), start, **read_choices(options))

    def initial(self) -> Genome:
        """Give what a run starts from: flat ground without obstacles, unless told otherwise."""
        return self.start.to_json()

    def check(self, genome: Genome) -> None:
        """Raise ValueError unless every gene is known and within bounds."""
        ParametricGenome.from_json(genome)

    def mutate(self, genome: Genome, rng: np.random.Generator) -> Genome:
        """Move every enabled kind of obstacle by one step, as published."""
        parent = ParametricGenome.from_json(genome)
        child = parent
        if "roughness" in self.kinds:
            child = replace(child, roughness=mutate_number(parent.roughness, ROUGHNESS, 1, rng, self.from_zero))
        for name in RANGES:
            if GENES[name].kind in self.kinds:
                moved: dict[str, Any] = {name: mutate_range(getattr(parent, name), GENES[name], rng)}
                child = replace(child, **moved)
        if "stair" in self.kinds and parent.stair_height is not None:
            child = replace(child, stair_steps=_mutate_stair_steps(parent.stair_steps, rng))
        return child.to_json()

    def approach(self, genome: Genome, target: Genome, rng: np.random.Generator) -> Genome:
        """Give the next genome on the direct path to a target, at most a mutation step nearer to it in each gene.

        The paper's direct-path curriculum (arXiv:1901.01753, section 4.2).
        """
        start, end = ParametricGenome.from_json(genome), ParametricGenome.from_json(target)
        while start != end:
            moved: dict[str, Any] = {
                name: approach_range(getattr(start, name), getattr(end, name), GENES[name], rng) for name in RANGES
            }
            moved["roughness"] = approach_number(start.roughness, end.roughness, ROUGHNESS.step, rng)
            moved["stair_steps"] = int(approach_number(start.stair_steps, end.stair_steps, STAIR_COUNT.step, rng))
            if ParametricGenome(**moved) != start:
                return ParametricGenome(**moved).to_json()
        return target

    def genes(self) -> dict[str, dict[str, Any]]:
        """Say of each gene where it starts, its bounds, mutation step and unit."""
        return describe_genes(GENES, RANGES, self.kinds)

    def vector(self, genome: Genome) -> NDArray[np.float64]:
        """Place the genome where distances are measured: an absent obstacle at 0, scaled genes in [0, 1].

        The published code has no place for stairs, which were off in the paper's runs.
        """
        decoded = ParametricGenome.from_json(genome)
        parts = [decoded.roughness / scale_of(ROUGHNESS, self.distance)]
        for name in RANGES:
            scale = scale_of(GENES[name], self.distance)
            parts += [end / scale for end in getattr(decoded, name) or (0.0, 0.0)]
        stairs = decoded.stair_steps / scale_of(STAIR_COUNT, self.distance)
        parts.append(stairs if decoded.stair_height else 0.0)
        return np.array(parts)

    def describe(self, genome: Genome) -> str:
        """Write the genome in a few words, such as ``roughness 0.4, pit 0-0.8``."""
        decoded = ParametricGenome.from_json(genome)
        words = [f"roughness {decoded.roughness:g}"] if decoded.roughness else []
        for name in RANGES:
            if bounds := getattr(decoded, name):
                words.append(f"{GENES[name].kind} {bounds[0]:g}-{bounds[1]:g}")
        if decoded.stair_height:
            words[-1] += f" x{decoded.stair_steps}"
        return ", ".join(words) or "flat"


def _mutate_stair_steps(steps: int, rng: np.random.Generator) -> int:
    choices = [count for count in (steps - 1, steps, steps + 1) if 1 <= count <= STAIR_COUNT.maximum]
    return int(choices[rng.integers(len(choices))])
