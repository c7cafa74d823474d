"""Genes of parametric terrain: numbers and ranges that keep their bounds and steps beside them.

A genome is a frozen dataclass whose fields are annotated with a `Gene`; a
range (lo, hi) of None means that its obstacle is absent. After the original
POET's table of environmental parameters (arXiv:1901.01753, section 3).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from itertools import product
from typing import Any, TypeAlias, get_args, get_type_hints

import numpy as np

from environments.domain import Genome
from environments.plain import plain

Range: TypeAlias = tuple[float, float]

# Options that encodings share, the default first.
FROM_ZERO = ("rise", "published")  # a number at 0 starts as its gene did, or drifts as from anywhere, clipped at 0
DISTANCE = ("scaled", "raw")  # genomes are compared gene by gene over its maximum, or in its own unit as published
CHOICES = {"from_zero": FROM_ZERO, "distance": DISTANCE}
STRIDE = (0.1, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gene:
    """How one field of the genome starts, moves and ends."""

    initial: float | Range
    step: float
    maximum: float
    kind: str  # of obstacle; what a configuration switches on
    unit: str


def genes_of(kind: type) -> dict[str, Gene]:
    """Read the genes that the fields of a genome's class are annotated with."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: get_args(hints[field.name])[1] for field in fields(kind)}


def read_genes(genome: Genome, genes: Mapping[str, Gene]) -> dict[str, Any]:
    """Give the fields of a genome from its JSON object, whose lists are ranges.

    Raises:
        ValueError: a key is unknown.
    """
    for name in genome:
        if name not in genes:
            raise ValueError(f"the genome has a gene {name!r}; genes are {', '.join(genes)}")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in plain(genome).items()}


def write_genes(genome: Any) -> Genome:
    """Write the JSON object that `read_genes` reads back exactly."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(genome).items()}


def check_number(name: str, value: Any, low: Any, high: float) -> None:
    """Raise ValueError unless a gene's value is a number in [low, high]."""
    if not _is_number(value) or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}; it must lie in [{low}, {high:g}]")


def check_range(name: str, bounds: Any, maximum: float) -> None:
    """Raise ValueError unless a gene's value is None or a range within [0, maximum]."""
    if bounds is None:
        return
    valid = isinstance(bounds, tuple) and len(bounds) == 2 and all(_is_number(bound) for bound in bounds)
    if not valid or not 0 <= bounds[0] <= bounds[1] <= maximum:
        raise ValueError(f"{name} is {bounds}; it must be two numbers, 0 <= lo <= hi <= {maximum:g}")


def read_choices(options: Mapping[str, Any], choices: Mapping[str, tuple[str, ...]] = CHOICES) -> dict[str, str]:
    """Read options that name one of several ways, by default the first.

    Raises:
        ValueError: a value is none of its option's choices.
    """
    chosen = {name: options.get(name, allowed[0]) for name, allowed in choices.items()}
    for name, value in chosen.items():
        if value not in choices[name]:
            raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(choices[name])}")
    return chosen


def check_stride(value: Any) -> float:
    """Give how many times its own step a gene moves by in a mutation.

    Raises:
        ValueError: it is not a number within `STRIDE`.
    """
    low, high = STRIDE
    if not _is_number(value) or not low <= value <= high:
        raise ValueError(f"stride is {value!r}; it must lie in [{low:g}, {high:g}]")
    return float(value)


def stretched(genes: Mapping[str, Gene], stride: float) -> Mapping[str, Gene]:
    """Give genes that move so many times as far; where they start and end is as it was."""
    if stride == 1:
        return genes
    return {name: replace(gene, step=round(gene.step * stride, 6)) for name, gene in genes.items()}


def scale_of(gene: Gene, distance: str) -> float:
    """Say what a gene is divided by where genomes are compared, by one of `DISTANCE`."""
    return gene.maximum if distance == "scaled" else 1.0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def neighbours(bounds: Range, gene: Gene) -> list[Range]:
    """List the ranges one mutation away: each end moves by {+step, 0, -step}, not both by 0.

    The ends stay ordered and at most the gene's maximum, and sink no lower than its initial ends
    (or than where they are, if a run was started lower).
    """
    low_floor, high_floor = (min(pair) for pair in zip(gene.initial, bounds, strict=True))  # type: ignore[arg-type]
    found = []
    for low_move, high_move in product((gene.step, 0.0, -gene.step), repeat=2):
        low, high = round(bounds[0] + low_move, 6), round(bounds[1] + high_move, 6)
        moved = (low, high) != bounds
        if moved and low_floor <= low <= high and high_floor <= high <= gene.maximum:
            found.append((low, high))
    return found


def mutate_range(bounds: Range | None, gene: Gene, rng: np.random.Generator) -> Range:
    """Move a range to a neighbouring one; an absent obstacle appears with its initial range."""
    if bounds is None:
        return gene.initial  # type: ignore[return-value]
    choices = neighbours(bounds, gene) or [bounds]
    return choices[rng.integers(len(choices))]


def approach_number(value: float, target: float, step: float, rng: np.random.Generator) -> float:
    """Leave a number where it is, or move it by at most a step towards a target: a coin decides."""
    if rng.random() < 0.5:
        return value
    return target if abs(target - value) <= step else round(value + (step if target > value else -step), 6)


def approach_range(bounds: Range | None, target: Range | None, gene: Gene, rng: np.random.Generator) -> Range | None:
    """Leave a range where it is, or move each end by at most a step towards a target's: coins decide.

    An obstacle appears with its initial range, or the target's where that is less, and goes only once it is there.
    """
    if bounds is None and target is not None:
        first = tuple(min(ends) for ends in zip(gene.initial, target, strict=True))  # type: ignore[arg-type]
        return None if rng.random() < 0.5 else first  # type: ignore[return-value]
    if bounds is None:
        return None
    low, high = (
        approach_number(end, goal, gene.step, rng)
        for end, goal in zip(bounds, target or gene.initial, strict=True)  # type: ignore[arg-type]
    )
    moved = (min(low, high), max(low, high))
    return None if target is None and moved == gene.initial else moved


def mutate_number(value: float, gene: Gene, decimals: int, rng: np.random.Generator, from_zero: str = "rise") -> float:
    """Let a number drift by at most a step either way; from 0 as one of `FROM_ZERO` says."""
    rises = value == 0 and from_zero == "rise"
    low, high = gene.initial if rises else (-gene.step, gene.step)  # type: ignore[misc]
    return float(np.clip(round(value + rng.uniform(low, high), decimals), 0.0, gene.maximum))


def describe_genes(
    genes: Mapping[str, Gene], ranges: Collection[str], kinds: Collection[str]
) -> dict[str, dict[str, Any]]:
    """Say of each gene where it starts, its bounds, mutation step and unit."""
    return {
        name: {
            # What starts as a single number never sinks below it.
            "minimum": 0.0 if isinstance(gene.initial, tuple) else gene.initial,
            "maximum": gene.maximum,
            "initial": list(gene.initial) if isinstance(gene.initial, tuple) else gene.initial,
            "step": gene.step,
            "unit": gene.unit,
            "obstacle": gene.kind,
            "range": name in ranges,  # a pair (lo, hi), or null without the obstacle
            "mutates": gene.kind in kinds,
        }
        for name, gene in genes.items()
    }
