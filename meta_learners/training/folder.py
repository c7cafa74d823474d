"""A training in a folder: meta-steps over a curriculum, with checkpoints, logs and exact resumption.

| file | holds |
|---|---|
| `training.json` | the plan; never changes |
| `checkpoints.json`, `checkpoint-*.safetensors` | the newest two states |
| `metrics.jsonl` | a row a meta-step; the same for the same plan |
| `tensorboard/` | the same, and how fast it went |
"""

from __future__ import annotations

import fcntl
import json
import logging
import math
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import torch

from environments.documents import parse_json
from environments.domain import Environment
from environments.files import explained, open_lock, open_log, write_aside
from environments.settings import build_settings
from environments.tasks.curriculum import Curriculum
from meta_learners.devices import prepare_device
from meta_learners.errors import MetaLearningError, TrainingError
from meta_learners.experience.running import Underway
from meta_learners.experience.sampling import Sampler
from meta_learners.families.environments import EnvironmentFamily
from meta_learners.learner import FewShotLearner, Learner, LearnerKind, LossError, Metrics, State
from meta_learners.registry import as_read, learner_kind, make_learner
from meta_learners.training.board import Board
from meta_learners.training.checkpoints import load_checkpoint, save_checkpoint
from meta_learners.training.plan import NAME, Plan, check_same, read_plan, write_plan
from meta_learners.training.teaching import Teaching

logger = logging.getLogger(__name__)

METRICS, LOCK, BOARD = "metrics.jsonl", "lock", "tensorboard"
WORLDS = "worlds."  # begins the names of what is kept of worlds that run on
REMEMBERED = "remembered."  # then, of what actors remember of them
TEACHER, TASKS = "teacher", "tasks"  # facts beside the learner's: the teacher's state, and tasks that it made


class Ongoing:
    """What goes on alike in every training in a folder: meta-steps, rows of figures, checkpoints.

    Whoever makes one opens what it holds, and says in `_learn`, `_state` and `_pace` what is its own.
    """

    folder: Path
    plan: Any  # with a `seed`
    learner: Any  # with `state`
    iteration: int
    seconds: float  # of meta-steps
    _rows: IO[str]
    _board: Board
    _opened: ExitStack

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def step(self) -> Metrics:
        """Take one meta-step.

        Raises:
            TrainingError: a loss is not finite; the state before is on disk.
        """
        started = time.perf_counter()
        underway = self._underway()
        try:
            metrics = self._learn((self.plan.seed, self.iteration))
        except LossError as error:
            self._save(underway)
            raise TrainingError(
                f"meta-step {self.iteration}: {error}; the checkpoint before it is in {self.folder}. "
                "Begin another folder with smaller steps by --set."
            ) from error
        self.seconds += time.perf_counter() - started
        self._log(metrics)
        self.iteration += 1
        return metrics

    def save(self) -> None:
        """Write a checkpoint.

        Raises:
            PlaceError, DiskError: it cannot be written; those before are kept.
        """
        self._save(self._underway())

    def close(self) -> None:
        """Free everything, without a checkpoint."""
        self._opened.close()

    def _save(self, underway: Any) -> None:
        with explained(self.folder / METRICS):
            self._rows.flush()
            os.fsync(self._rows.fileno())
        self._board.flush()
        save_checkpoint(self.folder, self.iteration, self._state(underway))

    def _log(self, metrics: Metrics) -> None:
        told = {name: value for name, value in metrics.items() if math.isfinite(value)}
        reached, speed = self._pace()
        with explained(self.folder / METRICS):
            self._rows.write(json.dumps({"iteration": self.iteration, **reached, **told}) + "\n")
        self._board.add({**told, **reached, **speed}, self.iteration)

    def _learn(self, key: tuple[int, int]) -> Metrics:
        """Draw tasks and let the learner take its meta-step."""
        raise NotImplementedError

    def _underway(self) -> Any:
        """Give what a meta-step changes besides the learner, as it stands before."""
        return None

    def _state(self, underway: Any) -> State:
        """Give what a checkpoint holds, where what is under way stood so."""
        del underway
        state: State = self.learner.state()
        return state

    def _pace(self) -> tuple[dict[str, int], dict[str, float]]:
        """Say how far it has come, which is part of the rows, and how fast, which is not."""
        raise NotImplementedError


class Training(Ongoing):
    """A training that is going on; close it, or use it in a `with` block.

    Args:
        folder: of the training, made when it is new.
        plan: must be the one that the folder's training was begun with.
        curriculum: whose sha256 the plan has.
        device: to learn on.
        world_threads: that share the worlds' steps; no bit depends on how many.

    Raises:
        MetaLearningError: the folder holds another training, or cannot be used.
        PlaceError: the folder cannot be written.
        DiskError: the disk is full or broken; the same call works when it no longer is.
    """

    plan: Plan
    learner: Learner

    def __init__(
        self, folder: Path, plan: Plan, curriculum: Curriculum, *, device: str = "cpu", world_threads: int = 1
    ) -> None:
        try:
            family = EnvironmentFamily.of(
                curriculum, episode_limit=plan.episode_limit, threads=world_threads, told=plan.told
            )
        except ValueError as error:
            raise MetaLearningError(str(error) if plan.told else f"world {error}") from error
        if not (folder / NAME).exists():
            _check_horizon(plan)
        prepare_device(device)
        learner = restored_learner(plan, family, device)
        with ExitStack() as opened:
            opened.enter_context(claim(folder))
            if (folder / NAME).exists():
                begun = read_plan(folder)[0]
                check_same(folder, as_read_now(begun, family) if begun.learner == plan.learner else begun, plan)
            else:
                write_plan(folder, plan, curriculum.folder.resolve())
            self.folder, self.plan = folder, plan
            self.family = family
            self.learner = learner
            self.iteration, kept = _restored(self.learner, folder)
            self.seconds = 0.0  # of meta-steps
            self._before = keep_rows(folder / METRICS, self.iteration)
            self._rows = opened.enter_context(appending(folder / METRICS))
            sampler = partial(
                Sampler, self.family, plan.tasks, plan.copies, device=device, fall_reward=plan.fall_reward
            )
            self.sampler = opened.enter_context(closing(sampler()))
            self._teaching = opened.enter_context(
                closing(Teaching(plan, curriculum, self.learner, self.sampler, sampler))
            )
            if TEACHER in kept.facts:
                self._teaching.load(kept.facts[TEACHER])
            if kept.tensors:
                _bring_back(self.sampler, kept, self.family.splits["train"], folder)
            self._board = opened.enter_context(closing(Board(folder / BOARD, self.iteration)))
            self._opened = opened.pop_all()

    @property
    def steps(self) -> int:
        """Environment steps of all meta-steps, those of earlier processes included."""
        return self._before + self.taken

    @property
    def taken(self) -> int:
        """Those of this process, in tasks that were only tried by too."""
        return self.sampler.steps + self._teaching.steps

    @property
    def shares(self) -> dict[str, float]:
        """Shares of the time in simulation, in sampling around it, and in gradients."""
        spent = max(self.seconds, 1e-9)
        simulation = (self.sampler.simulating + self._teaching.simulating) / spent
        sampling = (self.sampler.sampling + self._teaching.sampling) / spent
        return {"simulation": simulation, "sampling": sampling, "gradients": max(1 - simulation - sampling, 0.0)}

    def _learn(self, key: tuple[int, int]) -> Metrics:
        return self._teaching.meta_step(key)

    def _underway(self) -> tuple[Underway[Environment], dict[str, Any]]:
        return self.sampler.running.state(), self._teaching.state()

    def _state(self, underway: tuple[Underway[Environment], dict[str, Any]]) -> State:
        episodes, taught = underway
        state, worlds = self.learner.state(), _kept(episodes, self.family.splits["train"])
        facts = {**state.facts, **worlds.facts, **({TEACHER: taught} if taught else {})}
        return State({**state.tensors, **worlds.tensors}, facts)

    def _pace(self) -> tuple[dict[str, int], dict[str, float]]:
        return {"steps": self.steps}, {"steps_per_second": self.taken / max(self.seconds, 1e-9), **self.shares}


def restored_learner(plan: Plan, family: EnvironmentFamily, device: str) -> Learner:
    """Make the learner that a plan names, as it was before its first meta-step."""
    _, settings = _settings_of(plan)
    try:
        return make_learner(plan.learner, family, settings, seed=plan.seed, device=device)
    except ValueError as error:
        raise MetaLearningError(f"the settings of this training cannot be used: {error}") from error


def as_read_now(plan: Plan, family: EnvironmentFamily) -> Plan:
    """Put back to their defaults settings of a training of old that its learner does not read."""
    kind, _ = _settings_of(plan)
    return replace(plan, settings=as_read(kind, plan.learner, family, plan.settings))


def _settings_of(plan: Plan) -> tuple[LearnerKind, Any]:
    try:
        kind = learner_kind(plan.learner)
    except ValueError as error:
        raise MetaLearningError(f"the learner of this training is not here: {error}") from error
    try:
        return kind, build_settings(kind.settings, plan.settings)
    except ValueError as error:
        raise MetaLearningError(f"the settings of this training cannot be used: {error}") from error


def _check_horizon(plan: Plan) -> None:
    """Refuse to begin a training that would never see how its episodes end.

    Raises:
        MetaLearningError: the learner cuts every episode before its limit.
    """
    kind, settings = _settings_of(plan)
    horizon = kind.horizon(settings)
    limit = plan.episode_limit
    if horizon is not None and horizon < limit:
        raise MetaLearningError(
            f"steps is {horizon}, and episodes have up to {limit}: {plan.learner} would begin them anew before "
            f"it has seen the rest of the course; set steps to {limit} or more, or make episodes shorter"
        )


def resume(learner: Learner | FewShotLearner, folder: Path) -> int:
    """Bring a learner to the newest checkpoint of a folder; gives its iteration, 0 where there is none.

    Raises:
        MetaLearningError: the checkpoint is damaged or another learner's.
    """
    return _restored(learner, folder)[0]


def _restored(learner: Learner | FewShotLearner, folder: Path) -> tuple[int, State]:
    """Do what `resume` says; gives what was kept of worlds that run on and of the teacher, too."""
    found = load_checkpoint(folder)
    if found is None:
        return 0, State({})
    iteration, state = found
    worlds = {name: each for name, each in state.tensors.items() if name.startswith(WORLDS)}
    own = {name: each for name, each in state.tensors.items() if name not in worlds}
    beside = {name: each for name, each in state.facts.items() if name in (TEACHER, TASKS)}
    try:
        learner.load(State(own, {name: each for name, each in state.facts.items() if name not in beside}))
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise MetaLearningError(f"the checkpoint in {folder} cannot be used: {error}") from error
    return iteration, State(worlds, beside)


def _kept(underway: Underway[Environment], tasks: list[Environment]) -> State:
    """Lay out the episodes of worlds that run on: tasks by their numbers, those that are no task of the split after it.

    Nothing where none run on.
    """
    if not underway.tasks:
        return State({})
    numbers = {task: number for number, task in enumerate(tasks)}
    for task in underway.tasks:
        numbers.setdefault(task, len(numbers))
    arrays = {name: getattr(underway, name) for name in ("seeds", "lengths", "actions")}
    arrays["tasks"] = np.array([numbers[task] for task in underway.tasks])
    if underway.remembered:
        arrays["lived"] = underway.lived
        arrays |= {REMEMBERED + name: each for name, each in underway.remembered.items()}
    others = [task.to_fields() for task in list(numbers)[len(tasks) :]]
    tensors = {WORLDS + name: torch.from_numpy(each).contiguous() for name, each in arrays.items()}
    return State(tensors, {TASKS: others} if others else {})


def _bring_back(sampler: Sampler[Environment], kept: State, tasks: list[Environment], folder: Path) -> None:
    """Bring worlds to where they stood, by what `_kept` gave; raises MetaLearningError where it did not."""
    try:
        tasks = [*tasks, *(Environment.from_fields(each) for each in kept.facts.get(TASKS, ()))]
        arrays = {name.removeprefix(WORLDS): each.numpy() for name, each in kept.tensors.items()}
        own: dict[str, Any] = {name: arrays[name] for name in ("seeds", "lengths", "actions")}
        remembered = {name.removeprefix(REMEMBERED): arrays[name] for name in arrays if name.startswith(REMEMBERED)}
        over_trials: dict[str, Any] = {"lived": arrays["lived"], "remembered": remembered} if remembered else {}
        places = arrays["tasks"].tolist()
        if not all(isinstance(place, int) and 0 <= place < len(tasks) for place in places):
            raise ValueError(f"it names a task that is none of the {len(tasks)}")
        sampler.running.load(Underway([tasks[place] for place in places], **own, **over_trials))
    except (KeyError, ValueError, TypeError) as error:
        raise MetaLearningError(f"the checkpoint in {folder} does not tell how its worlds stood: {error}") from error


def claim(folder: Path) -> IO[str]:
    """Make the folder of a training and lock it; raises MetaLearningError where it is not to be had."""
    if folder.is_file():
        raise MetaLearningError(f"{folder} is a file; a training is a folder, an old one or one to be made")
    with explained(folder, ""):
        folder.mkdir(parents=True, exist_ok=True)
        # A beginning that was killed leaves what it wrote beside; the next one's writing sweeps it.
        ours = (LOCK, f"{NAME}.new")
        names = [each.name for each in folder.iterdir()]
        if NAME not in names and not all(name in ours or name.startswith(f".{NAME}.") for name in names):
            raise MetaLearningError(f"{folder} is not empty and holds no training; name another folder")
        lock = open_lock(folder / LOCK)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise MetaLearningError(f"another process is training in {folder}; wait for it, or name another") from error
    return lock


@contextmanager
def appending(path: Path) -> Iterator[IO[str]]:
    """Open the rows of metrics to add to them."""
    with explained(path):
        rows = open_log(path)
    try:
        yield rows
    finally:
        with explained(path):
            rows.close()


def keep_rows(path: Path, iteration: int) -> int:
    """Drop the rows of meta-steps that no checkpoint has, which will be taken again, and one that was cut.

    Gives the environment steps up to there.
    """
    rows = path.read_bytes().splitlines(keepends=True)[:iteration] if path.exists() else []
    if rows and not rows[-1].endswith(b"\n"):  # the machine went down before the row was on disk
        logger.warning("%s ends within line %d, which is left out", path, len(rows))
        rows.pop()
    checked = [check_row(row, f"{path}, line {number}") for number, row in enumerate(rows, start=1)]
    write_aside(path, b"".join(rows))
    return int(checked[-1].get("steps") or 0) if checked else 0


def last_metrics(folder: Path) -> Metrics:
    """Read the figures of the newest meta-step; nothing where there is none.

    Raises:
        MetaLearningError: the row is damaged.
    """
    path = folder / METRICS
    rows = path.read_bytes().splitlines()
    return check_row(rows[-1], f"{path}, line {len(rows)}") if rows else {}


def check_row(line: bytes, place: str) -> Metrics:
    """Read a row of metrics; raises MetaLearningError where it is none."""
    try:
        row = parse_json(line)
    except ValueError as error:
        raise MetaLearningError(f"{place}: it {error}; restore a copy, or cut the file before it") from error
    if not isinstance(row, dict) or not all(isinstance(each, int | float | None) for each in row.values()):
        raise MetaLearningError(f"{place} is no row of figures; restore a copy, or cut the file before it")
    return row
