"""The parametric genome of a walked field: how rough it is at three scales, how steep, and what lies on it.

The manner of the original POET (arXiv:1901.01753, section 3) in three
dimensions: single numbers that drift like its roughness, ranges that move to
neighbouring ones, and obstacles that first appear at their smallest. Lengths
are in metres for a walker that stands about 0.3 m high.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
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
    check_stride,
    describe_genes,
    genes_of,
    mutate_number,
    mutate_range,
    read_choices,
    read_genes,
    scale_of,
    stretched,
    write_genes,
)

DECIMALS = 3  # of a drifting number


@dataclass(frozen=True, slots=True, kw_only=True)
class HeightfieldGenome:
    """What a field is drawn from. A range (lo, hi) of None means no such obstacle.

    Raises:
        ValueError: a value lies outside its gene's bounds; the message names gene, value and bounds.
    """

    bumps: Annotated[float, Gene(initial=(0.0, 0.02), step=0.02, maximum=0.25, kind="bumps", unit="m")] = 0.0
    mounds: Annotated[float, Gene(initial=(0.0, 0.05), step=0.05, maximum=0.6, kind="mounds", unit="m")] = 0.0
    hills: Annotated[float, Gene(initial=(0.0, 0.1), step=0.1, maximum=1.5, kind="hills", unit="m")] = 0.0
    slope: Annotated[float, Gene(initial=(0.0, 0.05), step=0.05, maximum=0.7, kind="slope", unit="m per m")] = 0.0
    step_height: Annotated[Range | None, Gene(initial=(0.0, 0.04), step=0.02, maximum=0.5, kind="step", unit="m")] = (
        None
    )
    gap_width: Annotated[Range | None, Gene(initial=(0.0, 0.1), step=0.05, maximum=0.8, kind="gap", unit="m")] = None
    boulder_height: Annotated[
        Range | None, Gene(initial=(0.0, 0.04), step=0.02, maximum=0.5, kind="boulder", unit="m")
    ] = None

    def __post_init__(self) -> None:
        for name, gene in GENES.items():
            value = getattr(self, name)
            if name in RANGES:
                check_range(name, value, gene.maximum)
            else:
                check_number(name, value, 0, gene.maximum)

    @staticmethod
    def from_json(genome: Genome) -> HeightfieldGenome:
        """Read a JSON object, such as ``{"hills": 0.3, "step_height": [0.02, 0.1]}``.

        Raises:
            ValueError: a key is unknown or a value is out of bounds.
        """
        return HeightfieldGenome(**read_genes(genome, GENES))

    def to_json(self) -> Genome:
        """Write the JSON object that `from_json` reads back exactly."""
        return write_genes(self)


GENES = genes_of(HeightfieldGenome)
RANGES = tuple(each.name for each in fields(HeightfieldGenome) if each.default is None)
KINDS = tuple(gene.kind for gene in GENES.values())
OPTIONS = ("kinds", "start", "stride", *CHOICES)


@dataclass(frozen=True)
class HeightfieldEncoding:
    """Genomes of fields; only the listed kinds ever mutate."""

    kinds: tuple[str, ...] = KINDS
    start: HeightfieldGenome = HeightfieldGenome()
    from_zero: str = FROM_ZERO[0]
    distance: str = DISTANCE[0]
    stride: float = 1.0  # mutation steps of all genes are so many times their own
    name: str = "parametric"

    @staticmethod
    def from_options(options: Mapping[str, Any]) -> HeightfieldEncoding:
        """Read a configuration's encoding options.

        Raises:
            ValueError: an option or a kind is unknown.
        """
        for option in options:
            if option not in OPTIONS:
                raise ValueError(f"option {option!r} is unknown; the parametric encoding takes {', '.join(OPTIONS)}")
        genome, kinds = options.get("start", {}), options.get("kinds", list(KINDS))
        if not isinstance(genome, Mapping):
            raise ValueError(f"start is {genome!r}; it must be a table of genes")
        if not isinstance(kinds, list) or not kinds or any(kind not in KINDS for kind in kinds):
            raise ValueError(f"kinds is {kinds!r}; it must be a list of some of {', '.join(KINDS)}")
        start, stride = HeightfieldGenome.from_json(dict(genome)), check_stride(options.get("stride", 1.0))
        return HeightfieldEncoding(tuple(kinds), start, **read_choices(options), stride=stride)

    def initial(self) -> Genome:
        """Give what a run starts from: level ground, unless told otherwise."""
        return self.start.to_json()

    def check(self, genome: Genome) -> None:
        """Raise ValueError unless every gene is known and within bounds."""
        HeightfieldGenome.from_json(genome)

    def mutate(self, genome: Genome, rng: np.random.Generator) -> Genome:
        """Move every enabled gene by at most one step."""
        parent = HeightfieldGenome.from_json(genome)
        moved: dict[str, Any] = {}
        for name, gene in stretched(GENES, self.stride).items():
            if gene.kind in self.kinds:
                value = getattr(parent, name)
                moved[name] = (
                    mutate_range(value, gene, rng)
                    if name in RANGES
                    else mutate_number(value, gene, DECIMALS, rng, self.from_zero)
                )
        return replace(parent, **moved).to_json()

    def approach(self, genome: Genome, target: Genome, rng: np.random.Generator) -> Genome:
        """Give the next genome on the direct path to a target, at most a mutation step nearer to it in each gene."""
        start, end = HeightfieldGenome.from_json(genome), HeightfieldGenome.from_json(target)
        while start != end:
            moved: dict[str, Any] = {}
            for name, gene in stretched(GENES, self.stride).items():
                value, goal = getattr(start, name), getattr(end, name)
                moved[name] = (
                    approach_range(value, goal, gene, rng)
                    if name in RANGES
                    else approach_number(value, goal, gene.step, rng)
                )
            if HeightfieldGenome(**moved) != start:
                return HeightfieldGenome(**moved).to_json()
        return target

    def genes(self) -> dict[str, dict[str, Any]]:
        """Say of each gene where it starts, its bounds, mutation step and unit."""
        return describe_genes(stretched(GENES, self.stride), RANGES, self.kinds)

    def vector(self, genome: Genome) -> NDArray[np.float64]:
        """Place the genome where distances are measured: an absent obstacle at 0, scaled genes in [0, 1]."""
        decoded = HeightfieldGenome.from_json(genome)
        parts: list[float] = []
        for name, gene in GENES.items():
            value = getattr(decoded, name)
            ends = (value or (0.0, 0.0)) if name in RANGES else (value,)
            parts += [end / scale_of(gene, self.distance) for end in ends]
        return np.array(parts)

    def describe(self, genome: Genome) -> str:
        """Write the genome in a few words, such as ``hills 0.3, step 0.02-0.1``."""
        decoded = HeightfieldGenome.from_json(genome)
        words = []
        for name, gene in GENES.items():
            if value := getattr(decoded, name):
                words.append(f"{gene.kind} {value[0]:g}-{value[1]:g}" if name in RANGES else f"{gene.kind} {value:g}")
        return ", ".join(words) or "flat"
