"""Genes of what an agent does not see: how its body and its world behave. Any encoding of ground may carry them.

A genome has them in a section of its own, ``{"physics": {"motors": [1, 0.7, 1, 1], "delay": 2}}``; what is not named
there is ordinary, and a genome without the section is of the ordinary body: it has the bytes and the content hash that
it had before there was any. What evolves in a run stands in all of its genomes. Which genes do, by what steps and
within what bounds, is an option of the encoding. The body says which genes there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.domain import Encoding, Environment, Genome
from environments.encodings.genes import approach_number
from environments.plain import plain

SECTION = "physics"  # of a genome, and the encoding's option
DECIMALS = 3  # of a drifting number
BOUNDS = ("low", "high", "step")  # what the option may say of a gene
Numbers = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicsGene:
    """One thing that may differ: one number, or one for each of several parts."""

    name: str
    ordinary: float
    low: float  # where evolution keeps it, unless a configuration says otherwise
    high: float
    step: float
    least: float  # what the engines bear
    most: float
    unit: str
    parts: int = 1
    whole: bool = False  # whole numbers only
    choice: bool = False  # whole numbers that are names: none lies between two others, and any may follow any
    words: Mapping[float, str] | None = None  # for values that are no measure, such as off

    def check(self, value: Any) -> None:
        """Raise ValueError unless a genome's value is valid: a number, or one for each part."""
        for number in self.numbers(value):
            wrong = isinstance(number, bool) or not isinstance(number, int | float)
            if wrong or not self.least <= number <= self.most or (self.whole and number != int(number)):
                kind = "a whole number" if self.whole else "a number"
                many = f", or {self.parts} of them" if self.parts > 1 else ""
                raise ValueError(
                    f"{SECTION}.{self.name} is {value!r}; it must be {kind} in [{self.least:g}, {self.most:g}]{many}"
                )

    def numbers(self, value: Any) -> Numbers:
        """Give the number of each part; one number goes for all."""
        if isinstance(value, Sequence) and not isinstance(value, str) and self.parts > 1:
            if len(value) != self.parts:
                raise ValueError(f"{SECTION}.{self.name} is {value!r}; it must be a number, or {self.parts} of them")
            return tuple(value)
        return (value,) * self.parts

    def written(self, numbers: Numbers) -> Any:
        """Give what a genome holds of these numbers."""
        plainly = [int(each) if self.whole else float(each) for each in numbers]
        return plainly if self.parts > 1 else plainly[0]

    @property
    def axes(self) -> int:
        """How many numbers `scaled` gives."""
        return self.parts * (round(self.most - self.least) if self.choice else 1)

    def scaled(self, numbers: Numbers) -> NDArray[np.float64]:
        """Place the numbers where 0 is ordinary and this gene's bounds are one apart: (axes,).

        A choice has an axis for each thing that it can be but the ordinary, and is 1 on its own.
        """
        if self.choice:
            others = [each for each in np.arange(self.least, self.most + 1) if each != self.ordinary]
            return np.equal.outer(numbers, others).reshape(-1).astype(np.float64)
        return (np.array(numbers, dtype=np.float64) - self.ordinary) / (self.high - self.low)

    def mutate(self, number: float, rng: np.random.Generator) -> float:
        """Move one number by at most a step, within bounds; one beyond them is brought nearer by as much.

        A choice stays what it is, or becomes any other: a coin decides.
        """
        if self.choice:
            others = [each for each in np.arange(self.low, self.high + 1) if each != number]
            return number if rng.random() < 0.5 else int(others[rng.integers(len(others))])
        low, high = min(self.low, number), max(self.high, number)
        if self.whole:
            near = [number + move for move in (-self.step, 0, self.step) if low <= number + move <= high]
            return near[rng.integers(len(near))]
        return float(np.clip(round(number + rng.uniform(-self.step, self.step), DECIMALS), low, high))

    def describe(self, numbers: Numbers) -> str:
        """Write the numbers in a few words, such as ``motors 0.7`` or ``lidar off``."""
        seen = numbers[:1] if len(set(numbers)) == 1 else numbers
        return f"{self.name} {'/'.join((self.words or {}).get(each, f'{each:g}') for each in seen)}"


Genes = Mapping[str, PhysicsGene]


def table_of(*genes: PhysicsGene) -> dict[str, PhysicsGene]:
    """List a body's genes by their names."""
    return {gene.name: gene for gene in genes}


def physics_of(genome: Genome, genes: Genes) -> dict[str, Numbers]:
    """Read a genome's section: the numbers of every gene, ordinary where it names none.

    Raises:
        ValueError: the section is no table, names an unknown gene, or a value is out of range.
    """
    section = genome.get(SECTION, {})
    if not isinstance(section, Mapping):
        raise ValueError(f"{SECTION} is {section!r}; it must be a table of {', '.join(genes)}")
    for name, value in section.items():
        if name not in genes:
            raise ValueError(f"{SECTION} has a gene {name!r}; genes are {', '.join(genes)}")
        genes[name].check(value)
    return {name: gene.numbers(section.get(name, gene.ordinary)) for name, gene in genes.items()}


def scaled(physics: Any, genes: Genes) -> NDArray[np.float32]:
    """Give what agents do not see, for who is told: gene by gene as `PhysicsGene.scaled`, of attributes so called."""
    parts = [gene.scaled(gene.numbers(getattr(physics, name))) for name, gene in genes.items()]
    return np.concatenate(parts).astype(np.float32)


def scaled_size(genes: Genes) -> int:
    """Say how many numbers `scaled` gives."""
    return sum(gene.axes for gene in genes.values())


def ground_of(genome: Genome) -> Genome:
    """Give the genome of the ground alone: the very same one where it has no section."""
    return {name: value for name, value in genome.items() if name != SECTION} if SECTION in genome else genome


def on_ground(environment: Environment) -> Environment:
    """Give the task of the same ground for the ordinary body: the very same one where it is ordinary."""
    if SECTION not in environment.genome:
        return environment
    return Environment(
        domain=environment.domain,
        encoding=environment.encoding,
        genome=ground_of(environment.genome),
        seed=environment.seed,
    )


def with_physics(ground: Genome, physics: Mapping[str, Numbers], genes: Genes, always: Collection[str] = ()) -> Genome:
    """Join ground and physics; what is ordinary is not written, but for the genes that always are."""
    section = {
        name: genes[name].written(numbers)
        for name, numbers in physics.items()
        if name in always or any(number != genes[name].ordinary for number in numbers)
    }
    return {**ground, SECTION: section} if section else dict(ground)


def evolved_genes(option: Any, genes: Genes) -> dict[str, PhysicsGene]:
    """Read the option `physics`: a list of genes, or a table that gives some their own low, high and step.

    Raises:
        ValueError: a gene is unknown, or its bounds are no bounds.
    """
    if isinstance(option, Mapping):
        given = dict(option)
    elif isinstance(option, list) and all(isinstance(name, str) for name in option):
        given = {name: {} for name in option}
    else:
        raise ValueError(f"{SECTION} is {option!r}; it must be a list or a table of some of {', '.join(genes)}")
    return {name: _bounded(name, own, genes) for name, own in given.items()}


def _bounded(name: str, own: Any, genes: Genes) -> PhysicsGene:
    if name not in genes:
        raise ValueError(f"{SECTION} has {name!r}; genes are {', '.join(genes)}")
    gene = genes[name]
    if not isinstance(own, Mapping) or not set(BOUNDS).issuperset(own):
        raise ValueError(f"{SECTION}.{name} is {own!r}; it must be a table of some of {', '.join(BOUNDS)}")
    shortest = 1.0 if gene.whole else 10.0**-DECIMALS  # of steps; a shorter one is lost in rounding
    if gene.choice and "step" in own:
        raise ValueError(f"{SECTION}.{name}.step is {own['step']!r}; {name} takes low and high alone")
    for key, value in own.items():
        least, most = (shortest, gene.most - gene.least) if key == "step" else (gene.least, gene.most)
        wrong = isinstance(value, bool) or not isinstance(value, int | float)
        if wrong or not least <= value <= most or (gene.whole and value != int(value)):
            kind = "a whole number" if gene.whole else "a number"
            raise ValueError(f"{SECTION}.{name}.{key} is {value!r}; it must be {kind} in [{least:g}, {most:g}]")
    bounded = replace(gene, **own)
    if gene.choice:
        bounded = replace(bounded, step=bounded.high - bounded.low)
    if not bounded.low <= gene.ordinary <= bounded.high:
        raise ValueError(
            f"{SECTION}.{name} goes from {bounded.low:g} to {bounded.high:g}; {gene.ordinary:g} is ordinary and "
            "must lie between"
        )
    if bounded.low == bounded.high or (gene.whole and bounded.step > bounded.high - bounded.low):
        raise ValueError(
            f"{SECTION}.{name} goes from {bounded.low:g} to {bounded.high:g} by steps of {bounded.step:g}, so that it "
            "never changes; set low and high farther apart, or leave it out"
        )
    return bounded


class WithPhysics:
    """An encoding of ground with genes of physics beside its own; meets `environments.domain.Encoding`.

    Args:
        ground: the encoding.
        genes: what the body has.
        evolved: of these, those that mutate, with their steps and bounds; none where nothing does.
        start: the section of the genome that a run starts from.

    Raises:
        ValueError: the start is not valid.
    """

    def __init__(
        self, ground: Encoding, genes: Genes, evolved: Genes | None = None, start: Mapping[str, Any] | None = None
    ) -> None:
        self._ground, self._genes, self._evolved = ground, genes, evolved or {}
        self._start = physics_of({SECTION: start or {}}, genes)
        self.name = ground.name
        if hasattr(ground, "approach"):
            self.approach = self._approach  # where it cannot be done, nobody is to find it
        if hasattr(ground, "genes"):
            self.genes = self._describe_genes

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # copying and pickling ask before there is a ground
            raise AttributeError(name)
        return getattr(self._ground, name)

    def initial(self) -> Genome:
        """Give what a run starts from: the ordinary body, unless told otherwise."""
        return with_physics(self._ground.initial(), self._start, self._genes, self._evolved)

    def check(self, genome: Genome) -> None:
        """Raise ValueError unless ground and physics are valid."""
        physics_of(genome, self._genes)
        self._ground.check(ground_of(genome))

    def mutate(self, genome: Genome, rng: np.random.Generator) -> Genome:
        """Give a child with other ground, and other physics where it evolves; else it inherits its parent's."""
        ground, physics = self._ground.mutate(ground_of(genome), rng), physics_of(genome, self._genes)
        for name, gene in self._evolved.items():
            physics[name] = tuple(gene.mutate(number, rng) for number in physics[name])
        return with_physics(ground, physics, self._genes, self._evolved)

    @property
    def shared_axes(self) -> int:
        """Say how many of a vector's last axes mean the same in every encoding of a run: those of the body."""
        return scaled_size(self._evolved)

    def vector(self, genome: Genome) -> NDArray[np.float64]:
        """Place the genome where distances are measured: its ground's place, then each evolved gene.

        A gene is in units of the body's own range, not of the run's: equal bodies are as far apart in every run.
        """
        ground = self._ground.vector(ground_of(genome))
        if not self._evolved:
            return ground
        physics = physics_of(genome, self._genes)
        return np.concatenate([ground, *(self._genes[name].scaled(physics[name]) for name in self._evolved)])

    def describe(self, genome: Genome) -> str:
        """Write the genome in a few words, such as ``roughness 0.4; motors 0.7, delay 2``."""
        words = describe_physics(genome, self._genes)
        return "; ".join([self._ground.describe(ground_of(genome)), *([words] if words else [])])

    def _approach(self, genome: Genome, target: Genome, rng: np.random.Generator) -> Genome:
        """Give the next genome on the direct path to a target, at most a mutation step nearer to it in each gene."""
        approach: Any = self._ground
        here, there = ground_of(genome), ground_of(target)
        ground = approach.approach(here, there, rng)
        start, end = physics_of(genome, self._genes), physics_of(target, self._genes)
        while start != end:
            moved = {
                name: tuple(
                    approach_number(number, goal, {**self._genes, **self._evolved}[name].step, rng)
                    for number, goal in zip(start[name], end[name], strict=True)
                )
                for name in start
            }
            if moved != start or ground != here:
                return with_physics(ground, moved, self._genes, self._evolved)
        return with_physics(ground, end, self._genes, self._evolved)

    def _describe_genes(self) -> dict[str, dict[str, Any]]:
        """Say what the ground's encoding says of its genes, and of evolved physics the same, as ``physics.NAME``."""
        inner: Any = self._ground
        found: dict[str, dict[str, Any]] = inner.genes()
        return found | {
            f"{SECTION}.{name}": {
                "minimum": gene.low,
                "maximum": gene.high,
                "initial": self._genes[name].written(self._start[name]),
                "step": gene.step,
                "unit": gene.unit,
                "parts": gene.parts,
                "range": False,
                "mutates": True,
            }
            for name, gene in self._evolved.items()
        }


def describe_physics(genome: Genome, genes: Genes) -> str:
    """Write what is out of the ordinary in a few words; nothing where all is ordinary."""
    physics = physics_of(genome, genes)
    unusual = (name for name in physics if any(number != genes[name].ordinary for number in physics[name]))
    return ", ".join(genes[name].describe(physics[name]) for name in unusual)


@contextmanager
def naming_physics() -> Iterator[None]:
    """Let an encoding of ground that refuses an option, and says which it takes, say that physics is one."""
    try:
        yield
    except ValueError as error:
        said = str(error)
        if "is unknown; the" in said:
            none = said.endswith("takes none")
            said = f"{said.removesuffix('none')}{SECTION} alone" if none else f"{said}, and {SECTION}"
        raise ValueError(said) from error


def read_option(options: Mapping[str, Any], genes: Genes) -> tuple[dict[str, Any], Genes, Mapping[str, Any]]:
    """Split a configuration's encoding options: the ground's own, the genes that evolve, the start's section.

    Raises:
        ValueError: the option or the section is not valid.
    """
    own = {name: value for name, value in options.items() if name != SECTION}
    start: Any = own.get("start")
    section: Any = {}
    if isinstance(start, Mapping) and SECTION in start:
        section = plain(start[SECTION])
        own["start"] = ground_of(dict(start))
        physics_of({SECTION: section}, genes)
    return own, evolved_genes(options.get(SECTION, []), genes), section
