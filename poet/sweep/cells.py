"""One training of a sweep, as a work item: it trains for a while, and at its end is tested."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from environments.domain import Environment
from environments.files import write_aside
from environments.settings import build_settings
from environments.suites import suites_of
from environments.tasks.curriculum import Curriculum, Task
from environments.tasks.task import twins_text
from environments.teachers import teacher_kind
from poet.sweep.plan import Cell, Sweep

if TYPE_CHECKING:
    from meta_learners.training.plan import Plan

RESULT = "result.json"
TURN = 60.0  # s that an item trains for before it tells how far it is
OWN, OTHERS = "own test tasks", "tasks of other runs"
TESTED = 10**6  # added to seeds: the test's chances are none of training's


@dataclass(frozen=True, slots=True)
class Ground:
    """What a trained learner is tested on."""

    name: str
    tasks: Sequence[Environment]
    episode_limit: int

    @property
    def sha256(self) -> str:
        """What its results depend on: other curricula bring other tasks under the same name."""
        return hashlib.sha256(json.dumps([self.episode_limit, *(task.id for task in self.tasks)]).encode()).hexdigest()


@dataclass(frozen=True)
class Turn:
    """Trains one cell for a while; gives the steps that it has come to, and whether it is trained and tested.

    What it comes to is on disk, so that one that is run twice goes on where the first ended.
    """

    folder: Path
    cell: Cell
    plan: Plan
    curriculum: Path
    sweep: Sweep
    grounds: Sequence[Ground]
    seconds: float = TURN
    kind: str = field(default="sweep", init=False)

    def __str__(self) -> str:
        return f"the training {self.cell.name}"

    def __call__(self) -> tuple[int, bool]:
        """Train, and test at the end."""
        import torch  # noqa: PLC0415

        from meta_learners.training.folder import Training  # noqa: PLC0415

        torch.set_num_threads(1)
        started, master = time.monotonic(), os.getppid()
        with Training(self.folder / self.cell.name, self.plan, Curriculum.load(self.curriculum)) as training:
            while training.steps < self.sweep.steps and time.monotonic() - started < self.seconds:
                if os.getppid() != master:  # was killed; who goes on with the sweep wants the folder
                    break
                training.step()
            training.save()
            if training.steps < self.sweep.steps:
                return training.steps, False
            tests = {ground.name: tested(training.learner, self.plan, ground, self.sweep) for ground in self.grounds}
            grounds = {ground.name: ground.sha256 for ground in self.grounds}
            result = {"steps": training.steps, "meta_steps": training.iteration, "grounds": grounds, "tests": tests}
        write_aside(self.folder / self.cell.name / RESULT, json.dumps(result).encode())
        return self.sweep.steps, True


def tested(learner: Any, plan: Plan, ground: Ground, sweep: Sweep) -> dict[str, list[list[float]]]:
    """Play episodes of every task of a ground, unadapted: by way of acting, a row of returns a task."""
    from meta_learners.experience.sampling import Sampler  # noqa: PLC0415
    from meta_learners.families.environments import EnvironmentFamily  # noqa: PLC0415
    from meta_learners.training.evaluation import MODES  # noqa: PLC0415

    family = EnvironmentFamily(plan.domain, {"test": ground.tasks}, episode_limit=ground.episode_limit)
    sampler = Sampler(family, len(ground.tasks), sweep.test.worlds)
    try:
        actor = learner.adapt(sampler, ground.tasks, 0, (TESTED + plan.seed,))
        found = {}
        for mode, each in zip(MODES, (actor, actor.greedy()), strict=True):
            played = sampler.play(ground.tasks, each, (TESTED + plan.seed,), episodes=sweep.test.episodes)
            returns = played.episode_returns(sweep.test.episodes).flatten(1)
            found[mode] = [[round(float(value), 1) for value in row] for row in returns.tolist()]
        return found
    finally:
        sampler.close()


def plan_of(cell: Cell, sweep: Sweep, curriculum: Curriculum, episode_limit: int, fall_reward: float | None) -> Plan:
    """Give the training's plan.

    Raises:
        ValueError: a learner, a teacher or one of their settings is unknown or out of bounds.
    """
    from meta_learners.families.environments import EnvironmentFamily  # noqa: PLC0415
    from meta_learners.registry import check_read, learner_kind  # noqa: PLC0415
    from meta_learners.training.plan import Plan  # noqa: PLC0415

    kind = learner_kind(cell.learner.name)
    taught = dict(cell.teacher.settings)
    build_settings(teacher_kind(cell.teacher.name).settings, taught)
    built = build_settings(kind.settings, cell.learner.settings)
    check_read(kind, cell.learner.name, EnvironmentFamily.of(curriculum), built)
    settings = asdict(built)
    return Plan(
        learner=cell.learner.name,
        settings=json.loads(json.dumps(settings)),
        domain=curriculum.domain.name,
        curriculum=curriculum.document["sha256"],
        episode_limit=episode_limit,
        tasks=sweep.tasks,
        copies=sweep.copies or kind.copies,
        open_over=taught.pop("open_over", 0) if cell.teacher.name == "stages" else 0,
        teacher=cell.teacher.name,
        teacher_settings=taught,
        fall_reward=fall_reward,
        seed=seed_of(cell, curriculum),
    )


def seed_of(cell: Cell, curriculum: Curriculum) -> int:
    """Give a training's seed: one of the curriculum's own, the same for all arms.

    Were it the cell's number alone, a teacher who makes tasks of its own would train the same learner for every
    curriculum, and what is one training would count as many.
    """
    return int(hashlib.sha256(f"{curriculum.document['sha256']} {cell.seed}".encode()).hexdigest()[:8], 16)


def grounds_of(name: str, curricula: Mapping[str, Curriculum], sweep: Sweep, limit: int) -> list[Ground]:
    """List what the learners of one curriculum are tested on: none of it is a train task."""
    own, domain = curricula[name], curricula[name].domain.name
    found = [Ground(OWN, [task.environment for task in own.test_tasks], limit)]
    others = {
        task.id: task.environment
        for other, curriculum in curricula.items()
        if other != name
        for task in strangers(curriculum, own)
    }
    found.append(Ground(OTHERS, list(others.values()), limit))
    for suite in sweep.test.suites:
        made = suites_of(domain)[suite]()
        found.append(Ground(f"suite {suite}", [level.environment for level in made.levels], made.episode_limit))
    return [ground for ground in found if ground.tasks]


def strangers(another: Curriculum, own: Curriculum) -> list[Task]:
    """List the tasks of another run that are none of one's own, nor the ground that it began with, by any terrain seed.

    Twins, which differ in the seed alone, are too near to test on, as where `poet export` merges runs.
    """
    there = {_ground(task) for task in own.stages}
    # What a run begins with is every run's.
    return [task for task in another.stages if task.order > 0 and _ground(task) not in there]


def _ground(task: Task) -> str:
    return twins_text(task.environment.encoding, task.environment.genome)


def read_result(turn: Turn) -> dict[str, Any] | None:
    """Read what a cell came to; None where it is not done, or was tested on other grounds than are wanted now.

    What cannot be read is not done, nor what came to fewer steps: its training goes on where it stands, and is tested
    again.
    """
    try:
        found = json.loads((turn.folder / turn.cell.name / RESULT).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    wanted = {ground.name: ground.sha256 for ground in turn.grounds}
    if not isinstance(found, dict) or found.get("grounds") != wanted or not isinstance(found.get("tests"), dict):
        return None
    steps = found.get("steps")
    far = isinstance(steps, int) and steps >= turn.sweep.steps
    return found if far and set(found["tests"]) == set(wanted) else None
