"""One Gymnasium environment that plays many tasks, in the manner of Meta-World.

`set_task` and `reset(options={"task": ...})` choose the task; with a
curriculum and no choice, every reset draws a task of the split. A task is
named by a `Task`, an `Environment`, its JSON text, or its id in the curriculum.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.curriculum import Curriculum, CurriculumError, Task
from environments.domain import Environment, find_domain

TaskLike: TypeAlias = Task | Environment | str


class TaskEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """A domain's reference environment whose task can be changed at every reset.

    Spaces, rewards and `info` are those of the domain; `info["task"]` on reset is the task's id.
    After a seeded reset all later ones follow from that seed, also which tasks are drawn.

    Args:
        domain: name of the domain.
        task: the task to play, until another is set.
        environment: the same; the older name.
        curriculum: where ids are looked up and tasks drawn from, loaded or as a folder.
        split: of the curriculum, to draw from.
        default: the task where neither a task nor a curriculum is given.
        render_mode: as the domain's environment takes it.
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": 50}  # noqa: RUF012 - as Gymnasium declares it

    def __init__(
        self,
        domain: str,
        *,
        task: TaskLike | None = None,
        environment: Environment | None = None,
        curriculum: Curriculum | Path | str | None = None,
        split: str = "train",
        default: Environment | None = None,
        render_mode: str | None = None,
    ) -> None:
        if task is not None and environment is not None:
            raise CurriculumError("task and environment are two names for the same; give one")
        self._domain = find_domain(domain)
        self._split = split
        self.curriculum = Curriculum.load(curriculum) if isinstance(curriculum, str | Path) else curriculum
        self.render_mode = render_mode
        chosen = task if task is not None else environment
        if chosen is None and self.curriculum is None:
            chosen = default
        self._next = None if chosen is None else find_task(chosen, self.curriculum, domain)
        if self._next is None and self.curriculum is None:
            raise CurriculumError("there is nothing to play: give a task or a curriculum")
        first = self._next or self._first_of_split()
        self._inner, self._current = self._make(first), first
        self.observation_space = self._inner.observation_space
        self.action_space = self._inner.action_space
        self.metadata = {**self._inner.metadata}

    @property
    def task(self) -> Environment:
        """The task being played."""
        return self._current

    def set_task(self, task: TaskLike) -> None:
        """Choose the task of the next reset and all after it.

        Raises:
            CurriculumError: there is no such task, or it belongs to another domain.
        """
        self._next = find_task(task, self.curriculum, self._domain.name)

    def sample_tasks(self, count: int) -> list[Task]:
        """Draw tasks of the curriculum's split, by the generator that `reset(seed=...)` seeds.

        Raises:
            CurriculumError: there is no curriculum, or the split is empty.
        """
        if self.curriculum is None:
            raise CurriculumError("there is no curriculum to draw tasks from; give curriculum=")
        return self.curriculum.sample_tasks(count, self._split, rng=self.np_random)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode; `options["task"]` sets the task first, other options go to the domain."""
        super().reset(seed=seed)
        passed = dict(options or {})
        if "task" in passed:
            self.set_task(passed.pop("task"))
        wanted = self._next if self._next is not None else self.sample_tasks(1)[0].environment
        if wanted != self._current:
            self._inner.close()
            self._inner, self._current = self._make(wanted), wanted
        # The inner environment is seeded every time, so that changing it loses no thread of randomness.
        episode = int(self.np_random.integers(2**63)) if seed is None else seed
        observation, info = self._inner.reset(seed=episode, options=passed)
        return observation, {**info, "task": wanted.id}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Act in the task being played."""
        observation, reward, terminated, truncated, info = self._inner.step(action)
        return observation, float(reward), terminated, truncated, info

    def render(self) -> Any:
        """Draw the task being played."""
        return self._inner.render()

    def close(self) -> None:
        """Close the domain's environment."""
        self._inner.close()

    def _make(self, environment: Environment) -> gymnasium.Env[Any, Any]:
        return self._domain.make_env(environment, render_mode=self.render_mode)

    def _first_of_split(self) -> Environment:
        assert self.curriculum is not None
        tasks = self.curriculum.split(self._split)
        if not tasks:
            raise CurriculumError(f"{self.curriculum.folder} has no {self._split} tasks; name another split")
        return tasks[0].environment


def find_task(task: TaskLike, curriculum: Curriculum | None, domain: str) -> Environment:
    """Resolve what names a task.

    Raises:
        CurriculumError: there is no such task, or it belongs to another domain.
    """
    found = _resolve(task, curriculum)
    if found.domain != domain:
        raise CurriculumError(f"task {found.id} is one of {found.domain}; this environment is {domain}")
    return found


def _resolve(task: TaskLike, curriculum: Curriculum | None) -> Environment:
    if isinstance(task, Environment):
        return task
    if isinstance(task, Task):
        return task.environment
    if not isinstance(task, str):
        raise CurriculumError(f"task is {task!r}; give a task, an environment, its JSON text or an id")
    if task.lstrip().startswith("{"):
        try:
            return Environment.from_json(task)
        except ValueError as error:
            raise CurriculumError(f"task is not the JSON text of an environment: {error}") from error
    if curriculum is None:
        raise CurriculumError(f"task {task!r} cannot be looked up without a curriculum; give curriculum=")
    return curriculum.task(task).environment
