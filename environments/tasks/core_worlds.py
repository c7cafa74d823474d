"""Worlds that a C++ core steps together, as a Gymnasium vector environment; a body says what is its own.

Each world plays its own task, which may change with every episode: that is how
meta-learners move through a curriculum. Worlds, tasks, seeds and rewards are
those of Gymnasium's vector of `TaskEnv`s, to the last bit; so are the three
modes of starting anew.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

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

Ground = TypeVar("Ground")  # of a body: what its courses can be given as besides tasks
Vector = NDArray[np.float32]
Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

HANDLES = frozenset({"_worlds", "_courses", "_laid"})  # of the core


class Core(Protocol):
    """A core's worlds. Arrays have a row for each world."""

    def set_course(self, world: int, course: Any) -> None:
        """Put a world on a course, on which its next episode begins."""

    def reset(self, chosen: Booleans, starts: Floats, observations: Vector) -> None:
        """Begin episodes in the chosen worlds; the observations of the others are left alone."""

    def step(
        self,
        actions: Vector,
        resets: Booleans,
        starts: Floats,
        observations: Vector,
        rewards: Floats,
        outcomes: NDArray[np.int8],
    ) -> None:
        """Step every world, or begin an episode where `resets` says so; outcomes are NO_OUTCOME while it lasts."""

    def get_state(self, world: int) -> bytes:
        """Give all that a world is, save for its course."""

    def set_state(self, world: int, state: bytes) -> None:
        """Let a world go on from where another stood, on a course like its."""


class CoreVectorEnv(VectorEnv[Vector, Vector, NDArray[Any]], Generic[Ground]):
    """Bodies on their courses, one world each, stepped by one call.

    `infos["outcome"]`, int64 (n,), holds the `Outcome` of episodes that are over and NO_OUTCOME, -1, of the others;
    with a source, `infos["task"]`, int64 too, holds the `Environment.number` of the tasks being played.

    When an episode is over, by Gymnasium's `AutoresetMode`: NEXT_STEP begins another with the next step, which ignores
    that world's action and gives reward 0; SAME_STEP begins it at once, with the last observation in
    `infos["final_obs"]` and the outcome in `infos["final_info"]`; DISABLED leaves it to `reset` with a `reset_mask`.

    Copies and pickles go on from where the original stood, to the last bit; nothing is shared with it.

    Args:
        courses: one for each world; None draws a task of the source for every episode, or without a source is flat.
        single: an environment of one body, whose spaces, metadata and limit of control steps the worlds have.
        told: how many of an observation's last numbers are what is hidden of the body, which the core does not give.
        source: where tasks are looked up and drawn from.
        domain: that tasks are of where there is no source.
        autoreset_mode: what to do when an episode is over.
        render_mode: "rgb_array" or None.
        threads: that share the worlds of a step, in groups of the kernel's lanes; no bit depends on how many.

    Raises:
        RuntimeError: the core cannot be used.
        ValueError: there are no courses, one is not valid, or a setting is out of range.
    """

    def __init__(
        self,
        courses: Sequence[Environment | Ground | None],
        *,
        single: gymnasium.Env[Vector, Vector],
        told: int = 0,
        source: TaskSource | None,
        domain: str,
        episode_limit: int,
        autoreset_mode: AutoresetMode | str,
        render_mode: str | None,
        threads: int,
    ) -> None:
        if not courses:
            raise ValueError("courses is empty; give one for each world, or None for flat ground")
        self.num_envs = len(courses)
        self.single_observation_space = single.observation_space
        self.single_action_space = single.action_space
        self.observation_space = batch_space(single.observation_space, self.num_envs)
        self.action_space = batch_space(single.action_space, self.num_envs)
        self.episode_limit = episode_limit
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.render_mode = render_mode
        self.metadata = {**single.metadata, "render_modes": ["rgb_array"], "autoreset_mode": self.autoreset_mode}
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode is {render_mode!r}; it must be None or 'rgb_array'")
        self._source = source
        self._tasks = source or TaskSource(domain)
        self._threads = checked_threads(threads)
        self._worlds = self._make_core()
        self._generators: list[np.random.Generator | None] = [None] * self.num_envs
        self._seeds: list[int | None] = [None] * self.num_envs
        self._steps = np.zeros(self.num_envs, dtype=np.int64)
        self._over = np.ones(self.num_envs, dtype=np.bool_)
        self._begun = np.zeros(self.num_envs, dtype=np.bool_)  # the worlds that have ever been reset
        (size,) = single.observation_space.shape or ()
        self._observations = np.zeros((self.num_envs, size - told), dtype=np.float32)
        self._hidden = np.zeros((self.num_envs, told), dtype=np.float32)
        self._laid: list[Any] = [None] * self.num_envs
        self._names = np.full(self.num_envs, None, dtype=object)
        self._drawn = [course is None and source is not None for course in courses]
        self._next = list(courses)
        self._played: list[Environment | Ground | None] = [None] * self.num_envs
        self._numbers = np.zeros(self.num_envs, dtype=np.int64)  # of the tasks being played
        self._courses: list[Any] = [
            None if drawn else self._built(course) for course, drawn in zip(courses, self._drawn, strict=True)
        ]
        self._next_names = [course.id if isinstance(course, Environment) else None for course in courses]

    start_shape: ClassVar[tuple[int, ...]]  # of what says how one episode begins

    @abstractmethod
    def _make_core(self) -> Core:
        """Make the core's worlds; raises RuntimeError where it cannot be used."""

    @abstractmethod
    def _built(self, course: Environment | Ground | None) -> Any:
        """Give the core a course; raises ValueError where it is not valid."""

    @abstractmethod
    def _starts(self, seeds: NDArray[np.uint64]) -> Floats:
        """Say how the episodes of some seeds (k,) begin: (k, *start_shape)."""

    @abstractmethod
    def _hidden_of(self, course: Environment | Ground | None) -> Vector:
        """Give what is hidden of the body on a course, for worlds that are told of it."""

    @abstractmethod
    def _draw(self, world: int) -> NDArray[np.uint8]:
        """Draw a world: (height, width, 3)."""

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

    def reset(self, *, seed: Seeds = None, options: dict[str, Any] | None = None) -> tuple[Vector, dict[str, Any]]:
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
        starts = self._begin(wanted.mask, wanted.seeds)
        self._worlds.reset(wanted.mask, starts, self._observations)
        self._over[wanted.mask] = False
        self._begun[wanted.mask] = True
        self._steps[wanted.mask] = 0
        outcomes = np.where(wanted.mask, NO_OUTCOME, 0)
        return self._shown(slice(None)), self._infos(outcomes, wanted.mask)

    def step(self, actions: Vector) -> tuple[Vector, Floats, Booleans, Booleans, dict[str, Any]]:
        """Apply one action for 1/50 s in every world; see the class for worlds whose episode is over."""
        actions = checked_actions(actions, self.action_space)
        begun = self._over.copy()
        if self.closed or not self._begun.all():
            raise over(~self._begun | self.closed)
        if self.autoreset_mode is not AutoresetMode.NEXT_STEP and begun.any():
            raise over(begun)
        starts = self._begin(begun)
        rewards = np.empty(self.num_envs)
        outcomes = np.empty(self.num_envs, dtype=np.int8)
        self._worlds.step(actions, begun, starts, self._observations, rewards, outcomes)
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
        return self._shown(slice(None)), rewards, terminations, truncations, infos

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Draw every world as its environment does for "rgb_array": (height, width, 3) each."""
        if self.render_mode is None:
            return None
        if self.closed or not self._begun.all():
            raise gymnasium.error.ResetNeeded("call reset before render: there is nothing to draw")
        return tuple(self._draw(world) for world in range(self.num_envs))

    def __copy__(self) -> Any:
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        worlds = [self._worlds.get_state(world) if begun else b"" for world, begun in enumerate(self._begun.tolist())]
        return {**without(self, HANDLES), "worlds": worlds}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        kept = dict(state)
        worlds = kept.pop("worlds")
        self.__dict__.update(kept)
        self._worlds = self._make_core()
        self._courses = [
            None if drawn and course is None else self._built(course)
            for course, drawn in zip(self._next, self._drawn, strict=True)
        ]
        self._laid = [
            self._built(course) if begun else None for course, begun in zip(self._played, self._begun, strict=True)
        ]
        for world, course in enumerate(self._laid):
            if course is not None:
                self._worlds.set_course(world, course)
        # A world can take a state once it stands on its course.
        anyhow = self._starts(np.zeros(self.num_envs, dtype=np.uint64))
        self._worlds.reset(self._begun, anyhow, np.zeros_like(self._observations))
        for world in np.flatnonzero(self._begun).tolist():
            self._worlds.set_state(world, worlds[world])

    def _shown(self, worlds: int | slice) -> Vector:
        """Give copies of what worlds show, with what is hidden of the bodies where that is told."""
        return np.concatenate([self._observations[worlds], self._hidden[worlds]], axis=-1)

    def _follow(self, outcomes: NDArray[np.int8]) -> dict[str, Any]:
        """Begin anew in the worlds whose episode is over, and keep what their last step showed."""
        over = self._over.copy()
        last = np.full(self.num_envs, None, dtype=object)
        for world in np.flatnonzero(over).tolist():
            last[world] = self._shown(world)
        final = self._infos(np.where(over, outcomes, 0), over)
        self.reset(options={"reset_mask": over})
        return {"final_obs": last, "_final_obs": over, "final_info": final, "_final_info": over.copy()}

    def _choose(self, tasks: dict[int, Environment]) -> None:
        built = {world: self._built(task) for world, task in tasks.items()}  # checks them all first
        for world, task in tasks.items():
            self._courses[world], self._next[world], self._next_names[world] = built[world], task, task.id
            self._drawn[world] = False

    def _begin(self, mask: Booleans, seeds: Sequence[int | None] | None = None) -> Floats:
        """Lay the courses of episodes that begin; gives the start of each, from `TaskEnv`'s draws."""
        starts = np.zeros((self.num_envs, *self.start_shape))
        chosen = np.flatnonzero(mask).tolist()
        episodes = np.array(
            [self._episode(world, None if seeds is None else seeds[world]) for world in chosen], dtype=np.uint64
        )
        if chosen:
            starts[chosen] = self._starts(episodes)
        return starts

    def _episode(self, world: int, seed: int | None) -> int:
        """Lay the course of a world's next episode, and give its seed."""
        if seed is not None:
            self._seeds[world], self._generators[world] = seed, None
        if self._drawn[world]:
            assert self._source is not None
            drawn = self._source.draw(self._generator(world))
            self._courses[world], self._next[world] = self._built(drawn), drawn
            self._next_names[world] = drawn.id
        course = self._courses[world]
        if course is not None and course is not self._laid[world]:
            self._worlds.set_course(world, course)
            self._laid[world] = course
        task = self._played[world] = self._next[world]
        if self._hidden.size:
            self._hidden[world] = self._hidden_of(task)
        self._numbers[world] = task.number if isinstance(task, Environment) else 0
        self._names[world] = self._next_names[world]
        return int(self._generator(world).integers(2**64, dtype=np.uint64)) if seed is None else seed

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


def domain_of(courses: Sequence[object], source: TaskSource | None) -> str | None:
    """Say which domain the tasks of worlds are of; None where there are none.

    Raises:
        ValueError: they are of two.
    """
    found = {course.domain for course in courses if isinstance(course, Environment)}
    found |= {source.domain} if source is not None else set()
    if len(found) > 1:
        raise ValueError(f"courses are of {' and '.join(sorted(found))}; the worlds of a vector are of one domain")
    return found.pop() if found else None
