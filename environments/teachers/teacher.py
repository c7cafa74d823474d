"""What a teacher is: it is asked for tasks, and told how their episodes ended.

A loop that trains with one has three lines of it:

    lesson = teacher.lesson(count, number, rng)   # play lesson.tasks; learn from them if lesson.learn
    ...
    teacher.told(Told(ended, learnt=lesson.learn))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from environments.domain import Environment

if TYPE_CHECKING:
    from environments.teachers.spaces import TaskSpace

__all__ = ["Ended", "Lesson", "Teacher", "TeacherKind", "Told"]


@dataclass(frozen=True, slots=True)
class Lesson:
    """What to play next."""

    tasks: list[Environment]  # as many as were asked for; some may be listed several times
    learn: bool = True  # if not, one episode of each is played to be told about, and nothing is learnt from it


@dataclass(frozen=True, slots=True)
class Ended:
    """An episode that has ended."""

    task: Environment
    score: float  # its return
    gain: float | None = None  # mean of the positive advantages of its steps, where the learner has a critic


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a lesson: the episodes that ended in it, which may have begun in an earlier one."""

    ended: Sequence[Ended]
    learnt: bool


class Teacher(Protocol):
    """Chooses tasks. Everything random comes from the generators that are passed in, so its state holds none."""

    def lesson(self, count: int, number: int, rng: np.random.Generator) -> Lesson:
        """Choose tasks.

        Args:
            count: how many.
            number: of lessons that were learnt from before this one.
            rng: for all that is random.
        """
        ...

    def told(self, told: Told) -> None:
        """Take in what came of the last lesson."""
        ...

    def state(self) -> dict[str, Any]:
        """Give all that `load` needs, as JSON has it; later calls change nothing in it."""
        ...

    def load(self, state: Any) -> None:
        """Go on from a state.

        Raises:
            ValueError, KeyError, TypeError: it is no state of such a teacher.
        """
        ...


class MakeTeacher(Protocol):
    """Makes a teacher of a kind."""

    def __call__(self, settings: Any, space: TaskSpace) -> Teacher:
        """Give the teacher, before any lesson.

        Raises:
            ValueError: it cannot teach such tasks.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class TeacherKind:
    """What an entry point of the group `poet.teachers` names."""

    settings: type[Any]  # a frozen dataclass whose fields all have defaults
    make: MakeTeacher
    listens: bool = True  # whether it wants to be told
    gains: str = ""  # names the setting that must be "gain" for it to need gains; never does where empty
