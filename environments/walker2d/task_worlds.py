"""Many walkers over the tasks of a curriculum, stepped together on the native engine.

What `TaskEnv` is to `WalkerEnv`, this is to `WalkerVectorEnv`: tasks can be
chosen for each world, and where none is, every episode draws one of the split.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import SyncVectorEnv, VectorEnv, VectorWrapper
from numpy.typing import NDArray

from environments.curriculum import Curriculum, CurriculumError
from environments.domain import Environment
from environments.tasks import TaskEnv, TaskLike, find_task
from environments.walker2d import native
from environments.walker2d.vector import WalkerVectorEnv

Vector = NDArray[np.float32]


class TaskWorlds(VectorWrapper[Vector, Vector, NDArray[Any]]):
    """Worlds that draw a task of a curriculum's split for every episode; `infos["task"]` on reset names them."""

    def __init__(self, worlds: WalkerVectorEnv, curriculum: Curriculum, split: str) -> None:
        super().__init__(worlds)
        self.worlds = worlds
        self.curriculum = curriculum
        self.split = split
        self.tasks = [""] * worlds.num_envs  # ids, of the episodes under way

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Vector, dict[str, Any]]:
        """Start anew with drawn tasks; an integer seed also decides which."""
        if isinstance(seed, int):
            self.np_random = np.random.default_rng(seed)
        everywhere = np.ones(self.worlds.num_envs, dtype=np.bool_)
        self._draw(np.asarray((options or {}).get("reset_mask", everywhere)))
        observations, infos = self.worlds.reset(seed=seed, options=options)
        return observations, {**infos, "task": np.array(self.tasks)}

    def step(self, actions: Vector) -> tuple[Vector, Any, Any, Any, dict[str, Any]]:
        """Step every world; one whose episode ends begins another task's at the next step."""
        observations, rewards, terminations, truncations, infos = self.worlds.step(actions)
        self._draw(terminations | truncations)
        return observations, rewards, terminations, truncations, infos

    def _draw(self, mask: NDArray[np.bool_]) -> None:
        for world in np.flatnonzero(mask).tolist():
            (task,) = self.curriculum.sample_tasks(1, self.split, rng=self.np_random)
            self.worlds.set_task(world, task.environment)
            self.tasks[world] = task.id


def make_walkers(
    num_envs: int = 1,
    *,
    domain: str = "walker2d",
    default: Environment | None = None,
    task: TaskLike | None = None,
    tasks: Sequence[TaskLike] | None = None,
    environment: Environment | None = None,
    curriculum: Curriculum | Path | str | None = None,
    split: str = "train",
    **settings: Any,
) -> VectorEnv[Vector, Vector, NDArray[Any]]:
    """Make worlds for `gymnasium.make_vec`; on Gymnasium's own stepping where the native engine is not built.

    Args:
        num_envs: worlds.
        domain: must be the walker's.
        default: the task where neither a task nor a curriculum is given.
        task: for all worlds.
        tasks: one for each world.
        environment: the same as task; the older name.
        curriculum: where ids are looked up and, without tasks, drawn from.
        split: of the curriculum.
        settings: of `WalkerVectorEnv`.

    Raises:
        CurriculumError: a task is unknown, or there are too many or too few.
    """
    if isinstance(curriculum, str | Path):
        curriculum = Curriculum.load(curriculum)
    if sum(choice is not None for choice in (task, tasks, environment)) > 1:
        raise CurriculumError("task, tasks and environment exclude each other; give one")
    if tasks is None:
        only = task if task is not None else environment
        if only is None and curriculum is None:
            only = default
        tasks = None if only is None else [only] * num_envs
    if tasks is not None and len(tasks) != num_envs:
        raise CurriculumError(f"tasks has {len(tasks)} entries; there are {num_envs} worlds")
    found = None if tasks is None else [find_task(each, curriculum, domain) for each in tasks]
    if native.problem() is not None:
        chosen: list[Environment | None] = [None] * num_envs if found is None else [*found]
        make = partial(TaskEnv, domain, curriculum=curriculum, split=split, default=default)
        return SyncVectorEnv([partial(make, task=each) for each in chosen])
    if found is not None:
        return WalkerVectorEnv(found, **settings)
    assert curriculum is not None
    if not curriculum.split(split):
        raise CurriculumError(f"{curriculum.folder} has no {split} tasks; name another split")
    return TaskWorlds(WalkerVectorEnv([None] * num_envs, **settings), curriculum, split)
