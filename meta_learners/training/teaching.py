"""A teacher beside a learner: lessons of both kinds, and what is told of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from environments.domain import Environment
from environments.settings import build_settings
from environments.tasks.curriculum import Curriculum
from environments.teachers import Ended, TaskSpace, Teacher, Told, teacher_kind
from meta_learners.acting import Rollout
from meta_learners.errors import MetaLearningError
from meta_learners.experience.ended import ended_episodes
from meta_learners.experience.sampling import Sampler
from meta_learners.keys import Key, Stream, numpy_generator
from meta_learners.learner import Learner, Metrics
from meta_learners.training.plan import Plan


class Teaching:
    """Lets a teacher choose the tasks of a training's meta-steps.

    Args:
        plan: names the teacher.
        curriculum: whose tasks and encoding it has.
        learner: who is taught.
        sampler: of meta-steps.
        trials: makes the sampler of tasks that are only tried, whose worlds are their own: others may run on.

    Raises:
        MetaLearningError: there is no such teacher, or it cannot teach this.
    """

    def __init__(
        self,
        plan: Plan,
        curriculum: Curriculum,
        learner: Learner,
        sampler: Sampler[Environment],
        trials: Callable[[], Sampler[Environment]],
    ) -> None:
        self._plan, self._learner, self._sampler, self._trials = plan, learner, sampler, trials
        self._trying: Sampler[Environment] | None = None
        self._ended: list[Ended] = []
        try:
            kind = teacher_kind(plan.teacher)
            settings = build_settings(kind.settings, teacher_settings(plan))
            self._teacher: Teacher = kind.make(settings, TaskSpace.of(curriculum))
        except ValueError as error:
            raise MetaLearningError(str(error)) from error
        self._gains: Any = getattr(learner, "gains", None) if kind.listens else None
        if kind.gains and getattr(settings, kind.gains) == "gain" and self._gains is None:
            raise MetaLearningError(
                f"teacher {plan.teacher} has {kind.gains} gain, and learner {plan.learner} has no critic to tell it; "
                f"set {kind.gains} to best"
            )
        if kind.listens:
            sampler.listeners.append(self._hear)

    @property
    def steps(self) -> int:
        """Environment steps in tasks that were only tried."""
        return 0 if self._trying is None else self._trying.steps

    @property
    def simulating(self) -> float:
        """Seconds in their worlds."""
        return 0.0 if self._trying is None else self._trying.simulating

    @property
    def sampling(self) -> float:
        """Seconds in playing them, outside of worlds."""
        return 0.0 if self._trying is None else self._trying.sampling

    def meta_step(self, key: tuple[int, int]) -> Metrics:
        """Give lessons until there is one to learn from, and learn from it."""
        tried = 0
        while True:
            # Lessons before the one that is learnt from lengthen the key, so that it draws what it would without them.
            here: Key = key if tried == 0 else (*key, tried)
            lesson = self._teacher.lesson(self._plan.tasks, key[1], numpy_generator((*here, Stream.TASKS)))
            if lesson.learn:
                metrics = self._learner.meta_step(self._sampler, lesson.tasks, key)
            else:
                self._try(lesson.tasks, here)
            self._teacher.told(Told(self._ended, learnt=lesson.learn))
            self._ended = []
            if lesson.learn:
                return metrics
            tried += 1

    def _try(self, tasks: list[Environment], key: Key) -> None:
        if self._trying is None:
            self._trying = self._trials()
            self._trying.listeners.append(self._hear)
        self._trying.play(tasks, self._learner.adapt(self._trying, tasks, 0, key), key, episodes=1)

    def close(self) -> None:
        """Free the worlds of what was tried."""
        if self._trying is not None:
            self._trying.close()

    def state(self) -> dict[str, Any]:
        """Give all that `load` needs."""
        return self._teacher.state()

    def load(self, state: Any) -> None:
        """Go on from a state.

        Raises:
            MetaLearningError: it is no state of this teacher.
        """
        try:
            self._teacher.load(state)
        except (ValueError, KeyError, TypeError) as error:
            raise MetaLearningError(f"the state of teacher {self._plan.teacher} cannot be used: {error}") from error

    def _hear(self, rollout: Rollout, first: Sequence[Environment], listed: Sequence[Environment]) -> None:
        gains = None if self._gains is None else self._gains(rollout)
        self._ended += [Ended(*each) for each in ended_episodes(rollout, first, listed, gains)]


def teacher_settings(plan: Plan) -> Mapping[str, Any]:
    """Give the settings of a plan's teacher; how stages open was a word of the plan itself before there were others."""
    return {"open_over": plan.open_over, **plan.teacher_settings} if plan.teacher == "stages" else plan.teacher_settings
