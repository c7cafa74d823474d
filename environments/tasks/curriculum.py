"""A curriculum as a folder: what `poet export` writes and every learner reads.

`curriculum.json` is enough to learn from: environments by their content hash,
splits, order, and the hash of every other file. Reading checks them all; what
cannot be trusted is refused with one sentence. Nothing here knows of evolution.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.agent_files import load_agent
from environments.documents import parse_json
from environments.domain import Domain, Environment, find_domain
from environments.files import PlaceError
from environments.plain import is_count
from environments.tasks.env import TaskEnv
from environments.tasks.task import CurriculumError, Task, draw

__all__ = [
    "AGENTS",
    "ALL",
    "BOUNDARY",
    "DOCUMENT",
    "FORMAT",
    "ROWS",
    "SCHEMA_VERSION",
    "SPLITS",
    "TABLE",
    "TRIED",
    "Curriculum",
    "CurriculumError",
    "Task",
    "listed_files",
    "seal",
]

logger = logging.getLogger(__name__)

FORMAT, SCHEMA_VERSION = "poet-curriculum", 1
DOCUMENT, ROWS, TABLE, AGENTS = "curriculum.json", "tasks.jsonl", "tasks.parquet", "agents"
SCORES = "scores.jsonl"  # of agents in many environments; exports of older versions have none
TRIED = "tried.jsonl"  # every genome that the run tried; exports of older versions have none
SPLITS = ("train", "validation", "test")
ALL = "all"  # in the place of a split: every task, on the boundary too
BOUNDARY = "boundary"  # tasks left out, so that no parent and child lie in two splits
SEAL = "sha256"  # key of the document's own hash


# What is read of the document: names of tables, and the kinds of what is in them.
SHAPE = {
    "domain": {"name": str},
    "environments": dict,
    "splits": {"members": dict},
    "stages": {"order": list},
    "files": dict,
}
# One that was made by hand may lack these.
SHAPE_OF_EXPORTS = {"encoding": {"name": str, "options": dict}, "run": {"episode_limit": int}}
KINDS = {dict: "a JSON object", list: "a list", str: "text", int: "a whole number"}
LONGEST_EPISODE = 10**6  # steps
SHOWN = 3  # strangers' files named


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
                _check_tasks(curriculum)
                _say_what_is_ignored(folder, document["files"])
        except CurriculumError:
            raise
        except ValueError as error:
            raise CurriculumError(f"{folder / DOCUMENT} is not a curriculum: {error}") from error
        return curriculum

    @staticmethod
    def of(given: Curriculum | Path | str | None) -> Curriculum | None:
        """Take a curriculum as callers give it, loaded or as a folder; raises as `load` does."""
        return Curriculum.load(given) if isinstance(given, str | Path) else given

    @property
    def domain(self) -> Domain:
        """The domain that the tasks belong to."""
        try:
            return find_domain(self.document["domain"]["name"])
        except ValueError as error:
            raise CurriculumError(f"{self.folder / DOCUMENT}: {error}") from error

    @property
    def episode_limit(self) -> int:
        """The steps of an episode, in the run that was exported; the domain's, where the curriculum does not say."""
        run = self.document.get("run")
        return int(run["episode_limit"]) if run else self.domain.episode_limit

    @property
    def steps(self) -> int | None:
        """The control steps that were simulated to make the tasks, those before a run branched off included.

        Of several runs the sum, where what they have in common counts more than once. What an agent had cost that a
        run was given to begin with is not in it. None where the curriculum does not say.
        """
        runs = self.document.get("runs", {"": self.document.get("run")})
        each = list(runs.values()) if isinstance(runs, Mapping) else [None]
        told = [run if isinstance(run, Mapping) else {} for run in each]
        counts = [run.get(name) for run in told for name in ("steps", "steps_before")]
        known = [count for count in counts if is_count(count)]
        return sum(known) if len(known) == len(counts) else None

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
        """List the tasks of a split, or of all, in order of stage.

        Raises:
            CurriculumError: there is no such split.
        """
        if name not in (*SPLITS, BOUNDARY, ALL):
            raise CurriculumError(f"split is {name!r}; splits are {', '.join(SPLITS)}, and {ALL} means every task")
        return [task for task in self.stages if name in (ALL, task.split)]

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
        return draw(tasks, count, rng)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Give everything that the table says of each task, in order of stage.

        Raises:
            CurriculumError: the table is damaged.
        """
        path = self.folder / ROWS
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    row = parse_json(line)
                except ValueError as error:
                    raise CurriculumError(f"{path}, line {number}: it {error}") from error
                if not isinstance(row, dict) or not {"split", "difficulty_level", "id"} <= set(row):
                    raise CurriculumError(f"{path}, line {number} is not a row of the table of tasks")
                if not isinstance(row["id"], str) or row["id"] not in self.tasks:
                    raise CurriculumError(f"{path}, line {number}: {row['id']!r} is no task of this curriculum")
                yield row

    def tried(self) -> Iterator[dict[str, Any]]:
        """Give every environment that the run tried, admitted or not: id, genome, terrain_seed, parent, split.

        And encoding, but for exports of older versions. Nothing where the curriculum does not tell.

        Raises:
            CurriculumError: the table is damaged.
        """
        yield from self._lines(TRIED, {"id", "genome", "terrain_seed", "split"}, "what was tried")

    def _lines(self, name: str, needed: set[str], of: str) -> Iterator[dict[str, Any]]:
        """Read a file of one JSON object a line that an export may have."""
        path = self.folder / name
        if not path.is_file():
            return
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    row = parse_json(line)
                except ValueError as error:
                    raise CurriculumError(f"{path}, line {number}: it {error}") from error
                if not isinstance(row, dict) or not needed <= set(row):
                    raise CurriculumError(f"{path}, line {number} is not a row of the table of {of}")
                yield row

    def scores(self) -> Iterator[dict[str, Any]]:
        """Give what the run's agents scored in environments: iteration, agent (its niche's id), environment, score.

        And whether the agent had moved in after that iteration's step, but for exports of older versions. Nothing where
        the curriculum does not tell.

        Raises:
            CurriculumError: the table is damaged.
        """
        for row in self._lines(SCORES, {"iteration", "agent", "environment", "score"}, "scores"):
            if not isinstance(row["score"], int | float):
                raise CurriculumError(f"{self.folder / SCORES}: score is {row['score']!r}; it must be a number")
            yield row

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

    def make_env(self, split: str = "train", *, render_mode: str | None = None, told: bool = False) -> TaskEnv:
        """Make an environment that plays the tasks of a split: a drawn one an episode, until `set_task`.

        With `told`, what is hidden of a task's body is observed too; see `TaskEnv`.
        """
        return TaskEnv(
            self.document["domain"]["name"], curriculum=self, split=split, render_mode=render_mode, told=told
        )


def listed_files(folder: Path) -> list[str]:
    """List the files that an export in a folder says are its own.

    Raises:
        PlaceError: there is no export, or it does not say.
    """
    try:
        document = json.loads((folder / DOCUMENT).read_bytes())
        if document["format"] != FORMAT:
            raise ValueError(f"its format is {document['format']!r}")
        return [DOCUMENT, *map(str, document["files"])]
    except FileNotFoundError as error:
        raise PlaceError(f"{folder} holds something other than a curriculum; name another folder") from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise PlaceError(
            f"{folder / DOCUMENT} does not tell which files of {folder} are the curriculum's; name another folder"
        ) from error


def _read(folder: Path) -> dict[str, Any]:
    path = folder / DOCUMENT
    if folder.is_file():
        raise CurriculumError(f"{folder} is a file; name the folder that holds {DOCUMENT}")
    if not path.is_file():
        raise CurriculumError(f"{folder} holds no curriculum: there is no {DOCUMENT} in it")
    try:
        document = parse_json(path.read_bytes())
    except OSError as error:
        raise CurriculumError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise CurriculumError(f"{path} is damaged or truncated: it {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise CurriculumError(f"{path} is not a curriculum of poet-trailblazer")
    version = document.get("schema_version")
    if version != SCHEMA_VERSION:
        newer = isinstance(version, int) and version > SCHEMA_VERSION
        hint = "; install a newer version of poet-trailblazer" if newer else ""
        raise CurriculumError(f"{path} has schema version {version}; this version reads {SCHEMA_VERSION}{hint}")
    return document


def _tasks(document: Mapping[str, Any], path: Path) -> Iterator[Task]:
    _check_shape(document, SHAPE, path)
    _check_shape(document, {name: shape for name, shape in SHAPE_OF_EXPORTS.items() if name in document}, path)
    environments = {key: _environment(key, fields, path) for key, fields in document["environments"].items()}
    members = {name: _ids(ids, f"splits.members.{name}", path) for name, ids in document["splits"]["members"].items()}
    order = {key: number for number, key in enumerate(_ids(document["stages"]["order"], "stages.order", path))}
    limit = document["run"]["episode_limit"] if "run" in document else 1
    if not 1 <= limit <= LONGEST_EPISODE:
        raise CurriculumError(f"{path}: run.episode_limit is {limit}; it must be in [1, {LONGEST_EPISODE}]")
    for key, environment in environments.items():
        if environment.id != key:
            raise CurriculumError(f"{path} has been changed: the environment under {key} has the id {environment.id}")
    split_of = _split_of(members, environments, path)
    if set(order) != set(environments):
        raise CurriculumError(f"{path}: the order of stages does not list every task exactly once")
    for key, environment in environments.items():
        yield Task(environment, split_of[key], order[key])


def _environment(key: str, fields: object, path: Path) -> Environment:
    try:
        return Environment.from_fields(fields, as_written=True)
    except ValueError as error:
        raise CurriculumError(f"{path}: task {key}: {error}") from error


def _check_shape(document: Mapping[str, Any], shape: Mapping[str, Any], path: Path, above: str = "") -> None:
    """Raise CurriculumError unless a document has what is read of it, each of its kind."""
    for name, kind in shape.items():
        if name not in document:
            raise CurriculumError(f"{path} is incomplete: it has no {above}{name}")
        value, wanted = document[name], dict if isinstance(kind, Mapping) else kind
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise CurriculumError(f"{path}: {above}{name} is {value!r}; it must be {KINDS[wanted]}")
        if isinstance(kind, Mapping):
            _check_shape(value, kind, path, f"{above}{name}.")


def _ids(listed: Any, name: str, path: Path) -> list[str]:
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise CurriculumError(f"{path}: {name} is {listed!r}; it must be a list of tasks' ids")
    return listed


def _check_tasks(curriculum: Curriculum) -> None:
    """Raise CurriculumError unless every task's ground can be made; where its domain is not installed, nobody knows."""
    document, path = curriculum.document, curriculum.folder / DOCUMENT
    described = document.get("encoding", {"name": "", "options": {}})
    named = {described["name"]: described["options"]}
    try:
        domain = curriculum.domain
    except CurriculumError:
        return
    for task in curriculum.tasks.values():
        environment = task.environment
        try:
            if environment.domain != domain.name:
                raise ValueError(f"it is one of {environment.domain}; the curriculum's domain is {domain.name}")
            domain.encoding(environment.encoding, named.get(environment.encoding, {})).check(environment.genome)
        except (ValueError, TypeError, KeyError) as error:
            raise CurriculumError(f"{path}: task {task.id} cannot be made: {error}") from error


def _say_what_is_ignored(folder: Path, files: Mapping[str, Any]) -> None:
    """Name what lies in the folder and is not the curriculum's: nothing here reads or runs it."""
    known = {Path(DOCUMENT), *map(Path, files)}
    folders = {parent for name in known for parent in name.parents}
    found = (path.relative_to(folder) for place in sorted(folders) for path in sorted((folder / place).iterdir()))
    strangers = [path for path in found if path not in known and path not in folders]
    if strangers:
        shown = ", ".join(repr(str(path)) for path in strangers[:SHOWN])
        more = f" and {len(strangers) - SHOWN} more" if len(strangers) > SHOWN else ""
        logger.warning("%s does not list %s%s in %s: ignored", folder / DOCUMENT, shown, more, folder)


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
        if not isinstance(entry, dict) or not isinstance(entry.get("sha256"), str):
            raise CurriculumError(f"{folder / DOCUMENT} has no sha256 for {name!r}")
        try:
            if not path.is_file():
                raise CurriculumError(f"{path} is missing; export the curriculum again")
            found = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise CurriculumError(f"cannot read {path}: {error.strerror}") from error
        if found != entry["sha256"]:
            raise CurriculumError(f"{path} has been changed or truncated: its sha256 is not the one in {DOCUMENT}")
