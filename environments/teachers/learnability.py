"""Sampling for learnability: tasks that are solved sometimes.

Every so often many new tasks are tried, and those kept where the share p of solved episodes has the highest p (1 - p).
Rutherford et al. 2024, arXiv:2408.15099 (SFL).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from environments.domain import Environment
from environments.settings import Bounds, check_bounds
from environments.teachers.spaces import REACHES, TaskSpace
from environments.teachers.teacher import Lesson, TeacherKind, Told


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnabilitySettings:
    """How many tasks are tried, how often, and how many are kept."""

    tried: Annotated[int, Bounds(1, 10**5)] = 128  # new tasks each time
    times: Annotated[int, Bounds(2, 1000)] = 4  # each is listed when it is tried
    kept: Annotated[int, Bounds(1, 10**5)] = 32  # of them
    every: Annotated[int, Bounds(1, 10**6)] = 50  # lessons
    share: Annotated[float, Bounds(0, 1)] = 0.5  # of a lesson's tasks which are kept ones; the others are new
    solved: float | None = None  # the return that solves a task; the domain's when None
    reach: str = REACHES[0]

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.kept > self.tried:
            raise ValueError(f"kept is {self.kept}; it must be at most tried, {self.tried}")


class Learnability:
    """The teacher; meets `environments.teachers.teacher.Teacher`."""

    def __init__(self, settings: LearnabilitySettings, space: TaskSpace) -> None:
        self.settings, self._space = settings, space.reaching(settings.reach)
        self._solved = space.solved_return if settings.solved is None else settings.solved
        self.kept: list[Environment] = []
        self._due = 0  # the lesson with which tasks are tried next
        self._waiting: list[Environment] = []  # to be tried
        self._tried: dict[str, tuple[Environment, int, int]] = {}  # episodes solved, episodes

    def lesson(self, count: int, number: int, rng: np.random.Generator) -> Lesson:
        """Try tasks when it is time, or learn on kept and new ones."""
        if number >= self._due and not self._waiting:
            self._waiting = [self._space.draw(rng) for _ in range(self.settings.tried)]
            self._tried = {}
            self._due = number + self.settings.every
        if self._waiting:
            some = self._waiting[: max(count // self.settings.times, 1)]
            self._waiting = self._waiting[len(some) :]
            return Lesson((some * -(-count // len(some)))[:count], learn=False)
        of_kept = min(round(self.settings.share * count), count) if self.kept else 0
        chosen = [self.kept[place] for place in rng.integers(len(self.kept), size=of_kept)] if of_kept else []
        return Lesson(chosen + [self._space.draw(rng) for _ in range(count - of_kept)])

    def told(self, told: Told) -> None:
        """Count what was solved where tasks were tried, and choose once all are."""
        if told.learnt:
            return
        for each in told.ended:
            _, solved, episodes = self._tried.get(each.task.id, (each.task, 0, 0))
            self._tried[each.task.id] = (each.task, solved + (each.score >= self._solved), episodes + 1)
        if not self._waiting:
            best = sorted(self._tried.values(), key=lambda row: -learnability(row[1], row[2]))
            # What nobody or everybody solves teaches nothing, however few others there are.
            self.kept = [task for task, solved, episodes in best[: self.settings.kept] if 0 < solved < episodes]
            self._tried = {}

    def state(self) -> dict[str, Any]:
        """Give what is kept, being tried and still to be tried."""
        return {
            "due": self._due,
            "kept": [task.to_fields() for task in self.kept],
            "waiting": [task.to_fields() for task in self._waiting],
            "tried": [[task.to_fields(), solved, episodes] for task, solved, episodes in self._tried.values()],
        }

    def load(self, state: Any) -> None:
        """Go on from a state."""
        self.kept, self._waiting = (
            [Environment.from_fields(each) for each in state[name]] for name in ("kept", "waiting")
        )
        rows = [(Environment.from_fields(task), int(solved), int(of)) for task, solved, of in state["tried"]]
        self._tried = {row[0].id: row for row in rows}
        self._due = int(state["due"])


def learnability(solved: int, episodes: int) -> float:
    """Give p (1 - p) of a share."""
    return solved / episodes * (1 - solved / episodes)


SFL = TeacherKind(settings=LearnabilitySettings, make=Learnability)
