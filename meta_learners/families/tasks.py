"""Families of tasks: where a meta-learner's tasks come from, and the worlds they are played in.

A family draws tasks and makes worlds; worlds are a Gymnasium vector
environment that can be told, all at once, which task each world plays. Exported
curricula and any Gymnasium environment with `sample_tasks` and `set_task`, as
Meta-World has them, are adapted here; families computed in NumPy for all
worlds at once, such as `navigation.py`, meet the protocol by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, flatdim
from gymnasium.vector import SyncVectorEnv
from gymnasium.wrappers import FlattenObservation, TimeLimit
from numpy.typing import NDArray

from environments.domain import Environment, find_domain
from environments.tasks.curriculum import SPLITS, Curriculum
from environments.tasks.env import TaskEnv
from environments.walker2d import native
from environments.walker2d.env import Lidar
from environments.walker2d.terrain import DOMAINS
from environments.walker2d.vector import WalkerVectorEnv

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

Step = tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Actions:
    """What may be done in one step."""

    size: int  # how many numbers, or how many choices
    discrete: bool  # choices 0, ..., size - 1, given as int64 (n,); otherwise float32 (n, size)


class Worlds(Protocol[T_contra]):
    """What the sampler needs of a Gymnasium vector environment, in autoreset mode NEXT_STEP.

    An episode that is over starts anew at the next step, which ignores its action and rewards nothing. So the
    observation after an episode's last step is its true last one, which bootstrapping needs.
    """

    num_envs: int

    def set_tasks(self, tasks: Sequence[T_contra]) -> None:
        """Give every world its task (num_envs,), from the next reset on."""
        ...

    def reset(
        self, *, seed: Sequence[int], options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start anew: observations (n, o); only some worlds where `options["reset_mask"]`, bool (n,), is given."""
        ...

    def step(self, actions: NDArray[Any]) -> Step:
        """Act: observations (n, o), rewards (n,), terminations (n,), truncations (n,)."""
        ...

    def close(self) -> None:
        """Free what the worlds hold."""
        ...


class TaskFamily(Protocol[T]):
    """Tasks that share observations and actions."""

    name: str
    observation_size: int
    actions: Actions
    episode_limit: int  # steps

    def sample_tasks(self, count: int, generator: np.random.Generator, split: str = "train") -> list[T]:
        """Draw tasks of a split."""
        ...

    def worlds(self, count: int) -> Worlds[T]:
        """Make worlds that step together."""
        ...


class EnvironmentFamily:
    """Environments of one domain, by split: a curriculum's, random ones, or made by hand.

    Args:
        domain: name of the domain.
        splits: environments that tasks are drawn from.
        episode_limit: steps before truncation; the domain's own when None.

    Raises:
        ValueError: the domain is unknown, or an environment belongs to another.
    """

    def __init__(
        self, domain: str, splits: Mapping[str, Sequence[Environment]], *, episode_limit: int | None = None
    ) -> None:
        found = find_domain(domain)
        for environment in (each for tasks in splits.values() for each in tasks):
            if environment.domain != domain:
                raise ValueError(f"environment {environment.id} is of domain {environment.domain}; it must be {domain}")
        self.name = domain
        self.splits = {name: list(tasks) for name, tasks in splits.items()}
        self.observation_size = found.controller.sizes[0]
        self.actions = Actions(found.controller.sizes[-1], discrete=False)
        self.episode_limit = min(episode_limit or found.episode_limit, found.episode_limit)

    @staticmethod
    def of(curriculum: Curriculum, *, episode_limit: int | None = None) -> EnvironmentFamily:
        """Take the tasks of an exported curriculum."""
        splits = {name: [task.environment for task in curriculum.split(name)] for name in SPLITS}
        return EnvironmentFamily(curriculum.domain.name, splits, episode_limit=episode_limit)

    def sample_tasks(self, count: int, generator: np.random.Generator, split: str = "train") -> list[Environment]:
        """Draw tasks of a split, without repeats while they last.

        Raises:
            ValueError: the split is unknown or has no tasks.
        """
        tasks = self.splits.get(split)
        if not tasks:
            have = ", ".join(f"{name} ({len(each)} tasks)" for name, each in self.splits.items())
            raise ValueError(f"split {split!r} has no tasks; there are {have}")
        rounds = -(-count // len(tasks))
        drawn = [place for _ in range(rounds) for place in generator.permutation(len(tasks)).tolist()]
        return [tasks[place] for place in drawn[:count]]

    def worlds(self, count: int) -> Worlds[Environment]:
        """Make worlds that step together: on the native engine for the walker where it is built."""
        if self.name in DOMAINS and native.problem() is None:
            return WalkerWorlds(count, self.episode_limit, Lidar(self.name))
        first = next(each for tasks in self.splits.values() for each in tasks)
        return GymnasiumWorlds([lambda: TaskEnv(self.name, task=first)] * count, self.episode_limit)


class WalkerWorlds:
    """Walkers on the native engine, every world with a course of its own."""

    def __init__(self, count: int, episode_limit: int, lidar: Lidar) -> None:
        self.num_envs = count
        self._walkers = WalkerVectorEnv([None] * count, episode_limit=episode_limit, lidar=lidar)
        self.reset, self.step, self.close = self._walkers.reset, self._walkers.step, self._walkers.close

    def set_tasks(self, tasks: Sequence[Environment]) -> None:
        """Give every world its course."""
        for world, task in enumerate(tasks):
            self._walkers.set_task(world, task)


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
        self.actions = _actions(env.action_space)

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


def _actions(space: gymnasium.Space[Any]) -> Actions:
    if isinstance(space, Discrete):
        return Actions(int(space.n), discrete=True)
    if isinstance(space, Box) and len(space.shape) == 1:
        return Actions(space.shape[0], discrete=False)
    raise ValueError(f"the action space is {space}; it must be a Box of one axis, or Discrete")
