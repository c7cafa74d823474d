"""A curriculum as a folder: what `poet export` writes and every learner reads.

`curriculum.json` is enough to learn from: environments by their content hash,
splits, order, and the hash of every other file. Reading checks them all; what
cannot be trusted is refused with one sentence. Nothing here knows of evolution.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from environments.agent_files import load_agent
from environments.domain import Domain, Environment, find_domain

if TYPE_CHECKING:
    from environments.tasks import TaskEnv

FORMAT, SCHEMA_VERSION = "poet-curriculum", 1
DOCUMENT, ROWS, TABLE, AGENTS = "curriculum.json", "tasks.jsonl", "tasks.parquet", "agents"
SPLITS = ("train", "validation", "test")
BOUNDARY = "boundary"  # tasks left out, so that no parent and child lie in two splits
SEAL = "sha256"  # key of the document's own hash


class CurriculumError(ValueError):
    """A curriculum, or what was asked of it, cannot be used."""


@dataclass(frozen=True)
class Task:
    """One environment of a curriculum."""

    environment: Environment
    split: str  # one of SPLITS, or BOUNDARY
    order: int  # its stage: 0 comes first

    @property
    def id(self) -> str:
        """The environment's content hash."""
        return self.environment.id


def seal(document: Mapping[str, Any]) -> dict[str, Any]:
    """Add a document's own hash, which `Curriculum.load` checks."""
    rest = {key: value for key, value in document.items() if key != SEAL}
    return {**rest, SEAL: hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()}


class Curriculum:
    """The tasks of an exported run, in Meta-World's shape.

    `train_tasks`, `validation_tasks` and `test_tasks` list tasks in order of
    stage; `make_env` gives an environment with `set_task` and `sample_tasks`.
    """

    def __init__(self, folder: Path, document: Mapping[str, Any]) -> None:
        self.folder = folder
        self.document = document
        self.tasks = {task.id: task for task in _tasks(document, folder / DOCUMENT)}

    @staticmethod
    def load(folder: Path | str, *, verify: bool = True) -> Curriculum:
        """Read a curriculum.

        Args:
            folder: what `poet export` wrote.
            verify: read every file to compare its hash with the one that was written down.

        Raises:
            CurriculumError: it is not a curriculum, is newer than this version, or has been changed.
        """
        folder = Path(folder)
        try:
            document = _read(folder)
            if document.get(SEAL) != seal(document)[SEAL]:
                raise CurriculumError(f"{folder / DOCUMENT} has been changed: its own sha256 no longer fits")
            curriculum = Curriculum(folder, document)
            if verify:
                _verify(folder, document)
        except CurriculumError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise CurriculumError(f"{folder / DOCUMENT} is not a curriculum ({error!r})") from error
        return curriculum

    @property
    def domain(self) -> Domain:
        """The domain that the tasks belong to."""
        return find_domain(self.document["domain"]["name"])

    @property
    def train_tasks(self) -> list[Task]:
        return self.split("train")

    @property
    def validation_tasks(self) -> list[Task]:
        return self.split("validation")

    @property
    def test_tasks(self) -> list[Task]:
        return self.split("test")

    @cached_property
    def stages(self) -> list[Task]:
        """Every task, in the order to learn them in."""
        return sorted(self.tasks.values(), key=lambda task: task.order)

    def split(self, name: str) -> list[Task]:
        """List the tasks of a split, in order of stage.

        Raises:
            CurriculumError: there is no such split.
        """
        if name not in (*SPLITS, BOUNDARY):
            raise CurriculumError(f"split is {name!r}; splits are {', '.join(SPLITS)}")
        return [task for task in self.stages if task.split == name]

    def task(self, number: str) -> Task:
        """Find a task by its id.

        Raises:
            CurriculumError: there is no such task.
        """
        if number not in self.tasks:
            known = ", ".join(list(self.tasks)[:3])
            raise CurriculumError(f"{self.folder} has no task {number!r}; it has {len(self.tasks)}, such as {known}")
        return self.tasks[number]

    def sample_tasks(self, count: int, split: str = "train", *, rng: np.random.Generator) -> list[Task]:
        """Draw tasks of a split: without repeats while they last.

        Raises:
            CurriculumError: the split is unknown or has no tasks.
        """
        tasks = self.split(split)
        if not tasks:
            raise CurriculumError(f"{self.folder} has no {split} tasks; export with another --fractions")
        rounds = -(-count // len(tasks))
        drawn = [place for _ in range(rounds) for place in rng.permutation(len(tasks)).tolist()]
        return [tasks[place] for place in drawn[:count]]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Give everything that the table says of each task, in order of stage."""
        with (self.folder / ROWS).open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)

    def agent(self, number: str) -> NDArray[np.float32]:
        """Read the theta (P,) of the agent that came furthest in a task.

        Raises:
            CurriculumError: there is no such task, or its agent cannot be read.
        """
        self.task(number)
        try:
            own = self.domain.controller.sizes
            return load_agent(self.folder / AGENTS / f"{number}.safetensors", own[0], own[-1]).theta
        except ValueError as error:
            raise CurriculumError(str(error)) from error

    def make_env(self, split: str = "train", *, render_mode: str | None = None) -> TaskEnv:
        """Make an environment that plays the tasks of a split: a drawn one an episode, until `set_task`."""
        from environments.tasks import TaskEnv  # noqa: PLC0415 - tasks.py stands on this file

        return TaskEnv(self.document["domain"]["name"], curriculum=self, split=split, render_mode=render_mode)


def _read(folder: Path) -> dict[str, Any]:
    path = folder / DOCUMENT
    if not path.is_file():
        raise CurriculumError(f"{folder} holds no curriculum: there is no {DOCUMENT} in it")
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise CurriculumError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise CurriculumError(f"{path} is damaged or truncated: it is not JSON") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise CurriculumError(f"{path} is not a curriculum of poet-trailblazer")
    version = document.get("schema_version")
    if version != SCHEMA_VERSION:
        newer = isinstance(version, int) and version > SCHEMA_VERSION
        hint = "; install a newer version of poet-trailblazer" if newer else ""
        raise CurriculumError(f"{path} has schema version {version}; this version reads {SCHEMA_VERSION}{hint}")
    return document


def _tasks(document: Mapping[str, Any], path: Path) -> Iterator[Task]:
    try:
        environments = {key: Environment(**fields) for key, fields in document["environments"].items()}
        members = {name: list(ids) for name, ids in document["splits"]["members"].items()}
        order = {key: number for number, key in enumerate(document["stages"]["order"])}
        document["domain"]["name"], document["files"].items()
    except (KeyError, TypeError, AttributeError) as error:
        raise CurriculumError(f"{path} is incomplete: {error}") from error
    for key, environment in environments.items():
        if environment.id != key:
            raise CurriculumError(f"{path} has been changed: the environment under {key} has the id {environment.id}")
    split_of = _split_of(members, environments, path)
    if set(order) != set(environments):
        raise CurriculumError(f"{path}: the order of stages does not list every task exactly once")
    for key, environment in environments.items():
        yield Task(environment, split_of[key], order[key])


def _split_of(members: Mapping[str, list[str]], environments: Mapping[str, Environment], path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, ids in members.items():
        if name not in (*SPLITS, BOUNDARY):
            raise CurriculumError(f"{path} has a split {name!r}; splits are {', '.join((*SPLITS, BOUNDARY))}")
        for key in ids:
            if key not in environments:
                raise CurriculumError(f"{path}: the split {name} names {key!r}, which is no task of this curriculum")
            if key in found:
                raise CurriculumError(f"{path}: task {key} lies in two splits, {found[key]} and {name}")
            found[key] = name
    if missing := [key for key in environments if key not in found]:
        raise CurriculumError(f"{path}: task {missing[0]} lies in no split")
    return found


def _verify(folder: Path, document: Mapping[str, Any]) -> None:
    for name, entry in document["files"].items():
        path = folder / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise CurriculumError(f"{folder / DOCUMENT} lists {name!r}, which lies outside the curriculum")
        if not path.is_file():
            raise CurriculumError(f"{path} is missing; export the curriculum again")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != entry["sha256"]:
            raise CurriculumError(f"{path} has been changed or truncated: its sha256 is not the one in {DOCUMENT}")
