"""Robust prioritised level replay, and ACCEL, which edits what it replays.

New tasks are played without learning from them, and kept if the learner's regret there is high; it learns on kept ones
alone. Robust PLR: Jiang et al. 2021, arXiv:2110.02439, with the priorities of arXiv:2010.03934; ACCEL: Parker-Holder
et al. 2022, arXiv:2203.01302. Nobody knows the regret, and it is estimated: by the mean positive advantage of an
episode's steps (`gain`), or by the best return seen there less the mean (`best`), for learners without a critic.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment
from environments.settings import Bounds, check_bounds
from environments.teachers.spaces import REACHES, TaskSpace
from environments.teachers.teacher import Ended, Lesson, TeacherKind, Told

REGRETS = ("gain", "best")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings:
    """What is kept, and how it is chosen from."""

    kept: Annotated[int, Bounds(1, 10**5)] = 500  # tasks at most
    first: Annotated[int, Bounds(1, 10**5)] = 64  # tasks tried before any is learnt on
    replay: Annotated[float, Bounds(0, 1)] = 0.5  # chance to learn on kept tasks rather than to try new ones
    temperature: Annotated[float, Bounds(1e-3, 100)] = 0.1  # of priorities by rank; lower is greedier
    staleness: Annotated[float, Bounds(0, 1)] = 0.5  # share of priorities by how long ago a task was played
    regret: str = REGRETS[0]
    edits: Annotated[int, Bounds(0, 100)] = 0  # mutations of a replayed task, which is then tried; 0: none is edited
    reach: str = REACHES[0]

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.regret not in REGRETS:
            raise ValueError(f"regret is {self.regret!r}; it must be one of {', '.join(REGRETS)}")
        if self.replay == 0:
            raise ValueError("replay is 0; it must be more, or nothing would ever be learnt")
        if self.first > self.kept:
            raise ValueError(f"first is {self.first}; it must be at most kept, {self.kept}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccelSettings(ReplaySettings):
    """As of replay, with edits and more learning."""

    replay: Annotated[float, Bounds(0, 1)] = 0.8
    edits: Annotated[int, Bounds(0, 100)] = 3


@dataclass(frozen=True, slots=True)
class Kept:
    """A task worth playing again."""

    task: Environment
    best: float  # the highest return seen
    regret: float
    played: int  # the lesson it was last in, of all


class Replay:
    """The teacher; meets `environments.teachers.teacher.Teacher`."""

    def __init__(self, settings: ReplaySettings, space: TaskSpace) -> None:
        self.settings, self._space = settings, space.reaching(settings.reach)
        self.kept: dict[str, Kept] = {}
        self._lessons = 0
        self._edited: list[Environment] = []  # to be tried next

    def lesson(self, count: int, number: int, rng: np.random.Generator) -> Lesson:
        """Try what was edited, learn on kept tasks, or try new ones."""
        del number
        self._lessons += 1
        if self._edited:
            edited, self._edited = self._edited, []
            return Lesson((edited * -(-count // len(edited)))[:count], learn=False)
        if len(self.kept) < self.settings.first or rng.random() >= self.settings.replay:
            return Lesson([self._space.draw(rng) for _ in range(count)], learn=False)
        tasks = [each.task for each in self.kept.values()]
        # With repeats only where fewer are kept than asked for: what is played twice teaches less.
        places = rng.choice(len(tasks), size=count, p=self.priorities(), replace=len(tasks) < count)
        chosen = [tasks[place] for place in places]
        self._edited = [self._edit(task, rng) for task in chosen] if self.settings.edits else []
        return Lesson(chosen)

    def priorities(self) -> NDArray[np.float64]:
        """Give the chance of each kept task to be played again: by its regret's rank, and by how stale that is."""
        regrets = np.array([each.regret for each in self.kept.values()])
        ranks = np.empty(len(regrets))
        ranks[np.argsort(-regrets, kind="stable")] = np.arange(1, len(regrets) + 1)
        by_regret = (1 / ranks) ** (1 / self.settings.temperature)
        waited = np.array([self._lessons - each.played for each in self.kept.values()], dtype=np.float64)
        share = self.settings.staleness
        # Drawn without repeats, which needs a chance for everyone.
        by_wait = (waited + 1e-9) / (waited + 1e-9).sum()
        chances = (1 - share) * by_regret / by_regret.sum() + share * by_wait + 1e-12
        return np.asarray(chances / chances.sum())

    def told(self, told: Told) -> None:
        """Note the regret of kept tasks, and keep those of the tried ones where it is highest."""
        for key, ended in _by_task(told.ended).items():
            old = self.kept.get(key)
            if old is None and told.learnt:  # dropped meanwhile
                continue
            best = max([each.score for each in ended] + ([] if old is None else [old.best]))
            self.kept[key] = Kept(ended[0].task, best, self._regret(ended, best), self._lessons)
        if len(self.kept) > self.settings.kept:
            worst_first = sorted(self.kept, key=lambda key: self.kept[key].regret)
            for key in worst_first[: len(self.kept) - self.settings.kept]:
                del self.kept[key]

    def state(self) -> dict[str, Any]:
        """Give what is kept and what is to be tried."""
        return {
            "lessons": self._lessons,
            "kept": [{**asdict(each), "task": each.task.to_fields()} for each in self.kept.values()],
            "edited": [task.to_fields() for task in self._edited],
        }

    def load(self, state: Any) -> None:
        """Go on from a state."""
        kept = [Kept(**{**row, "task": Environment.from_fields(row["task"])}) for row in state["kept"]]
        self.kept = {each.task.id: each for each in kept}
        self._edited = [Environment.from_fields(each) for each in state["edited"]]
        self._lessons = int(state["lessons"])

    def _regret(self, ended: list[Ended], best: float) -> float:
        if self.settings.regret == "best":
            return best - float(np.mean([each.score for each in ended]))
        gains = [each.gain for each in ended if each.gain is not None]
        if not gains:
            raise ValueError("the learner tells no gains; set regret to best")
        return float(np.mean(gains))

    def _edit(self, task: Environment, rng: np.random.Generator) -> Environment:
        for _ in range(self.settings.edits):
            task = self._space.mutate(task, rng)
        return task


def _by_task(ended: Iterable[Ended]) -> dict[str, list[Ended]]:
    found: dict[str, list[Ended]] = defaultdict(list)
    for each in ended:
        found[each.task.id].append(each)
    return found


PLR = TeacherKind(settings=ReplaySettings, make=Replay, gains="regret")
ACCEL = TeacherKind(settings=AccelSettings, make=Replay, gains="regret")
