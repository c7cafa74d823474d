"""Many walkers stepped together, as a Gymnasium vector environment on the native engine.

Each world plays its own task, which may change with every episode: that is how
meta-learners move through a curriculum. Worlds, tasks, seeds and rewards are
those of Gymnasium's vector of `TaskEnv`s, to the last bit; so are the three
modes of starting anew.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from environments.domain import NO_OUTCOME, Environment, Outcome
from environments.history import without
from environments.tasks.env import TaskLike, TaskSource
from environments.tasks.resets import Reset, Seeds, checked_actions, checked_threads, over
from environments.walker2d import native
from environments.walker2d.drawing import draw
from environments.walker2d.env import EPISODE_LIMIT, Lidar, WalkerEnv, start_pushes
from environments.walker2d.filming import poses_of, scene_of
from environments.walker2d.physics import HIDDEN_SIZE, ORDINARY, Physics
from environments.walker2d.terrain import Terrain, terrain_of

Course = Environment | Terrain | None
Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

HANDLES = frozenset({"_worlds", "_courses", "_laid"})  # of the core
OBSERVATION = 24  # numbers that a walker sees
LIDAR = slice(14, 24)  # of an observation


class WalkerVectorEnv(VectorEnv[NDArray[np.float32], NDArray[np.float32], NDArray[Any]]):
    """Walkers on their courses, one world each, stepped by one call.

    Observations float32 (n, 24) and actions float32 (n, 4) mean what `WalkerEnv` says; actions beyond ±1 act as ±1
    and one that is not finite ends its episode as diverged. `infos["outcome"]`, int64 (n,), holds the `Outcome` of
    episodes that are over and NO_OUTCOME, -1, of the others; with a source, `infos["task"]`, int64 too, holds the
    `Environment.number` of the tasks being played.

    When an episode is over, by Gymnasium's `AutoresetMode`: NEXT_STEP begins another with the next step, which ignores
    that world's action and gives reward 0; SAME_STEP begins it at once, with the last observation in
    `infos["final_obs"]` and the outcome in `infos["final_info"]`; DISABLED leaves it to `reset` with a `reset_mask`.

    Copies and pickles go on from where the original stood, to the last bit; nothing is shared with it.

    Args:
        courses: one for each world; None draws a task of the source for every episode, or without a source is flat.
        source: where tasks are looked up and drawn from.
        lidar: what the rays report; as the domain of the source or of the courses has it when None.
        told: append what is hidden of each world's body to its observations, which are (n, 34) then; see
            `environments.walker2d.physics.hidden`.
        episode_limit: control steps before truncation, at least 1.
        autoreset_mode: what to do when an episode is over.
        render_mode: "rgb_array" or None.
        kernel: of the native engine, such as "plain-4"; the fastest when empty.
        threads: that share the worlds of a step, in groups of the kernel's lanes; no bit depends on how many.

    Raises:
        RuntimeError: the native engine is not built.
        ValueError: there are no courses, one is not valid, or a setting is out of range.
    """

    def __init__(
        self,
        courses: Sequence[Course],
        *,
        source: TaskSource | None = None,
        lidar: Lidar | None = None,
        told: bool = False,
        episode_limit: int = EPISODE_LIMIT,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        kernel: str = "",
        threads: int = 1,
    ) -> None:
        reason = native.problem()
        if reason is not None:
            raise RuntimeError(f"WalkerVectorEnv needs the native engine, but {reason}")
        if not courses:
            raise ValueError("courses is empty; give one for each world, or None for flat ground")
        single = WalkerEnv(episode_limit=episode_limit, told=told)  # checks the limit
        self.lidar = lidar_of(courses, source) if lidar is None else lidar
        self.num_envs = len(courses)
        self.single_observation_space = single.observation_space
        self.single_action_space = single.action_space
        self.observation_space = batch_space(single.observation_space, self.num_envs)
        self.action_space = batch_space(single.action_space, self.num_envs)
        self.episode_limit = episode_limit
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.render_mode = render_mode
        self.metadata = {**WalkerEnv.metadata, "render_modes": ["rgb_array"], "autoreset_mode": self.autoreset_mode}
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode is {render_mode!r}; it must be None or 'rgb_array'")
        self._source = source
        self._tasks = source or TaskSource(self.lidar.value)
        self._kernel = kernel
        self._threads = checked_threads(threads)
        self._worlds = self._make_worlds()
        self._generators: list[np.random.Generator | None] = [None] * self.num_envs
        self._seeds: list[int | None] = [None] * self.num_envs
        self._steps = np.zeros(self.num_envs, dtype=np.int64)
        self._over = np.ones(self.num_envs, dtype=np.bool_)
        self._begun = np.zeros(self.num_envs, dtype=np.bool_)  # the worlds that have ever been reset
        self._observations = np.zeros((self.num_envs, OBSERVATION), dtype=np.float32)
        self._hidden = np.zeros((self.num_envs, HIDDEN_SIZE), dtype=np.float32) if told else None
        self._laid: list[native.core.Course | None] = [None] * self.num_envs
        self._names = np.full(self.num_envs, None, dtype=object)
        self._drawn = [course is None and source is not None for course in courses]
        self._next = list(courses)
        self._played: list[Course] = [None] * self.num_envs
        self._numbers = np.zeros(self.num_envs, dtype=np.int64)  # of the tasks being played
        self._courses: list[native.core.Course | None] = [
            None if drawn else built(course) for course, drawn in zip(courses, self._drawn, strict=True)
        ]
        self._next_names = [course.id if isinstance(course, Environment) else None for course in courses]

    def _make_worlds(self) -> native.core.Worlds:
        return native.core.Worlds(self.num_envs, self._kernel, self.lidar is Lidar.PUBLISHED, self._threads)

    @property
    def tasks(self) -> list[str | None]:
        """The ids of the tasks being played; None where there is no name, or no episode yet."""
        return list(self._names)

    @property  # type: ignore[misc]  # read-only, as in Gymnasium's own vector
    def np_random(self) -> Any:
        """The worlds' generators."""
        return tuple(self._generator(world) for world in range(self.num_envs))

    @property
    def np_random_seed(self) -> Any:
        """The seeds of the worlds' generators."""
        _ = self.np_random
        return tuple(self._seeds)

    def set_tasks(self, tasks: TaskLike | Sequence[TaskLike | None]) -> None:
        """Choose the task of every world, or one for each, from its next episode on; None changes nothing.

        Raises:
            CurriculumError: there are too many or too few, or one cannot be found.
        """
        self._choose(self._tasks.find_each(tasks, self.num_envs))

    def set_task(self, world: int, task: TaskLike) -> None:
        """Choose one world's task from its next episode on; raises as `set_tasks` does."""
        self._choose({world: self._tasks.find(task)})

    def reset(
        self, *, seed: Seeds = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin episodes anew: all, or those where `options["reset_mask"]` is true.

        `options["task"]` first sets a task for all of them, or one for each world. An integer seed gives world i the
        seed plus i; a seed also decides which tasks are drawn, then and later.

        Raises:
            RuntimeError: the worlds have been closed.
            ValueError: a seed, task, mask or option is not valid; nothing has changed then.
        """
        if self.closed:
            raise RuntimeError("the worlds have been closed; make others")
        wanted = Reset.read(self.num_envs, seed, options, self._tasks)
        self._choose(wanted.tasks)
        pushes = self._begin(wanted.mask, wanted.seeds)
        self._worlds.reset(wanted.mask, pushes, self._observations)
        self._over[wanted.mask] = False
        self._begun[wanted.mask] = True
        self._steps[wanted.mask] = 0
        outcomes = np.where(wanted.mask, NO_OUTCOME, 0)
        return self._told(slice(None)), self._infos(outcomes, wanted.mask)

    def step(
        self, actions: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], Floats, Booleans, Booleans, dict[str, Any]]:
        """Apply one action for 1/50 s in every world; see the class for worlds whose episode is over."""
        actions = checked_actions(actions, self.action_space)
        begun = self._over.copy()
        if self.closed or not self._begun.all():
            raise over(~self._begun | self.closed)
        if self.autoreset_mode is not AutoresetMode.NEXT_STEP and begun.any():
            raise over(begun)
        pushes = self._begin(begun)
        rewards = np.empty(self.num_envs)
        outcomes = np.empty(self.num_envs, dtype=np.int8)
        self._worlds.step(actions, begun, pushes, self._observations, rewards, outcomes)
        self._steps = np.where(begun, 0, self._steps + 1)
        terminations = outcomes != NO_OUTCOME
        truncations = ~terminations & (self._steps >= self.episode_limit)
        outcomes[truncations] = Outcome.TIMED_OUT
        self._over = terminations | truncations
        everywhere = np.ones(self.num_envs, dtype=np.bool_)
        if self.autoreset_mode is AutoresetMode.SAME_STEP and self._over.any():
            final = self._follow(outcomes)
            outcomes = np.where(final["_final_info"], NO_OUTCOME, outcomes)
        else:
            final = {}
        infos = {**final, **self._infos(outcomes, everywhere)}
        return self._told(slice(None)), rewards, terminations, truncations, infos

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Draw every world: (400, 600, 3) each for "rgb_array"."""
        if self.render_mode is None:
            return None
        if self.closed or not self._begun.all():
            raise gymnasium.error.ResetNeeded("call reset before render: there is nothing to draw")
        return tuple(self._draw(world) for world in range(self.num_envs))

    def poses(self) -> Floats:
        """Say where the bodies of every world are, as `WalkerEnv.poses`: (n, 5, 3) of x and y in m and angle in rad."""
        return poses_of(
            [self._worlds.get_state(world) for world in range(self.num_envs)], [_body(each) for each in self._played]
        )

    def _told(self, worlds: int | slice) -> NDArray[np.float32]:
        """Give what worlds show, with what is hidden of the bodies where that is told."""
        seen = self._observations[worlds]
        return seen.copy() if self._hidden is None else np.concatenate([seen, self._hidden[worlds]], axis=-1)

    def _draw(self, world: int) -> NDArray[np.uint8]:
        state, lidar = self._worlds.get_state(world), self._observations[world, LIDAR]
        course = self._played[world]
        return draw(scene_of(state, lidar, _ground(course), int(self._steps[world]), _body(course)))

    def __copy__(self) -> WalkerVectorEnv:
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        worlds = [self._worlds.get_state(world) if begun else b"" for world, begun in enumerate(self._begun.tolist())]
        return {**without(self, HANDLES), "worlds": worlds}

    def __setstate__(self, state: dict[str, Any]) -> None:
        worlds = state.pop("worlds")
        self.__dict__.update(state)
        reason = native.problem()
        if reason is not None:
            raise RuntimeError(f"WalkerVectorEnv needs the native engine, but {reason}")
        self._worlds = self._make_worlds()
        self._courses = [
            None if drawn and course is None else built(course)
            for course, drawn in zip(self._next, self._drawn, strict=True)
        ]
        self._laid = [built(course) if begun else None for course, begun in zip(self._played, self._begun, strict=True)]
        for world, course in enumerate(self._laid):
            if course is not None:
                self._worlds.set_course(world, course)
        # A world can take a state once it stands on its course.
        self._worlds.reset(self._begun, np.zeros(self.num_envs), np.zeros_like(self._observations))
        for world in np.flatnonzero(self._begun).tolist():
            self._worlds.set_state(world, worlds[world])

    def _follow(self, outcomes: NDArray[np.int8]) -> dict[str, Any]:
        """Begin anew in the worlds whose episode is over, and keep what their last step showed."""
        over = self._over.copy()
        last = np.full(self.num_envs, None, dtype=object)
        for world in np.flatnonzero(over).tolist():
            last[world] = self._told(world)
        final = self._infos(np.where(over, outcomes, 0), over)
        self.reset(options={"reset_mask": over})
        return {"final_obs": last, "_final_obs": over, "final_info": final, "_final_info": over.copy()}

    def _choose(self, tasks: dict[int, Environment]) -> None:
        built = {world: native.course_of(task) for world, task in tasks.items()}  # checks them all first
        for world, task in tasks.items():
            self._courses[world], self._next[world], self._next_names[world] = built[world], task, task.id
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
                drawn = self._source.draw(self._generator(world))
                self._courses[world], self._next[world] = native.course_of(drawn), drawn
                self._next_names[world] = drawn.id
            course = self._courses[world]
            if course is not None and course is not self._laid[world]:
                self._worlds.set_course(world, course)
                self._laid[world] = course
            task = self._played[world] = self._next[world]
            if self._hidden is not None:
                self._hidden[world] = hidden_of(task)
            self._numbers[world] = task.number if isinstance(task, Environment) else 0
            self._names[world] = self._next_names[world]
            episode = self._generator(world).integers(2**64, dtype=np.uint64) if seed is None else np.uint64(seed)
            pushes[world] = start_pushes(np.array([episode]))[0]
        return pushes

    def _generator(self, world: int) -> np.random.Generator:
        generator = self._generators[world]
        if generator is None:
            generator, self._seeds[world] = seeding.np_random(self._seeds[world])
            self._generators[world] = generator
        return generator

    def _infos(self, outcomes: NDArray[Any], told: Booleans) -> dict[str, Any]:
        """Say how the episodes stand in the worlds that are told of; like Gymnasium's, 0 elsewhere."""
        infos: dict[str, Any] = {"outcome": outcomes.astype(np.int64), "_outcome": told.copy()}
        if self._source is not None:
            infos |= {"task": np.where(told, self._numbers, 0), "_task": told.copy()}
        return infos


def lidar_of(courses: Sequence[Course], source: TaskSource | None) -> Lidar:
    """Say which lidar worlds have: that of the domain their tasks are of; raises ValueError where there are two."""
    found = {course.domain for course in courses if isinstance(course, Environment)}
    found |= {source.domain} if source is not None else set()
    if len(found) > 1:
        raise ValueError(f"courses are of {' and '.join(sorted(found))}; the worlds of a vector are of one domain")
    return Lidar(found.pop()) if found else Lidar.NEAREST


def built(course: Course) -> native.core.Course:
    """Give the core a course of any kind; raises ValueError where it is not valid."""
    return native.course_of(course) if isinstance(course, Environment) else native.build_course(_ground(course))


def hidden_of(course: Course) -> NDArray[np.float32]:
    """Give what is hidden of the body on a course of any kind, (10,)."""
    return _body(course).scaled()


def _body(course: Course) -> Physics:
    return Physics.of(course) if isinstance(course, Environment) else ORDINARY


def _ground(course: Course) -> Terrain:
    return course if isinstance(course, Terrain) else _expressed(course)


@lru_cache(maxsize=64)  # a film draws the same few courses again and again
def _expressed(task: Environment | None) -> Terrain:
    return terrain_of(task)
