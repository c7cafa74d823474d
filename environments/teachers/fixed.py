"""Teachers who do not look at the learner: tasks in their order, or at random."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from environments.settings import Bounds, check_bounds
from environments.tasks.task import draw
from environments.teachers.spaces import REACHES, TaskSpace
from environments.teachers.teacher import Lesson, TeacherKind, Told


@dataclass(frozen=True, slots=True, kw_only=True)
class StagesSettings:
    """How tasks that are there already are opened."""

    open_over: Annotated[int, Bounds(0, 10**9)] = 0  # lessons until the last is open; 0: all are at once

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomSettings:
    """Where tasks are drawn from."""

    reach: str = REACHES[0]


class _Deaf:
    """What teachers share who remember nothing."""

    def told(self, told: Told) -> None:
        """Forget it."""

    def state(self) -> dict[str, Any]:
        """Give nothing."""
        return {}

    def load(self, state: Any) -> None:
        """Need nothing."""


class Stages(_Deaf):
    """Draws of the curriculum's tasks, which open one after another in their order."""

    def __init__(self, settings: StagesSettings, space: TaskSpace) -> None:
        if not space.tasks:
            raise ValueError("there are no tasks to open; teacher stages needs some")
        self._settings, self._space = settings, space

    def lesson(self, count: int, number: int, rng: np.random.Generator) -> Lesson:
        """Draw without repeats while they last."""
        over, tasks = self._settings.open_over, self._space.tasks
        share = 1.0 if over == 0 else min((number + 1) / over, 1.0)
        return Lesson(draw(tasks[: math.ceil(share * len(tasks))], count, rng))


class Random(_Deaf):
    """Draws new tasks of the whole space: domain randomisation."""

    def __init__(self, settings: RandomSettings, space: TaskSpace) -> None:
        self._space = space.reaching(settings.reach)

    def lesson(self, count: int, number: int, rng: np.random.Generator) -> Lesson:
        """Draw every task anew."""
        del number
        return Lesson([self._space.draw(rng) for _ in range(count)])


STAGES = TeacherKind(settings=StagesSettings, make=Stages, listens=False)
RANDOM = TeacherKind(settings=RandomSettings, make=Random, listens=False)
