"""The parametric genome of a walked field: how rough it is at three scales, how steep, and what lies on it.

The manner of the original POET (arXiv:1901.01753, section 3) in three
dimensions: single numbers that drift like its roughness, ranges that move to
neighbouring ones, and obstacles that first appear at their smallest. Lengths
are in metres for a walker that stands about 0.3 m high.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Annotated, Any, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from environments.domain import Genome
from environments.encodings.parametric import Gene, Range, neighbours

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
                _check_range(name, value, gene.maximum)
            elif not _is_number(value) or not 0 <= value <= gene.maximum:
                raise ValueError(f"{name} is {value}; it must lie in [0, {gene.maximum:g}]")

    @staticmethod
    def from_json(genome: Genome) -> HeightfieldGenome:
        """Read a JSON object, such as ``{"hills": 0.3, "step_height": [0.02, 0.1]}``.

        Raises:
            ValueError: a key is unknown or a value is out of bounds.
        """
        for name in genome:
            if name not in GENES:
                raise ValueError(f"the genome has a gene {name!r}; genes are {', '.join(GENES)}")
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in genome.items()
        }
        return HeightfieldGenome(**values)

    def to_json(self) -> Genome:
        """Write the JSON object that `from_json` reads back exactly."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_range(name: str, bounds: Any, maximum: float) -> None:
    if bounds is None:
        return
    valid = isinstance(bounds, tuple) and len(bounds) == 2 and all(_is_number(bound) for bound in bounds)
    if not valid or not 0 <= bounds[0] <= bounds[1] <= maximum:
        raise ValueError(f"{name} is {bounds}; it must be two numbers, 0 <= lo <= hi <= {maximum:g}")


_HINTS = get_type_hints(HeightfieldGenome, include_extras=True)
GENES: dict[str, Gene] = {each.name: get_args(_HINTS[each.name])[1] for each in fields(HeightfieldGenome)}
RANGES = tuple(each.name for each in fields(HeightfieldGenome) if each.default is None)
KINDS = tuple(gene.kind for gene in GENES.values())


@dataclass(frozen=True)
class HeightfieldEncoding:
    """Genomes of fields; only the listed kinds ever mutate."""

    kinds: tuple[str, ...] = KINDS
    start: HeightfieldGenome = HeightfieldGenome()
    name: str = "parametric"

    @staticmethod
    def from_options(options: Mapping[str, Any]) -> HeightfieldEncoding:
        """Read a configuration's encoding options.

        Raises:
            ValueError: an option or a kind is unknown.
        """
        for option in options:
            if option not in ("kinds", "start"):
                raise ValueError(f"option {option!r} is unknown; the parametric encoding takes kinds and start")
        genome, kinds = options.get("start", {}), options.get("kinds", list(KINDS))
        if not isinstance(genome, Mapping):
            raise ValueError(f"start is {genome!r}; it must be a table of genes")
        if not isinstance(kinds, list) or not kinds or any(kind not in KINDS for kind in kinds):
            raise ValueError(f"kinds is {kinds!r}; it must be a list of some of {', '.join(KINDS)}")
        return HeightfieldEncoding(tuple(kinds), HeightfieldGenome.from_json(dict(genome)))

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
        for name, gene in GENES.items():
            if gene.kind in self.kinds:
                value = getattr(parent, name)
                moved[name] = _moved(value, gene, rng) if name in RANGES else _drifted(value, gene, rng)
        return replace(parent, **moved).to_json()

    def genes(self) -> dict[str, dict[str, Any]]:
        """Say of each gene where it starts, its bounds, mutation step and unit."""
        return {
            name: {
                "minimum": 0.0,
                "maximum": gene.maximum,
                "initial": list(gene.initial) if isinstance(gene.initial, tuple) else gene.initial,
                "step": gene.step,
                "unit": gene.unit,
                "obstacle": gene.kind,
                "range": name in RANGES,  # a pair (lo, hi), or null without the obstacle
                "mutates": gene.kind in self.kinds,
            }
            for name, gene in GENES.items()
        }

    def vector(self, genome: Genome) -> NDArray[np.float64]:
        """Place the genome in [0, 1]^d: every gene over its maximum, an absent obstacle at 0."""
        decoded = HeightfieldGenome.from_json(genome)
        parts: list[float] = []
        for name, gene in GENES.items():
            value = getattr(decoded, name)
            ends = (value or (0.0, 0.0)) if name in RANGES else (value,)
            parts += [end / gene.maximum for end in ends]
        return np.array(parts)

    def describe(self, genome: Genome) -> str:
        """Write the genome in a few words, such as ``hills 0.3, step 0.02-0.1``."""
        decoded = HeightfieldGenome.from_json(genome)
        words = []
        for name, gene in GENES.items():
            if value := getattr(decoded, name):
                words.append(f"{gene.kind} {value[0]:g}-{value[1]:g}" if name in RANGES else f"{gene.kind} {value:g}")
        return ", ".join(words) or "flat"


def _drifted(value: float, gene: Gene, rng: np.random.Generator) -> float:
    low, high = gene.initial if value == 0 else (-gene.step, gene.step)  # type: ignore[misc]
    return float(np.clip(round(value + rng.uniform(low, high), DECIMALS), 0.0, gene.maximum))


def _moved(bounds: Range | None, gene: Gene, rng: np.random.Generator) -> Range:
    if bounds is None:
        return gene.initial  # type: ignore[return-value]
    choices = neighbours(bounds, gene) or [bounds]
    return choices[rng.integers(len(choices))]
