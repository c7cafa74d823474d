"""Many hexapods stepped together, as a Gymnasium vector environment on the native engine: Bullet's numbers, fast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from environments.domain import Environment
from environments.hexapod3d import native
from environments.hexapod3d.body import HEXAPOD, OCTOPOD, QUADRUPED, Body
from environments.hexapod3d.drawing import Camera
from environments.hexapod3d.env import HexapodEnv
from environments.hexapod3d.episode import starts
from environments.hexapod3d.expression import terrain_of
from environments.hexapod3d.gait import Gait
from environments.hexapod3d.physics import ORDINARY, Physics, hidden_size
from environments.hexapod3d.task import EPISODE_LIMIT
from environments.hexapod3d.terrain import Terrain
from environments.hexapod3d.variation import written
from environments.tasks.core_worlds import CoreVectorEnv, domain_of
from environments.tasks.env import TaskSource

if TYPE_CHECKING:
    from environments.hexapod3d.native import _core

Course = Environment | Terrain | None
_STEMS = ((HEXAPOD, "hexapod3d"), (QUADRUPED, "quadruped3d"), (OCTOPOD, "octopod3d"))


class HexapodVectorEnv(CoreVectorEnv[Terrain]):
    """Legged robots of one body on their courses, one world each, stepped by one call.

    Observations and actions, float32 (n, 70) and (n, 18) with six legs, mean what `HexapodEnv` says; an action that is
    not finite ends its episode as diverged. What `CoreVectorEnv` says of `infos`, of starting anew and of copies holds
    here.

    Args:
        courses: one for each world; None draws a task of the source for every episode, or without a source is flat.
        source: where tasks are looked up and drawn from.
        body: the robot.
        gait: what an action means.
        told: append what is hidden of each world's robot to its observations, which are (n, 82) with six legs then;
            see `environments.hexapod3d.physics`.
        episode_limit: control steps before truncation, at least 1.
        autoreset_mode: what to do when an episode is over.
        render_mode: "rgb_array" or None; a picture takes longer than a hundred steps of a world.
        kernel: of the native engine, such as "plain-2"; the fastest when empty.
        threads: that share the worlds of a step, in groups of the kernel's lanes; no bit depends on how many.

    Raises:
        RuntimeError: the native engine is not built, or does not give the numbers of the Bullet that is installed.
        ValueError: there are no courses, one is not valid, or a setting is out of range.
    """

    _worlds: _core.Worlds
    start_shape = (3,)  # y in m, and z and w of the turn's quaternion

    def __init__(
        self,
        courses: Sequence[Course],
        *,
        source: TaskSource | None = None,
        body: Body = HEXAPOD,
        gait: Gait = Gait.ALTERNATING,
        told: bool = False,
        episode_limit: int = EPISODE_LIMIT,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        kernel: str = "",
        threads: int = 1,
    ) -> None:
        self.body = body
        self.gait = gait
        self._kernel = kernel
        single = HexapodEnv(body=body, gait=gait, told=told, episode_limit=episode_limit)  # checks the limit
        single.close()
        super().__init__(
            courses,
            single=single,
            told=hidden_size(body) if told else 0,
            source=source,
            domain=domain_of(courses, source) or _named(body, gait),
            episode_limit=episode_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            threads=threads,
        )

    def _make_core(self) -> _core.Worlds:
        reason = native.lanes_problem(self.body)
        if reason is not None:
            raise RuntimeError(f"HexapodVectorEnv needs the native engine, but {reason}")
        lanes = native.usable_lanes(self.body).core
        return lanes.worlds(self.num_envs, self.gait is Gait.ALTERNATING, kernel=self._kernel, threads=self._threads)

    def _built(self, course: Course) -> _core.Course:
        if isinstance(course, Environment):
            return native.course_of(self.body, course)
        return native.build_course(self.body, _ground(course))

    def _starts(self, seeds: NDArray[np.uint64]) -> NDArray[np.float64]:
        return starts(seeds)

    def _hidden_of(self, course: Course) -> NDArray[np.float32]:
        physics = Physics.of(self.body, course) if isinstance(course, Environment) else ORDINARY
        return physics.scaled(self.body)

    def states(self) -> NDArray[np.float64]:
        """Say how the robots of all worlds stand, (n, k), as `HexapodEnv.state` does for one."""
        return np.stack([self._worlds.seen(world) for world in range(self.num_envs)])

    def _draw(self, world: int) -> NDArray[np.uint8]:
        # A camera keeps 30 MB, so that worlds share none and keep none.
        camera = Camera(self.body, _ground(self._played[world]))
        try:
            return camera.shoot(self._worlds.seen(world))
        finally:
            camera.close()


def _named(body: Body, gait: Gait) -> str:
    """Give the name of the domain that a body with a gait is of."""
    base, stem = next(((each, stem) for each, stem in _STEMS if each == body), _STEMS[0])
    return f"{stem}{'' if gait is Gait.ALTERNATING else '-joints'}{written(base, body)}"


def _ground(course: Course) -> Terrain:
    return course if isinstance(course, Terrain) else terrain_of(course)
