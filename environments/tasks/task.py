"""One task of a curriculum, what is asked of whoever holds many, and how they complain."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from environments.domain import Environment, Genome

T = TypeVar("T")


class CurriculumError(ValueError):
    """A curriculum, or what was asked of it, cannot be used."""


@dataclass(frozen=True)
class Task:
    """One environment of a curriculum."""

    environment: Environment
    split: str  # a curriculum's, or its boundary
    order: int  # its stage: 0 comes first

    @property
    def id(self) -> str:
        """The environment's content hash."""
        return self.environment.id

    @property
    def number(self) -> int:
        """The same as a whole number, as `info["task"]` gives it."""
        return self.environment.number


def draw(tasks: Sequence[T], count: int, rng: np.random.Generator) -> list[T]:
    """Draw of at least one task so many, without repeats while they last."""
    rounds = -(-count // len(tasks))
    places = [place for _ in range(rounds) for place in rng.permutation(len(tasks)).tolist()]
    return [tasks[place] for place in places[:count]]


class Tasks(Protocol):
    """What an environment asks of a curriculum; its methods raise CurriculumError as `Curriculum`'s do."""

    @property
    def folder(self) -> Path:
        """Where the tasks were read."""
        ...

    def split(self, name: str) -> list[Task]:
        """List the tasks of a split."""
        ...

    def task(self, number: str) -> Task:
        """Find a task by its id."""
        ...

    def sample_tasks(self, count: int, split: str = "train", *, rng: np.random.Generator) -> list[Task]:
        """Draw tasks of a split."""
        ...


def twins_text(encoding: str, genome: Genome) -> str:
    """Write what tasks have in common that differ in the terrain's seed alone."""
    return json.dumps([encoding, genome], sort_keys=True)
