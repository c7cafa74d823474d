"""The hexapod and its kin as domains: bodies of three joints a leg on heightfields, in PyBullet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.controller import Controller
from environments.domain import Batch, Capabilities, Encoding, Environment, Rollouts
from environments.encodings.cppn import CPPNEncoding
from environments.encodings.drawn_field import DrawnFieldEncoding
from environments.encodings.heightfield import HeightfieldEncoding
from environments.encodings.physics import WithPhysics, naming_physics, read_option
from environments.equipped import play_steps
from environments.hexapod3d import native
from environments.hexapod3d.body import HEXAPOD, OCTOPOD, QUADRUPED, Body
from environments.hexapod3d.difficulty import difficulty
from environments.hexapod3d.engine import CONTROL_RATE
from environments.hexapod3d.env import HexapodEnv
from environments.hexapod3d.expression import CPPN_UNIT, add_domain, drawing, drawn_encoding, drawn_from, probe
from environments.hexapod3d.gait import Gait
from environments.hexapod3d.physics import Physics, genes_of
from environments.hexapod3d.recording import lines_of, record, sketch
from environments.hexapod3d.simulator import CAPABILITIES, ENGINES, controller_of, engine_called, run
from environments.hexapod3d.streaming import stream
from environments.hexapod3d.task import EPISODE_LIMIT, FALL_REWARD
from environments.hexapod3d.terrain import FINISH
from environments.hexapod3d.variation import varied, written
from environments.hexapod3d.vector import HexapodVectorEnv
from environments.sketch import Figure, Sketch, StickRecording, Stretch
from environments.tasks.env import TaskSource


class Legged3D:
    """A body with one gait; meets `environments.domain.Domain`.

    Args:
        name: of the domain.
        body: the robot.
        gait: what an action means.
    """

    episode_limit = EPISODE_LIMIT
    fall_return = FALL_REWARD
    solved_return = 230.0
    engines = tuple(ENGINES)
    difficulty = staticmethod(difficulty)
    drawing = staticmethod(drawing)
    drawn_from = staticmethod(drawn_from)
    fps = CONTROL_RATE
    course = FINISH

    def __init__(self, name: str, body: Body, gait: Gait) -> None:
        self.name = name
        self.body = body
        self.gait = gait
        self.controller = controller_of(body)
        add_domain(name)

    def capabilities(self, engine: str | None = None) -> Capabilities:
        """Say what an engine is good at; see `environments.domain.Domain.capabilities`."""
        return CAPABILITIES[engine_called(engine)]

    def run(
        self, batch: Batch, *, episode_limit: int | None = None, engine: str | None = None, trajectory: bool = False
    ) -> Rollouts:
        """Run one episode for each row of a batch; see `environments.domain.Domain.run`."""
        if not trajectory:
            return run(batch, self.body, self.gait, episode_limit=episode_limit, engine=engine)
        batch.check(self.controller)
        limit = EPISODE_LIMIT if episode_limit is None else episode_limit
        return play_steps(self, self.controller, batch, limit, engine_called(engine), trajectory)

    def encoding(self, name: str, options: Mapping[str, Any]) -> Encoding:
        """Make the encoding called `name`; ValueError names what is valid."""
        genes = genes_of(len(self.body.legs))
        own, evolved, start = read_option(options, genes)
        with naming_physics():
            ground = self._ground(name, own)
        return WithPhysics(ground, genes, evolved, start)

    def _ground(self, name: str, options: Mapping[str, Any]) -> Encoding:
        if name == HeightfieldEncoding.name:
            return HeightfieldEncoding.from_options(options)
        if name == CPPNEncoding.name:
            return _cppn(options)
        if name == DrawnFieldEncoding.name:
            field = drawn_encoding()
            return DrawnFieldEncoding.from_options(options, field.rows, field.columns, field.cell)
        known = f"{HeightfieldEncoding.name}, {CPPNEncoding.name} and {DrawnFieldEncoding.name}"
        raise ValueError(f"encoding is {name!r}; {self.name} has {known}")

    def make_worlds(
        self, tasks: Sequence[Environment | None], source: TaskSource, *, device: Any = "cpu", **settings: Any
    ) -> HexapodVectorEnv | None:
        """Make worlds on the native engine, where its lanes give Bullet's numbers; see `HexapodVectorEnv`.

        Raises:
            ValueError: `device` is another than "cpu", or a setting is out of range.
        """
        if str(device) != "cpu":
            raise ValueError(f"device is {str(device)!r}; worlds of {self.name} are stepped on the processor: 'cpu'")
        if native.lanes_problem(self.body):
            return None
        return HexapodVectorEnv(tasks, source=source, body=self.body, gait=self.gait, **settings)

    def make_env(
        self,
        environment: Environment,
        *,
        render_mode: str | None = None,
        episode_limit: int | None = None,
        told: bool = False,
    ) -> HexapodEnv:
        """Make the reference environment for one task; with `told`, what is hidden of it is observed too."""
        limit = EPISODE_LIMIT if episode_limit is None else episode_limit
        return HexapodEnv(
            environment, body=self.body, gait=self.gait, told=told, render_mode=render_mode, episode_limit=limit
        )

    def hidden(self, environment: Environment | None) -> NDArray[np.float32]:
        """Give what agents do not see of a task, as `Physics.scaled`; raises as `Physics.of`."""
        return Physics.of(self.body, environment).scaled(self.body)

    def sketch(self, environment: Environment) -> Sketch:
        """Draw a course: from above, and its middle from the side."""
        return sketch(environment, self.body)

    def record(
        self,
        environment: Environment,
        theta: NDArray[np.float32],
        seed: int,
        episode_limit: int,
        *,
        controller: Controller | None = None,
    ) -> StickRecording:
        """Play one episode of an agent and keep where trunk and legs were; of another controller where one is given."""
        agent = self.controller if controller is None else controller
        return record(environment, theta, seed, episode_limit, body=self.body, gait=self.gait, controller=agent)

    def figure(self, environment: Environment) -> Figure:
        """Give the lines that join a robot's points, on any course; the first is the trunk."""
        del environment
        return Figure(lines=lines_of(self.body))

    def stream(
        self,
        environment: Environment,
        thetas: NDArray[np.float32],
        seeds: NDArray[np.uint64],
        *,
        episode_limit: int,
        stride: int = 1,
        controller: Controller | None = None,
    ) -> Iterator[Stretch] | None:
        """Play one episode a row; see `environments.sketch.Streamed.stream`. None where the native engine cannot.

        It knows agents of this domain's own controller only.
        """
        agent = self.controller if controller is None else controller
        agent.check(thetas, seeds)
        if agent != self.controller:
            return None
        return stream(environment, thetas, seeds, self.body, self.gait, episode_limit=episode_limit, stride=stride)

    def variant(self, options: Mapping[str, str]) -> Legged3D:
        """Give the domain of a body with other numbers, as `variation.varied` takes them.

        Raises:
            ValueError: a number is unknown or not valid, or the name is not the variant's shortest.
        """
        body = varied(self.body, options)
        return Legged3D(self.name + written(self.body, body), body, self.gait)


def _cppn(options: Mapping[str, Any]) -> CPPNEncoding:
    for option in options:
        if option not in ("start", "places"):
            raise ValueError(f"option {option!r} is unknown; the hexapod's cppn encoding takes start and places")
    return CPPNEncoding.from_options(options, probe(), CPPN_UNIT)


def _both(name: str, body: Body) -> tuple[Legged3D, Legged3D]:
    """Give a body with a gait to modulate, and with joint targets for actions."""
    return Legged3D(name, body, Gait.ALTERNATING), Legged3D(f"{name}-joints", body, Gait.NONE)


DOMAIN, JOINTS = _both("hexapod3d", HEXAPOD)
QUADRUPED3D, QUADRUPED3D_JOINTS = _both("quadruped3d", QUADRUPED)
OCTOPOD3D, OCTOPOD3D_JOINTS = _both("octopod3d", OCTOPOD)
