"""Many walkers stepped together, as a Gymnasium vector environment on the native engine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from environments.domain import Environment
from environments.tasks.core_worlds import CoreVectorEnv, domain_of
from environments.tasks.env import TaskSource
from environments.walker2d import native
from environments.walker2d.drawing import draw
from environments.walker2d.env import EPISODE_LIMIT, Lidar, WalkerEnv, start_pushes
from environments.walker2d.filming import poses_of, scene_of
from environments.walker2d.physics import HIDDEN_SIZE, ORDINARY, Physics
from environments.walker2d.terrain import Terrain, terrain_of

Course = Environment | Terrain | None
Floats = NDArray[np.float64]

OBSERVATION = 24  # numbers that a walker sees
LIDAR = slice(14, 24)  # of an observation


class WalkerVectorEnv(CoreVectorEnv[Terrain]):
    """Walkers on their courses, one world each, stepped by one call.

    Observations float32 (n, 24) and actions float32 (n, 4) mean what `WalkerEnv` says; actions beyond ±1 act as ±1
    and one that is not finite ends its episode as diverged. What `CoreVectorEnv` says of `infos`, of starting anew and
    of copies holds here.

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

    start_shape = ()  # the force that pushes the hull, N

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
        self.lidar = lidar_of(courses, source) if lidar is None else lidar
        self._kernel = kernel
        super().__init__(
            courses,
            single=WalkerEnv(episode_limit=episode_limit, told=told),  # checks the limit
            told=HIDDEN_SIZE if told else 0,
            source=source,
            domain=self.lidar.value,
            episode_limit=episode_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            threads=threads,
        )

    def _make_core(self) -> native.core.Worlds:
        reason = native.problem()
        if reason is not None:
            raise RuntimeError(f"WalkerVectorEnv needs the native engine, but {reason}")
        return native.core.Worlds(self.num_envs, self._kernel, self.lidar is Lidar.PUBLISHED, self._threads)

    def _built(self, course: Course) -> native.core.Course:
        return built(course)

    def _starts(self, seeds: NDArray[np.uint64]) -> Floats:
        return start_pushes(seeds)

    def poses(self) -> Floats:
        """Say where the bodies of every world are, as `WalkerEnv.poses`: (n, 5, 3) of x and y in m and angle in rad."""
        return poses_of(
            [self._worlds.get_state(world) for world in range(self.num_envs)], [_body(each) for each in self._played]
        )

    def _hidden_of(self, course: Course) -> NDArray[np.float32]:
        return hidden_of(course)

    def _draw(self, world: int) -> NDArray[np.uint8]:
        state, lidar = self._worlds.get_state(world), self._observations[world, LIDAR]
        course = self._played[world]
        return draw(scene_of(state, lidar, _ground(course), int(self._steps[world]), _body(course)))


def lidar_of(courses: Sequence[Course], source: TaskSource | None) -> Lidar:
    """Say which lidar worlds have: that of the domain their tasks are of; raises ValueError where there are two."""
    found = domain_of(courses, source)
    return Lidar.NEAREST if found is None else Lidar(found)


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
