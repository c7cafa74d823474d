"""The tasks that a teacher can choose among: a curriculum's, and all that its encoding can make.

Where genes are numbers, a task is a point of a cube: genes in their order, from their least to their most, ranges as
their two ends. What is hidden of a body is a gene as any other, with a number for each of its parts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.domain import Encoding, Environment, Genome, find_domain
from environments.encodings.physics import SECTION
from environments.tasks.curriculum import Curriculum

__all__ = ["REACHES", "TaskSpace"]

Floats = NDArray[np.float64]
REACHES = ("encoding", "curriculum")
WALK = 40  # mutations at most from a first genome to a random one, where genes are no numbers
DECIMALS = 3  # of a random gene
SEEDS = 2**31


class TaskSpace:
    """Tasks of one domain and encoding.

    Args:
        domain: name of the domain.
        encoding: name of the encoding.
        options: of the encoding, as configurations have them; obstacles that it does not mutate stay away.
        tasks: that are there already, in the order to learn them in; those of the encoding tell its reach.

    Attributes:
        tasks: these.
        size: numbers of a point; 0 where genes are no numbers.
        solved_return, fall_return: the domain's.

    Raises:
        ValueError: domain, encoding, an option or the reach is unknown, or the reach cannot be had.
    """

    def __init__(
        self,
        domain: str,
        encoding: str,
        options: Mapping[str, Any] | None = None,
        *,
        tasks: Sequence[Environment] = (),
        reach: str = REACHES[0],
    ) -> None:
        if reach not in REACHES:
            raise ValueError(f"reach is {reach!r}; it must be one of {', '.join(REACHES)}")
        found = find_domain(domain)
        self.domain, self.encoding, self._options = domain, encoding, dict(options or {})
        self.tasks = list(tasks)
        self.solved_return, self.fall_return = found.solved_return, found.fall_return
        self._encoding: Encoding = found.encoding(encoding, self._options)
        described: dict[str, Any] = getattr(self._encoding, "genes", dict)()
        numbers = all("range" in gene for gene in described.values())
        self._genes = {name: gene for name, gene in described.items() if gene["mutates"]} if numbers else {}
        if reach == "curriculum" and not self._genes:
            raise ValueError(f"reach is curriculum; genes of {encoding} are no numbers that it could bound")
        if reach == "curriculum":
            own = [task.genome for task in self.tasks if task.encoding == encoding]
            self._genes = {name: {**gene, **_reached(name, gene, own)} for name, gene in self._genes.items()}
        self.size = sum(_count(gene) for gene in self._genes.values())

    @staticmethod
    def of(curriculum: Curriculum, *, reach: str = REACHES[0]) -> TaskSpace:
        """Take a curriculum's train tasks, domain and encoding."""
        tasks = [task.environment for task in curriculum.train_tasks]
        described = curriculum.document.get("encoding") or {"name": tasks[0].encoding, "options": {}}
        name, options = described["name"], described["options"]
        return TaskSpace(curriculum.domain.name, name, options, tasks=tasks, reach=reach)

    def reaching(self, reach: str) -> TaskSpace:
        """Give the same space with another reach: all that the `encoding` allows, or as far as the `curriculum` went.

        Raises:
            ValueError: there is no such reach.
        """
        return TaskSpace(self.domain, self.encoding, self._options, tasks=self.tasks, reach=reach)

    def draw(self, rng: np.random.Generator) -> Environment:
        """Draw a task: every gene alike within its bounds, or some mutations from a first genome."""
        if self.size:
            return self.at(rng.random(self.size), rng)
        genome = self._encoding.initial()
        for _ in range(int(rng.integers(WALK + 1))):
            genome = self._encoding.mutate(genome, rng)
        return self._task(genome, rng)

    def mutate(self, task: Environment, rng: np.random.Generator) -> Environment:
        """Give a child of a task, as reproduction makes one, within reach."""
        child = self._encoding.mutate(task.genome, rng)
        for name, gene in self._genes.items():
            if (value := _found(child, name)) is not None:
                numbers = [min(max(each, gene["minimum"]), gene["maximum"]) for each in _listed(value)]
                child = _with(child, name, numbers if isinstance(value, list) else numbers[0])
        return self._task(child, rng)

    def point(self, task: Environment) -> Floats:
        """Place a task in the cube (size,)."""
        numbers: list[float] = []
        for name, gene in self._genes.items():
            ends = _ends(task.genome, name, gene)
            low, high = gene["minimum"], gene["maximum"]
            if _whole(gene):
                numbers += [(end - low + 0.5) / (high - low + 1) for end in ends]
            else:
                numbers += [(end - low) / max(high - low, 1e-9) for end in ends]
        return np.array(numbers).clip(0.0, 1.0)

    def at(self, point: Floats, rng: np.random.Generator) -> Environment:
        """Give the task at a point (size,) of the cube, on ground of a seed drawn now."""
        first = self._encoding.initial()
        genome: Genome = {SECTION: first[SECTION]} if SECTION in first else {}  # a body's fixed genes stay as they are
        rest = list(point)
        for name, gene in self._genes.items():
            numbers = [_number(gene, rest.pop(0)) for _ in range(_count(gene))]
            value = sorted(numbers) if gene["range"] else numbers
            genome = _with(genome, name, value if len(value) > 1 else value[0])
        return self._task(genome, rng)

    def _task(self, genome: Genome, rng: np.random.Generator) -> Environment:
        self._encoding.check(genome)
        return Environment(domain=self.domain, encoding=self.encoding, genome=genome, seed=int(rng.integers(SEEDS)))


def _found(genome: Genome, name: str) -> Any:
    """Give a gene's value; None where the genome has none."""
    inner = name.removeprefix(f"{SECTION}.")
    return (genome if inner == name else genome.get(SECTION, {})).get(inner)


def _ends(genome: Genome, name: str, gene: Mapping[str, Any]) -> list[Any]:
    """List a gene's numbers: of the usual body, or of ground without the obstacle, where the genome has none."""
    value = _found(genome, name)
    if value is None:
        value = gene["initial"] if "parts" in gene else gene["minimum"]
    ends = _listed(value)
    return ends * (_count(gene) // len(ends))  # one number may go for all parts


def _with(genome: Genome, name: str, value: Any) -> Genome:
    """Give the genome with another value of a gene."""
    inner = name.removeprefix(f"{SECTION}.")
    return {**genome, name: value} if inner == name else {**genome, SECTION: {**genome.get(SECTION, {}), inner: value}}


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Sequence) else [value]


def _count(gene: Mapping[str, Any]) -> int:
    """Count a gene's numbers."""
    return 2 if gene["range"] else int(gene.get("parts", 1))


def _whole(gene: Mapping[str, Any]) -> bool:
    initial = gene["initial"]
    return isinstance(initial[0] if gene.get("parts", 1) > 1 else initial, int)


def _number(gene: Mapping[str, Any], share: float) -> float:
    """Give the number at a place in [0, 1] of a gene's bounds; whole ones have as much place each."""
    low, high = gene["minimum"], gene["maximum"]
    if _whole(gene):
        return int(low + min(math.floor(share * (high - low + 1)), high - low))
    return round(float(low + share * (high - low)), DECIMALS)


def _reached(name: str, gene: Mapping[str, Any], genomes: Sequence[Genome]) -> dict[str, float]:
    """Find how far a gene goes in any of some genomes: up from its least, or of a body's either way from the usual."""
    values = [value for genome in genomes if (value := _found(genome, name)) is not None]
    found = [each for value in values for each in _listed(value)]
    if "parts" not in gene:
        return {"maximum": max([gene["minimum"], *found])}
    found = [min(max(each, gene["minimum"]), gene["maximum"]) for each in (*_listed(gene["initial"]), *found)]
    return {"minimum": min(found), "maximum": max(found)}
