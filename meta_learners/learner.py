"""What every meta-learner promises to the program that trains and tests it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

from torch import Tensor

from meta_learners.acting import Actor
from meta_learners.episodes import EpisodeFamily, TaskBatch
from meta_learners.experience.sampling import Sampler
from meta_learners.families.family import TaskFamily
from meta_learners.keys import Key
from meta_learners.predictions import Prediction

__all__ = [
    "CLASSES",
    "NUMBERS",
    "FewShotKind",
    "FewShotLearner",
    "Learner",
    "LearnerKind",
    "LossError",
    "Make",
    "MakeFewShot",
    "Metrics",
    "State",
    "Tuning",
    "Unread",
    "all_read",
]

T = TypeVar("T")

Metrics = dict[str, float]
"""Named figures of one meta-step, such as `return_before`, `return_after`, `loss`."""


class LossError(RuntimeError):
    """A loss or a gradient is not finite; the learner's state is as it was before the step."""


@dataclass(frozen=True)
class State:
    """All that a learner needs to go on to the same result, bit for bit."""

    tensors: Mapping[str, Tensor]  # flat: parameters and what the optimiser keeps
    facts: Mapping[str, Any] = field(default_factory=dict)  # a JSON object


class Learner(Protocol):
    """A meta-learner: takes outer steps on tasks, and adapts to new ones.

    Everything random comes from the keys that are passed in, so the state holds no generator.
    """

    name: str

    def meta_step(self, sampler: Sampler[T], tasks: Sequence[T], key: Key) -> Metrics:
        """Play the tasks (as many as the sampler plays) and take one outer step.

        Raises:
            LossError: something is not finite; nothing has changed.
        """
        ...

    def adapt(self, sampler: Sampler[T], tasks: Sequence[T], episodes: int, key: Key) -> Actor[Any]:
        """Adapt to each task by so many episodes in every one of its worlds; 0 gives the unadapted actor.

        Gradient-based learners pool a task's worlds into one adapted policy; a recurrent one has a memory for
        each. To adapt independently several times, list a task several times and give it one world.
        """
        ...

    def state(self) -> State:
        """Give all that `load` needs."""
        ...

    def load(self, state: State) -> None:
        """Go on from a state.

        Raises:
            ValueError: it is another learner's, or of other sizes.
        """
        ...


class Make(Protocol):
    """Makes a learner of a kind."""

    def __call__(self, name: str, family: TaskFamily[Any], settings: Any, *, seed: int, device: str) -> Learner:
        """Give the learner of this name, for a family, with settings of the kind's class, before any meta-step."""
        ...


class FewShotLearner(Protocol):
    """A meta-learner that is given examples: takes outer steps on tasks, and tells the queries of new ones.

    Everything random comes from the keys that are passed in, so the state holds no generator.
    """

    name: str

    def meta_step(self, batch: TaskBatch, key: Key) -> Metrics:
        """Take one outer step on the tasks of a batch.

        Raises:
            LossError: something is not finite; nothing has changed.
        """
        ...

    def predict(self, batch: TaskBatch, key: Key) -> Prediction:
        """Learn each task from its support alone and tell its queries; their targets are not looked at.

        The learner stays as it is.
        """
        ...

    def state(self) -> State:
        """Give all that `load` needs."""
        ...

    def load(self, state: State) -> None:
        """Go on from a state.

        Raises:
            ValueError: it is another learner's, or of other sizes.
        """
        ...


@runtime_checkable
class Tuning(Protocol):
    """A few-shot learner that knows rivals of its own kind, which must be tuned to tasks of training."""

    def rivals(self, known: TaskBatch, key: Key) -> Callable[[TaskBatch, Key], Mapping[str, Prediction]]:
        """Tune them to known tasks; give what predicts a batch's queries by each of them, by its name."""
        ...


class MakeFewShot(Protocol):
    """Makes a few-shot learner of a kind."""

    def __call__(self, name: str, family: EpisodeFamily, settings: Any, *, seed: int, device: str) -> FewShotLearner:
        """Give the learner of this name, for a family, with settings of the kind's class, before any meta-step.

        Raises:
            ValueError: it cannot learn such tasks.
        """
        ...


CLASSES, NUMBERS = "classes", "numbers"  # what targets can be

Unread = Callable[[str, Any, Any], frozenset[str]]
"""From a learner's name, the family and all settings to those that then make no difference."""


def all_read(name: str, family: Any, settings: Any) -> frozenset[str]:
    """Say that a learner has no setting that makes no difference."""
    return frozenset()


@dataclass(frozen=True, kw_only=True)
class FewShotKind:
    """What an entry point of the group `poet.learners` names for a learner that is given examples."""

    settings: type[Any]  # a frozen dataclass whose fields all have defaults; commands and checks are made from it
    make: MakeFewShot
    takes: frozenset[str]  # of CLASSES and NUMBERS
    fixed_ways: bool = False  # whether it can be tested with no other number of classes than it was trained with
    unread: Unread = all_read  # settings that are refused, for nothing would come of them


@dataclass(frozen=True, kw_only=True)
class LearnerKind:
    """What an entry point of the group `poet.learners` names: all that it takes to train a learner by name."""

    settings: type[Any]  # a frozen dataclass whose fields all have defaults; commands and checks are made from it
    make: Make
    copies: int = 2  # worlds of each task, unless the user says otherwise
    unread: Unread = all_read  # settings that are refused, for nothing would come of them
    # Steps after which it cuts fresh episodes, by settings; None where it cuts none.
    horizon: Callable[[Any], int | None] = lambda settings: None
    few_shot: FewShotKind | None = None  # the same learner where it is given examples instead
