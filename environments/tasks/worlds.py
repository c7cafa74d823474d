"""Vectors of tasks for `gymnasium.make_vec`: a domain's own where it has one, Gymnasium's of `TaskEnv`s elsewhere.

Both offer `set_tasks` and take a task for each world in `reset`'s options, so
that learners need not know which they hold.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from numpy.typing import NDArray

from environments.domain import Environment, find_domain
from environments.tasks.curriculum import Curriculum, CurriculumError
from environments.tasks.env import TaskEnv, TaskLike, TaskSource, first_task, telling
from environments.tasks.resets import NO_LIMIT, Reset, Seeds, checked_actions, checked_limit, over

Vector = NDArray[np.float32]
Worlds: TypeAlias = VectorEnv[Vector, Vector, NDArray[Any]]


@runtime_checkable
class Vectored(Protocol):
    """A domain that steps many worlds faster than one after another."""

    def make_worlds(self, tasks: Sequence[Environment | None], source: TaskSource, **settings: Any) -> Worlds | None:
        """Make worlds of these tasks, drawn from the source where None; None where the engine is not installed."""
        ...


class TaskWorlds(VectorEnv[Vector, Vector, NDArray[Any]]):
    """`TaskEnv`s stepped one after another by Gymnasium's vector; tasks can be chosen for each.

    Args:
        makers: of the worlds' environments.
        source: where tasks are looked up and drawn from.
        autoreset_mode: what to do when an episode is over.
        render_mode: what the makers' environments have.
    """

    def __init__(
        self,
        makers: Sequence[Callable[[], TaskEnv]],
        source: TaskSource,
        autoreset_mode: AutoresetMode,
        render_mode: str | None = None,
    ) -> None:
        self._source = source
        self._inner = SyncVectorEnv(makers, autoreset_mode=autoreset_mode)
        self._members: list[TaskEnv] = self._inner.envs  # type: ignore[assignment]
        self._over = np.ones(len(self._members), dtype=np.bool_)
        self.num_envs = self._inner.num_envs
        self.single_observation_space = self._inner.single_observation_space
        self.single_action_space = self._inner.single_action_space
        self.observation_space = self._inner.observation_space
        self.action_space = self._inner.action_space
        self.autoreset_mode = autoreset_mode
        self.metadata = self._inner.metadata
        self.render_mode = render_mode

    @property
    def tasks(self) -> list[str | None]:
        """The ids of the tasks being played."""
        return [member.task.id for member in self._members]

    @property  # type: ignore[misc]  # read-only, as in Gymnasium's own vector
    def np_random(self) -> Any:
        """The worlds' generators."""
        return self._inner.np_random

    @property
    def np_random_seed(self) -> Any:
        """The seeds of the worlds' generators."""
        return self._inner.np_random_seed

    def set_tasks(self, tasks: TaskLike | Sequence[TaskLike | None]) -> None:
        """Choose the task of every world, or one for each, from its next episode on; None changes nothing.

        Raises:
            CurriculumError: there are too many or too few, or one cannot be found.
        """
        for world, task in self._source.find_each(tasks, self.num_envs).items():
            self._members[world].set_task(task)

    def set_task(self, world: int, task: TaskLike) -> None:
        """Choose one world's task from its next episode on; raises as `set_tasks` does."""
        self._members[world].set_task(task)

    def reset(self, *, seed: Seeds = None, options: dict[str, Any] | None = None) -> tuple[Vector, dict[str, Any]]:
        """Begin episodes anew, of all worlds or those of `options["reset_mask"]`; `options["task"]` as `set_tasks`.

        Raises:
            RuntimeError: the worlds have been closed.
            ValueError: a seed, task, mask or option is not valid; nothing has changed then.
        """
        if self.closed:
            raise RuntimeError("the worlds have been closed; make others")
        wanted = Reset.read(self.num_envs, seed, options, self._source)
        for world, task in wanted.tasks.items():
            self._members[world].set_task(task)
        seeds: Any = wanted.seeds  # Gymnasium's annotation forgets that lists are allowed
        self._over[wanted.mask] = False
        return self._inner.reset(seed=seeds, options={"reset_mask": wanted.mask})

    def step(
        self, actions: Vector
    ) -> tuple[Vector, NDArray[Any], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Apply one action in every world; one whose episode is over begins another, or asks for `reset`."""
        actions = checked_actions(actions, self.action_space)
        if self._over.any():
            raise over(self._over)
        observations, rewards, terminations, truncations, infos = self._inner.step(actions)
        if self.autoreset_mode is AutoresetMode.DISABLED:
            self._over = terminations | truncations
        return observations, rewards, terminations, truncations, infos

    def render(self) -> tuple[Any, ...] | None:
        """Draw every world: (height, width, 3) each for "rgb_array"."""
        return None if self.render_mode is None else self._inner.render()

    def close_extras(self, **kwargs: Any) -> None:
        """Close the worlds' environments."""
        self._over[:] = True
        self._inner.close(**kwargs)

    def __copy__(self) -> TaskWorlds:
        return copy.deepcopy(self)


def make_worlds(
    num_envs: int = 1,
    *,
    domain: str,
    default: TaskLike | None = None,
    task: TaskLike | None = None,
    tasks: Sequence[TaskLike | None] | None = None,
    curriculum: Curriculum | Path | str | None = None,
    split: str = "train",
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    episode_limit: int | None = None,
    max_episode_steps: int | None = None,
    render_mode: str | None = None,
    told: bool = False,
    **settings: Any,
) -> Worlds:
    """Make worlds for `gymnasium.make_vec`.

    Args:
        num_envs: worlds.
        domain: name of the domain.
        default: the task where neither a task nor a curriculum is given.
        task: for all worlds.
        tasks: one for each world; None draws.
        curriculum: where ids are looked up and, without tasks, drawn from.
        split: of the curriculum.
        autoreset_mode: what happens when an episode is over, as Gymnasium names it.
        episode_limit: control steps before truncation; the domain's own when None.
        max_episode_steps: Gymnasium's name for the same; -1 for no limit.
        render_mode: "rgb_array", of which Gymnasium's vector wrappers make windows and films, or None.
        told: append what is hidden of each task's body to its observations, where the domain has such tasks.
        settings: of the domain's own worlds.

    Raises:
        CurriculumError: a task is unknown, or there are too many or too few.
        ValueError: a setting is out of range, or unknown where the domain's own worlds cannot be had.
    """
    checked_limit(num_envs, "num_envs")
    source = TaskSource.of(domain, Curriculum.of(curriculum), split)
    if tasks is not None:
        if task is not None:
            raise CurriculumError("task and tasks exclude each other; give one")
        given = source.find_each(list(tasks), num_envs)
        found = [given.get(world) for world in range(num_envs)]
    else:
        found = [first_task(source, task=task, default=default)] * num_envs
    if None in found:
        _ = source.tasks  # says now what cannot be drawn
    if render_mode not in (None, "rgb_array"):
        raise ValueError(
            f"render_mode is {render_mode!r}; worlds take None or 'rgb_array', of which "
            "gymnasium.wrappers.vector.HumanRendering makes a window"
        )
    mode = AutoresetMode(autoreset_mode)
    body = find_domain(domain)
    more = telling(domain) if told else {}
    limit = _limit(body.episode_limit, episode_limit, max_episode_steps)
    if isinstance(body, Vectored):
        worlds = body.make_worlds(
            found, source, autoreset_mode=mode, episode_limit=limit, render_mode=render_mode, **more, **settings
        )
        if worlds is not None:
            return worlds
    if settings:
        raise ValueError(f"{next(iter(settings))} is a setting of worlds that {domain} does not have here")
    make = partial(
        TaskEnv,
        domain,
        curriculum=source.curriculum,
        split=split,
        episode_limit=limit,
        render_mode=render_mode,
        told=told,
    )
    return TaskWorlds([partial(make, task=each) for each in found], source, mode, render_mode)


def _limit(own: int, episode_limit: int | None, max_episode_steps: int | None) -> int:
    """Choose between two names for the steps of an episode; `make_vec` always gives its own, as registered at least."""
    if max_episode_steps == -1:
        max_episode_steps = NO_LIMIT
    for name, steps in (("episode_limit", episode_limit), ("max_episode_steps", max_episode_steps)):
        if steps is not None:
            checked_limit(steps, name)
    if episode_limit is None:
        return own if max_episode_steps is None else int(max_episode_steps)
    if max_episode_steps not in (None, own, episode_limit):
        raise ValueError(
            f"episode_limit is {episode_limit} and max_episode_steps {max_episode_steps}; they are two names for the "
            "same, give one"
        )
    return int(episode_limit)
