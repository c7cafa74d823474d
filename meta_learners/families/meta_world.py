"""Meta-World's benchmarks (Yu et al. 2020, arXiv:1910.10897), such as ML10, as a family of tasks.

Meta-World has a class for each of its environments and a list of tasks for each split; here one environment plays all
of them. It is not installed with this project: `pip install metaworld packaging`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import gymnasium

from meta_learners.families.gymnasium_family import GymnasiumFamily

EPISODE_LIMIT = 500  # steps, after which Meta-World's environments can take no more


class Benchmark(Protocol):
    """What is used of `metaworld.ML10()` and its like."""

    train_classes: Mapping[str, type[Any]]
    test_classes: Mapping[str, type[Any]]
    train_tasks: Sequence[Any]  # each with `env_name`, a key of the classes
    test_tasks: Sequence[Any]


class MetaWorldEnv(gymnasium.Env[Any, Any]):
    """Plays any task of a benchmark, in the environment that the task names; each of these is made when first needed.

    Args:
        benchmark: such as `metaworld.ML10(seed=0)`.
        tasks: that `sample_tasks` draws from.

    Raises:
        ValueError: there are no tasks.
    """

    def __init__(self, benchmark: Benchmark, tasks: Sequence[Any]) -> None:
        if not tasks:
            raise ValueError(f"{type(benchmark).__name__} has no such tasks; take ML1, ML10, ML25 or ML45")
        self._classes = {**benchmark.train_classes, **benchmark.test_classes}
        self._tasks = tasks
        self._made: dict[str, gymnasium.Env[Any, Any]] = {}
        self._task = self._coming = tasks[0]
        playing = self._of(self._task)
        self.observation_space, self.action_space = playing.observation_space, playing.action_space

    def sample_tasks(self, count: int) -> list[Any]:
        """Draw tasks, without repeats while they last."""
        drawn: list[Any] = []
        while len(drawn) < count:
            order = self.np_random.permutation(len(self._tasks))[: count - len(drawn)]
            drawn += [self._tasks[place] for place in order]
        return drawn

    def set_task(self, task: Any) -> None:
        """Play this one from the next reset on."""
        self._coming = task

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode of the task."""
        super().reset(seed=seed)
        self._task = self._coming
        playing: Any = self._of(self._task)
        playing.set_task(self._task)
        return playing.reset(seed=seed)  # type: ignore[no-any-return]

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Act; `info["success"]` is 1 where the task is done."""
        return self._of(self._task).step(action)

    def close(self) -> None:
        """Close all that were made."""
        for each in self._made.values():
            each.close()

    def _of(self, task: Any) -> gymnasium.Env[Any, Any]:
        if task.env_name not in self._made:
            self._made[task.env_name] = self._classes[task.env_name]()
        return self._made[task.env_name]


def meta_world(benchmark: Benchmark, *, name: str, episode_limit: int = EPISODE_LIMIT) -> GymnasiumFamily:
    """Give a benchmark as a family: split "train" draws its training tasks, "test" its test tasks.

    Args:
        benchmark: such as `metaworld.ML10(seed=0)`, which takes half a minute to make; its tasks are of that seed.
        name: for logs and checkpoints.
        episode_limit: steps before truncation, at most 500.

    Raises:
        ValueError: the limit is out of range. Drawing test tasks of a benchmark that has none, as MT10, raises it too.
    """
    if not 1 <= episode_limit <= EPISODE_LIMIT:
        raise ValueError(f"episode_limit is {episode_limit}; it must lie in [1, {EPISODE_LIMIT}]")
    return GymnasiumFamily(
        lambda: MetaWorldEnv(benchmark, benchmark.train_tasks),
        make_test=lambda: MetaWorldEnv(benchmark, benchmark.test_tasks),
        episode_limit=episode_limit,
        name=name,
    )
