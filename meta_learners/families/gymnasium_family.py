"""Any Gymnasium environment whose task can be set, as Meta-World's can, as a family of tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, flatdim
from gymnasium.vector import SyncVectorEnv
from gymnasium.wrappers import FlattenObservation, TimeLimit
from numpy.typing import NDArray

from meta_learners.acting import Actions
from meta_learners.families.family import Step, Worlds


class GymnasiumFamily:
    """Any Gymnasium environment with `sample_tasks(count)` and `set_task(task)`, as Meta-World has them.

    Observations and actions may be of any space that Gymnasium can flatten to a vector, actions a bounded or unbounded
    Box or Discrete. Actions beyond a Box's bounds act as the bounds.

    Args:
        make: makes an environment; all tasks are played in such ones.
        make_test: makes one that test tasks are drawn from; the same when None.
        episode_limit: steps before truncation.
        name: for logs and checkpoints.

    Raises:
        ValueError: the environment has no such methods, or its actions are of another space.
    """

    def __init__(
        self,
        make: Callable[[], gymnasium.Env[Any, Any]],
        *,
        make_test: Callable[[], gymnasium.Env[Any, Any]] | None = None,
        episode_limit: int,
        name: str = "gymnasium",
    ) -> None:
        self._make = {"train": make, "validation": make, "test": make_test or make}
        self._drawing: dict[str, gymnasium.Env[Any, Any]] = {}
        self.name, self.episode_limit = name, episode_limit
        env = self._environment("train")
        self.observation_size = flatdim(env.observation_space)
        self.actions = actions_of(env.action_space)

    def sample_tasks(self, count: int, generator: np.random.Generator, split: str = "train") -> list[Any]:
        """Draw tasks by the environment's own `sample_tasks`, seeded from the generator through `reset`.

        Raises:
            ValueError: there is no such split.
        """
        if split not in self._make:
            raise ValueError(f"split is {split!r}; splits are {', '.join(self._make)}")
        env = self._environment(split)
        env.reset(seed=int(generator.integers(2**31)))
        return list(env.unwrapped.sample_tasks(count))  # type: ignore[attr-defined] # checked when it was made

    def worlds(self, count: int) -> Worlds[Any]:
        """Make worlds that Gymnasium steps one after another in this process."""
        return GymnasiumWorlds([self._make["train"]] * count, self.episode_limit)

    def _environment(self, split: str) -> gymnasium.Env[Any, Any]:
        if split not in self._drawing:
            env = self._make[split]()
            for method in ("sample_tasks", "set_task"):
                if not hasattr(env.unwrapped, method):
                    raise ValueError(f"{type(env.unwrapped).__name__} has no {method}(); a family of tasks needs one")
            self._drawing[split] = env
        return self._drawing[split]


class GymnasiumWorlds:
    """Gymnasium environments with `set_task`, stepped one after another."""

    def __init__(self, make: Sequence[Callable[[], gymnasium.Env[Any, Any]]], episode_limit: int) -> None:
        def wrapped(one: Callable[[], gymnasium.Env[Any, Any]]) -> Callable[[], gymnasium.Env[Any, Any]]:
            return lambda: TimeLimit(FlattenObservation(one()), episode_limit)

        self.num_envs = len(make)
        self._worlds = SyncVectorEnv([wrapped(one) for one in make])
        self._space = self._worlds.single_action_space
        self.close = self._worlds.close

    def set_tasks(self, tasks: Sequence[Any]) -> None:
        """Give every world its task."""
        for env, task in zip(self._worlds.envs, tasks, strict=True):
            env.unwrapped.set_task(task)  # type: ignore[attr-defined]

    def reset(
        self, *, seed: Sequence[int], options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start anew, all worlds or those of `options["reset_mask"]`."""
        observations, infos = self._worlds.reset(seed=list(seed), options=options)
        return np.asarray(observations, dtype=np.float32), infos

    def step(self, actions: NDArray[Any]) -> Step:
        """Act in every world, within the bounds of the actions."""
        if isinstance(self._space, Box):
            actions = np.clip(actions, self._space.low, self._space.high)
        elif isinstance(self._space, Discrete):
            actions = actions + self._space.start
        observations, rewards, terminations, truncations, infos = self._worlds.step(actions)
        return np.asarray(observations, dtype=np.float32), rewards, terminations, truncations, infos


def actions_of(space: gymnasium.Space[Any]) -> Actions:
    """Say what may be done in a space of actions.

    Raises:
        ValueError: learners have no distribution over it.
    """
    if isinstance(space, Discrete):
        return Actions(int(space.n), discrete=True)
    if isinstance(space, Box) and len(space.shape) == 1:
        return Actions(space.shape[0], discrete=False)
    raise ValueError(f"the action space is {space}; it must be a Box of one axis, or Discrete")
