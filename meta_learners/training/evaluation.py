"""How fast a learner adapts: its return on tasks it has not seen, after so many episodes on each.

As Meta-World tests: some episodes to adapt, then others that count. Those that count are the same, with the same
chances, whatever came before and whoever is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

import numpy as np
from numpy.typing import NDArray

from environments.settings import Bounds, check_bounds
from meta_learners.errors import MetaLearningError
from meta_learners.experience.sampling import Sampler
from meta_learners.families.family import TaskFamily
from meta_learners.keys import Key
from meta_learners.learner import Learner

T = TypeVar("T")
Floats = NDArray[np.float64]

ADAPTING, COUNTING = 0, 1  # last in the keys of their episodes
MODES = ("stochastic", "deterministic")  # in which counting episodes are played: actions drawn, or the likeliest ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """What is tested, and how surely."""

    adaptations: tuple[int, ...] = (0, 1, 2, 3, 5, 10)  # episodes before those that count
    worlds: Annotated[int, Bounds(1, 10**4)] = 10  # that an adaptation plays in; learners by gradients pool them
    episodes: Annotated[int, Bounds(1, 10**4)] = 1  # that count, in each world
    repeats: Annotated[int, Bounds(1, 10**4)] = 1  # adaptations of each task, independent of each other

    def __post_init__(self) -> None:
        try:
            check_bounds(self)
        except ValueError as error:
            raise MetaLearningError(str(error)) from error
        if not self.adaptations or min(self.adaptations) < 0 or max(self.adaptations) > 10**4:
            raise MetaLearningError(
                f"adaptations are {self.adaptations}; they must be numbers of episodes in [0, 10000]"
            )


def adaptation_curve(
    learner: Learner,
    family: TaskFamily[T],
    tasks: Sequence[T],
    protocol: Protocol,
    key: Key,
    *,
    device: str = "cpu",
    fall_reward: float | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Floats]:
    """Measure the mean return of the episodes that count, on every task after every number of others.

    Args:
        learner: adapts; it is not changed.
        family: of the tasks.
        tasks: M of them.
        protocol: how much of everything.
        key: of all chances.
        device: the learner's.
        fall_reward: what learners see of a fall while they adapt, as in training; scores keep the domain's.
        progress: called with how many of the protocol's adaptations are done.

    Returns:
        For each of `MODES`, (M, A) returns, A as in `protocol.adaptations`, means over repeats, worlds and episodes.
    """
    listed = [task for task in tasks for _ in range(protocol.repeats)]
    sampler = Sampler(family, len(listed), protocol.worlds, device=device, fall_reward=fall_reward)
    columns: dict[str, list[Floats]] = {mode: [] for mode in MODES}
    try:
        for number, episodes in enumerate(protocol.adaptations):
            actor = learner.adapt(sampler, listed, episodes, (*key, episodes, ADAPTING))
            for mode, each in zip(MODES, (actor, actor.greedy()), strict=True):
                counted = sampler.play(listed, each, (*key, COUNTING), episodes=protocol.episodes)
                returns = counted.episode_returns(protocol.episodes).double().cpu().numpy()
                columns[mode].append(returns.reshape(len(tasks), -1).mean(1))
            progress(number + 1)
    finally:
        sampler.close()
    return {mode: np.stack(each, 1) for mode, each in columns.items()}
