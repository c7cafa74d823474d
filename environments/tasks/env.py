"""Where tasks come from, and a Gymnasium environment that plays many, in the manner of Meta-World.

`set_task` and `reset(options={"task": ...})` choose the task; with a
curriculum and no choice, every reset draws a task of the split. A task is
named by a `Task`, an `Environment`, its fields as a table or JSON text, or its
id in the curriculum.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment, find_domain
from environments.plain import whole_seed
from environments.tasks.task import CurriculumError, Task, Tasks

TaskLike: TypeAlias = Task | Environment | Mapping[str, Any] | str


@dataclass(frozen=True)
class TaskSource:
    """Where a domain's tasks are looked up and drawn from: a curriculum's split, or nothing."""

    domain: str
    curriculum: Tasks | None = None
    split: str = "train"

    @staticmethod
    def of(domain: str, curriculum: Tasks | str | Path | None, split: str) -> TaskSource:
        """Make one whose split is known to be there.

        Raises:
            CurriculumError: the curriculum has no such split, or is the name of its folder.
        """
        if isinstance(curriculum, str | Path):
            raise CurriculumError(f"curriculum is {str(curriculum)!r}; give what Curriculum.load makes of that folder")
        if curriculum is not None:
            curriculum.split(split)
        return TaskSource(domain, curriculum, split)

    @cached_property
    def tasks(self) -> list[Task]:
        """The tasks to draw from.

        Raises:
            CurriculumError: there is no curriculum, or its split is unknown or empty.
        """
        if self.curriculum is None:
            raise CurriculumError("there is no curriculum to draw tasks from; give curriculum=")
        tasks = self.curriculum.split(self.split)
        if not tasks:
            raise CurriculumError(f"{self.curriculum.folder} has no {self.split} tasks; name another split")
        return tasks

    def draw(self, rng: np.random.Generator) -> Environment:
        """Draw one task, each as likely; raises as `tasks` does."""
        return self.tasks[int(rng.integers(len(self.tasks)))].environment

    def find(self, task: TaskLike) -> Environment:
        """Resolve what names a task.

        Raises:
            CurriculumError: there is no such task, or it belongs to another domain.
        """
        found = _resolve(task, self.curriculum)
        if found.domain != self.domain:
            raise CurriculumError(f"task {found.id} is one of {found.domain}; this environment is {self.domain}")
        return found

    def find_each(self, tasks: TaskLike | Sequence[TaskLike | None], worlds: int) -> dict[int, Environment]:
        """Resolve one task for all of so many worlds, or one for each; None leaves a world out.

        Raises:
            CurriculumError: there are too many or too few, or one is not valid as `find` says.
        """
        if isinstance(tasks, Task | Environment | Mapping | str) or not isinstance(tasks, Sequence | np.ndarray):
            return dict.fromkeys(range(worlds), self.find(tasks))
        if len(tasks) != worlds:
            raise CurriculumError(f"tasks has {len(tasks)} entries; there are {worlds} worlds")
        return {world: self.find(task) for world, task in enumerate(tasks) if task is not None}


class TaskEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """A domain's reference environment whose task can be changed at every reset.

    Spaces, rewards and `info` are those of the domain. `info["task"]` is the number of the task being played, a whole
    number, since vectors and tensors hold no text: compare it with `task.number`, or get the id by `domain.id_of`.
    After a seeded reset all later ones follow from that seed, also which tasks are drawn.

    What `gymnasium.make` returns has wrappers about it: there `env.unwrapped.set_task`, or a task in reset's options.
    Its `max_episode_steps` is a wrapper too, and where that ends an episode the domain's outcome stays NO_OUTCOME.

    Copies and pickles share nothing with the original; with our bodies they go on from where it stood, bit for bit.

    Args:
        domain: name of the domain.
        task: the task to play, until another is set.
        curriculum: where ids are looked up and tasks drawn from.
        split: of the curriculum, to draw from.
        default: the task where neither a task nor a curriculum is given.
        episode_limit: control steps before truncation; the domain's own when None.
        render_mode: as the domain's environment takes it.
        told: append what is hidden of each task's body to its observations, where the domain has such tasks.

    Raises:
        CurriculumError: there is nothing to play, or a task cannot be found.
        ValueError: nothing of the domain is hidden that could be told.
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": 50}  # noqa: RUF012 - as Gymnasium declares it

    def __init__(
        self,
        domain: str,
        *,
        task: TaskLike | None = None,
        curriculum: Tasks | None = None,
        split: str = "train",
        default: TaskLike | None = None,
        episode_limit: int | None = None,
        render_mode: str | None = None,
        told: bool = False,
    ) -> None:
        self._closed = False
        self._more = telling(domain) if told else {}
        self._source = TaskSource.of(domain, curriculum, split)
        self._episode_limit = episode_limit
        self.render_mode = render_mode
        self._next = first_task(self._source, task=task, default=default)
        first = self._next or self._source.tasks[0].environment
        self._inner, self._current = self._make(first), first
        self.observation_space = self._inner.observation_space
        self.action_space = self._inner.action_space
        self.metadata = {**self._inner.metadata}

    @property
    def curriculum(self) -> Tasks | None:
        """Where ids are looked up and tasks drawn from."""
        return self._source.curriculum

    @property
    def task(self) -> Environment:
        """The task being played."""
        return self._current

    def set_task(self, task: TaskLike) -> None:
        """Choose the task of the next reset and all after it.

        Raises:
            CurriculumError: there is no such task, or it belongs to another domain.
        """
        self._next = self._source.find(task)

    def sample_tasks(self, count: int) -> list[Task]:
        """Draw tasks of the curriculum's split, by the generator that `reset(seed=...)` seeds.

        Raises:
            CurriculumError: there is no curriculum, or the split is empty.
        """
        if self.curriculum is None:
            raise CurriculumError("there is no curriculum to draw tasks from; give curriculum=")
        return self.curriculum.sample_tasks(count, self._source.split, rng=self.np_random)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode; `options["task"]` sets the task first, other options go to the domain."""
        if self._closed:
            raise RuntimeError("the environment has been closed; make another")
        seed = None if seed is None else whole_seed(seed)
        passed = dict(options or {})
        if "task" in passed:
            self.set_task(passed.pop("task"))
        super().reset(seed=seed)
        wanted = self._next if self._next is not None else self._source.draw(self.np_random)
        if wanted != self._current:
            self._inner.close()
            self._inner, self._current = self._make(wanted), wanted
        # The inner environment is seeded every time, so that changing it loses no thread of randomness.
        episode = int(self.np_random.integers(2**64, dtype=np.uint64)) if seed is None else seed
        observation, info = self._inner.reset(seed=episode, options=passed)
        return observation, {**info, "task": wanted.number}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Act in the task being played."""
        observation, reward, terminated, truncated, info = self._inner.step(action)
        return observation, float(reward), bool(terminated), bool(truncated), {**info, "task": self._current.number}

    def render(self) -> Any:
        """Draw the task being played."""
        return self._inner.render()

    def close(self) -> None:
        """Close the domain's environment; no episode can begin after."""
        self._closed = True
        self._inner.close()

    def __copy__(self) -> TaskEnv:
        return copy.deepcopy(self)

    def _make(self, environment: Environment) -> gymnasium.Env[Any, Any]:
        domain = find_domain(self._source.domain)
        return domain.make_env(
            environment, render_mode=self.render_mode, episode_limit=self._episode_limit, **self._more
        )


def telling(domain: str) -> dict[str, Any]:
    """Give the setting by which a domain's environments tell what is hidden of their tasks.

    Raises:
        ValueError: nothing of it is hidden.
    """
    if not hasattr(find_domain(domain), "hidden"):
        raise ValueError(f"told is True, but {domain} has no hidden physics to tell of; it must be False")
    return {"told": True}


def first_task(
    source: TaskSource, *, task: TaskLike | None = None, default: TaskLike | None = None
) -> Environment | None:
    """Say which task an environment starts with; None where each episode draws one.

    Raises:
        CurriculumError: there is nothing to play, or the task cannot be found.
    """
    if task is not None:
        return source.find(task)
    if source.curriculum is not None:
        return None
    if default is None:
        raise CurriculumError("there is nothing to play: give a task or a curriculum")
    return source.find(default)


def _resolve(task: TaskLike, curriculum: Tasks | None) -> Environment:
    if isinstance(task, Environment):
        return task
    if isinstance(task, Task):
        return task.environment
    if isinstance(task, Mapping):
        try:
            return Environment.from_fields(task)
        except ValueError as error:
            raise CurriculumError(f"task is {dict(task)!r}: {error}") from error
    if not isinstance(task, str):
        raise CurriculumError(f"task is {task!r}; give a task, an environment, its fields or JSON text, or an id")
    if task.lstrip().startswith("{"):
        try:
            return Environment.from_json(task)
        except (ValueError, RecursionError) as error:
            raise CurriculumError(f"task is not the JSON text of an environment: {error}") from error
    if curriculum is None:
        raise CurriculumError(f"task {task!r} cannot be looked up without a curriculum; give curriculum=")
    return curriculum.task(task).environment
