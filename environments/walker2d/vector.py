"""Many walkers stepped together, as a Gymnasium vector environment on the native engine.

Each world plays its own task, which may change with every episode: that is how
meta-learners move through a curriculum. Worlds, tasks, seeds and rewards are
those of Gymnasium's vector of `TaskEnv`s, to the last bit; so are the three
modes of starting anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from environments.domain import Environment, Outcome
from environments.resets import Reset, Seeds
from environments.tasks import TaskLike, TaskSource
from environments.walker2d import native
from environments.walker2d.env import EPISODE_LIMIT, WalkerEnv, start_pushes
from environments.walker2d.terrain import Terrain, terrain_of

Course = Environment | Terrain | None
Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

_RUNNING = -1  # the core's outcome of an episode that goes on


class WalkerVectorEnv(VectorEnv[NDArray[np.float32], NDArray[np.float32], NDArray[Any]]):
    """Walkers on their courses, one world each, stepped by one call.

    Observations float32 (n, 24) and actions float32 (n, 4) mean what `WalkerEnv` says; actions beyond ±1 act as ±1
    and one that is not finite ends its episode as diverged. At an episode's end `infos["outcome"]` holds its `Outcome`
    where `infos["_outcome"]` is true; where an episode begins, `infos["task"]` names its task, if a source is given.

    When an episode is over, by Gymnasium's `AutoresetMode`: NEXT_STEP begins another with the next step, which ignores
    that world's action and gives reward 0; SAME_STEP begins it at once, with the last observation in
    `infos["final_obs"]` and the outcome in `infos["final_info"]`; DISABLED leaves it to `reset` with a `reset_mask`.

    Args:
        courses: one for each world; None draws a task of the source for every episode, or without a source is flat.
        source: where tasks are looked up and drawn from.
        episode_limit: control steps before truncation, at least 1.
        autoreset_mode: what to do when an episode is over.
        kernel: of the native engine, such as "plain-4"; the fastest when empty.

    Raises:
        RuntimeError: the native engine is not built.
        ValueError: there are no courses, one is not valid, or a setting is out of range.
    """

    def __init__(
        self,
        courses: Sequence[Course],
        *,
        source: TaskSource | None = None,
        episode_limit: int = EPISODE_LIMIT,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        kernel: str = "",
    ) -> None:
        reason = native.problem()
        if reason is not None:
            raise RuntimeError(f"WalkerVectorEnv needs the native engine, but {reason}")
        if not courses:
            raise ValueError("courses is empty; give one for each world, or None for flat ground")
        single = WalkerEnv(episode_limit=episode_limit)  # checks the limit
        self.num_envs = len(courses)
        self.single_observation_space = single.observation_space
        self.single_action_space = single.action_space
        self.observation_space = batch_space(single.observation_space, self.num_envs)
        self.action_space = batch_space(single.action_space, self.num_envs)
        self.episode_limit = episode_limit
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {"autoreset_mode": self.autoreset_mode}
        self._source = source
        self._worlds = native.core.Worlds(self.num_envs, kernel)
        self._generators: list[np.random.Generator | None] = [None] * self.num_envs
        self._seeds: list[int | None] = [None] * self.num_envs
        self._steps = np.zeros(self.num_envs, dtype=np.int64)
        self._over = np.ones(self.num_envs, dtype=np.bool_)
        self._observations = np.zeros(self.observation_space.shape or (), dtype=np.float32)
        self._laid: list[native.core.Course | None] = [None] * self.num_envs
        self._names = np.full(self.num_envs, None, dtype=object)
        self._drawn = [course is None and source is not None for course in courses]
        self._courses: list[native.core.Course | None] = [
            None if drawn else _build(course) for course, drawn in zip(courses, self._drawn, strict=True)
        ]
        self._next_names = [course.id if isinstance(course, Environment) else None for course in courses]

    @property
    def tasks(self) -> list[str | None]:
        """The ids of the tasks being played; None where there is no name, or no episode yet."""
        return list(self._names)

    def set_tasks(self, tasks: TaskLike | Sequence[TaskLike | None]) -> None:
        """Choose the task of every world, or one for each, from its next episode on; None changes nothing.

        Raises:
            CurriculumError: there are too many or too few, or one cannot be found.
        """
        self._choose((self._source or TaskSource("walker2d")).find_each(tasks, self.num_envs))

    def set_task(self, world: int, task: TaskLike) -> None:
        """Choose one world's task from its next episode on; raises as `set_tasks` does."""
        self._choose({world: (self._source or TaskSource("walker2d")).find(task)})

    def reset(
        self, *, seed: Seeds = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin episodes anew: all, or those where `options["reset_mask"]` is true.

        `options["task"]` first sets a task for all of them, or one for each world. An integer seed gives world i the
        seed plus i; a seed also decides which tasks are drawn, then and later.

        Raises:
            ValueError: a seed, task, mask or option is not valid; nothing has changed then.
        """
        wanted = Reset.read(self.num_envs, seed, options, self._source or TaskSource("walker2d"))
        self._choose(wanted.tasks)
        pushes = self._begin(wanted.mask, wanted.seeds)
        self._worlds.reset(wanted.mask, pushes, self._observations)
        self._over[wanted.mask] = False
        self._steps[wanted.mask] = 0
        return self._observations.copy(), self._named(wanted.mask)

    def step(
        self, actions: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], Floats, Booleans, Booleans, dict[str, Any]]:
        """Apply one action for 1/50 s in every world; see the class for worlds whose episode is over."""
        actions = np.ascontiguousarray(actions, dtype=np.float32)
        if actions.shape != self.action_space.shape:
            raise ValueError(f"actions has shape {actions.shape}; it must be {self.action_space.shape}")
        begun = self._over.copy()
        if self.autoreset_mode is not AutoresetMode.NEXT_STEP and begun.any():
            raise gymnasium.error.ResetNeeded(f"call reset first: world {begun.argmax()} has no episode under way")
        pushes = self._begin(begun)
        rewards = np.empty(self.num_envs)
        outcomes = np.empty(self.num_envs, dtype=np.int8)
        self._worlds.step(actions, begun, pushes, self._observations, rewards, outcomes)
        self._steps = np.where(begun, 0, self._steps + 1)
        terminations = outcomes != _RUNNING
        truncations = ~terminations & (self._steps >= self.episode_limit)
        outcomes[truncations] = Outcome.TIMED_OUT
        self._over = terminations | truncations
        infos = {"outcome": outcomes, "_outcome": self._over.copy()} if self._over.any() else {}
        if self.autoreset_mode is AutoresetMode.SAME_STEP and infos:
            infos = self._follow(infos)
        else:
            infos |= self._named(begun)
        return self._observations.copy(), rewards, terminations, truncations, infos

    def _follow(self, final: dict[str, Any]) -> dict[str, Any]:
        """Begin anew in the worlds whose episode is over, and keep what their last step showed."""
        over = self._over.copy()
        last = np.full(self.num_envs, None, dtype=object)
        for world in np.flatnonzero(over).tolist():
            last[world] = self._observations[world].copy()
        _, named = self.reset(options={"reset_mask": over})
        return {"final_obs": last, "_final_obs": over, "final_info": final, "_final_info": over.copy(), **named}

    def _choose(self, tasks: dict[int, Environment]) -> None:
        built = {world: native.course_of(task) for world, task in tasks.items()}  # checks them all first
        for world, task in tasks.items():
            self._courses[world], self._next_names[world] = built[world], task.id
            self._drawn[world] = False

    def _begin(self, mask: Booleans, seeds: Sequence[int | None] | None = None) -> Floats:
        """Lay the courses of episodes that begin; gives the starting force of each, N (n,), from `TaskEnv`'s draws."""
        pushes = np.zeros(self.num_envs)
        for world in np.flatnonzero(mask).tolist():
            seed = None if seeds is None else seeds[world]
            if seed is not None:
                self._seeds[world], self._generators[world] = seed, None
            if self._drawn[world]:
                assert self._source is not None
                task = self._source.draw(self._generator(world))
                self._courses[world], self._next_names[world] = native.course_of(task), task.id
            course = self._courses[world]
            if course is not None and course is not self._laid[world]:
                self._worlds.set_course(world, course)
                self._laid[world] = course
            self._names[world] = self._next_names[world]
            episode = self._generator(world).integers(2**64, dtype=np.uint64) if seed is None else np.uint64(seed)
            pushes[world] = start_pushes(np.array([episode]))[0]
        return pushes

    def _generator(self, world: int) -> np.random.Generator:
        generator = self._generators[world]
        if generator is None:
            generator, _ = seeding.np_random(self._seeds[world])
            self._generators[world] = generator
        return generator

    def _named(self, begun: Booleans) -> dict[str, Any]:
        if self._source is None or not begun.any():
            return {}
        names = np.full(self.num_envs, None, dtype=object)
        names[begun] = self._names[begun]
        return {"task": names, "_task": begun.copy()}


def _build(course: Course) -> native.core.Course:
    return native.build_course(course if isinstance(course, Terrain) else terrain_of(course))
