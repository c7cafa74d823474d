"""The tasks that a teacher can choose among: a curriculum's, and all that its encoding can make.

Where genes are numbers, a task is a point of a cube: genes in their order, from their least to their most, ranges as
their two ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.domain import Encoding, Environment, Genome, find_domain
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
            self._genes = {name: {**gene, "maximum": _most(name, gene, own)} for name, gene in self._genes.items()}
        self.size = sum(2 if gene["range"] else 1 for gene in self._genes.values())

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
        return self._task({name: self._bounded(name, value) for name, value in child.items()}, rng)

    def _bounded(self, name: str, value: Any) -> Any:
        if name not in self._genes or value is None:
            return value
        most = self._genes[name]["maximum"]
        return [min(end, most) for end in value] if isinstance(value, list) else min(value, most)

    def point(self, task: Environment) -> Floats:
        """Place a task in the cube (size,)."""
        numbers: list[float] = []
        for name, gene in self._genes.items():
            value = task.genome.get(name, gene["initial"])
            ends = (value or (0.0, 0.0)) if gene["range"] else (value,)
            numbers += [(end - gene["minimum"]) / max(gene["maximum"] - gene["minimum"], 1e-9) for end in ends]
        return np.array(numbers).clip(0.0, 1.0)

    def at(self, point: Floats, rng: np.random.Generator) -> Environment:
        """Give the task at a point (size,) of the cube, on ground of a seed drawn now."""
        genome: Genome = {}
        rest = list(point)
        for name, gene in self._genes.items():
            low, high = gene["minimum"], gene["maximum"]
            ends = [round(low + rest.pop(0) * (high - low), DECIMALS) for _ in range(2 if gene["range"] else 1)]
            if gene["range"]:
                genome[name] = sorted(ends)
            else:
                genome[name] = round(ends[0]) if isinstance(gene["initial"], int) else float(ends[0])
        return self._task(genome, rng)

    def _task(self, genome: Genome, rng: np.random.Generator) -> Environment:
        self._encoding.check(genome)
        return Environment(domain=self.domain, encoding=self.encoding, genome=genome, seed=int(rng.integers(SEEDS)))


def _most(name: str, gene: Mapping[str, Any], genomes: Sequence[Genome]) -> float:
    """Find how far a gene goes in any of some genomes."""
    ends = [genome.get(name) for genome in genomes]
    found = [max(end) if isinstance(end, list) else end for end in ends if end is not None]
    return float(max([gene["minimum"], *found]))
