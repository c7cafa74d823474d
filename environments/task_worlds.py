"""Vectors of tasks for `gymnasium.make_vec`: a domain's own where it has one, Gymnasium's of `TaskEnv`s elsewhere.

Both offer `set_tasks` and take a task for each world in `reset`'s options, so
that learners need not know which they hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv, VectorWrapper
from numpy.typing import NDArray

from environments.curriculum import Curriculum, CurriculumError
from environments.domain import Environment, find_domain
from environments.resets import Reset, Seeds
from environments.tasks import TaskEnv, TaskLike, TaskSource, first_task

Vector = NDArray[np.float32]
Worlds: TypeAlias = VectorEnv[Vector, Vector, NDArray[Any]]


@runtime_checkable
class Vectored(Protocol):
    """A domain that steps many worlds faster than one after another."""

    def make_worlds(self, tasks: Sequence[Environment | None], source: TaskSource, **settings: Any) -> Worlds | None:
        """Make worlds of these tasks, drawn from the source where None; None where the engine is not installed."""
        ...


class TaskWorlds(VectorWrapper[Vector, Vector, NDArray[Any]]):
    """`TaskEnv`s stepped one after another; tasks can be chosen for each."""

    def __init__(self, environments: SyncVectorEnv, source: TaskSource) -> None:
        super().__init__(environments)
        self._source = source
        self._members: list[TaskEnv] = [member.unwrapped for member in environments.envs]  # type: ignore[misc]

    @property
    def tasks(self) -> list[str | None]:
        """The ids of the tasks being played."""
        return [member.task.id for member in self._members]

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
            ValueError: a seed, task, mask or option is not valid; nothing has changed then.
        """
        wanted = Reset.read(self.num_envs, seed, options, self._source)
        for world, task in wanted.tasks.items():
            self._members[world].set_task(task)
        seeds: Any = wanted.seeds  # Gymnasium's annotation forgets that lists are allowed
        return self.env.reset(seed=seeds, options={"reset_mask": wanted.mask})


def make_worlds(
    num_envs: int = 1,
    *,
    domain: str,
    default: Environment | None = None,
    task: TaskLike | None = None,
    tasks: Sequence[TaskLike | None] | None = None,
    environment: Environment | None = None,
    curriculum: Curriculum | Path | str | None = None,
    split: str = "train",
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    episode_limit: int | None = None,
    **settings: Any,
) -> Worlds:
    """Make worlds for `gymnasium.make_vec`.

    Args:
        num_envs: worlds.
        domain: name of the domain.
        default: the task where neither a task nor a curriculum is given.
        task: for all worlds.
        tasks: one for each world; None draws.
        environment: the same as task; the older name.
        curriculum: where ids are looked up and, without tasks, drawn from.
        split: of the curriculum.
        autoreset_mode: what happens when an episode is over, as Gymnasium names it.
        episode_limit: control steps before truncation; the domain's own when None.
        settings: of the domain's own worlds.

    Raises:
        CurriculumError: a task is unknown, or there are too many or too few.
        ValueError: a setting is out of range, or unknown where the domain's own worlds cannot be had.
    """
    source = TaskSource.of(domain, curriculum, split)
    if tasks is not None:
        if task is not None or environment is not None:
            raise CurriculumError("task, tasks and environment exclude each other; give one")
        given = source.find_each(list(tasks), num_envs)
        found = [given.get(world) for world in range(num_envs)]
    else:
        found = [first_task(source, task=task, environment=environment, default=default)] * num_envs
    if None in found:
        _ = source.tasks  # says now what cannot be drawn
    mode = AutoresetMode(autoreset_mode)
    body = find_domain(domain)
    if isinstance(body, Vectored):
        limit = {} if episode_limit is None else {"episode_limit": episode_limit}
        worlds = body.make_worlds(found, source, autoreset_mode=mode, **limit, **settings)
        if worlds is not None:
            return worlds
    if settings:
        raise ValueError(f"{next(iter(settings))} is a setting of worlds that {domain} does not have here")
    make = partial(TaskEnv, domain, curriculum=source.curriculum, split=split, episode_limit=episode_limit)
    makers = [partial(make, task=each) for each in found]
    return TaskWorlds(SyncVectorEnv(makers, autoreset_mode=mode), source)
