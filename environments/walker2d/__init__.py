"""The 2D walker as a domain: body and courses on Box2D."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from environments.domain import Batch, Capabilities, Encoding, Environment, Rollouts
from environments.encodings.cppn import CPPNEncoding
from environments.encodings.drawn import DrawnEncoding
from environments.encodings.parametric import ParametricEncoding
from environments.encodings.physics import WithPhysics, naming_physics, read_option
from environments.equipped import play_steps
from environments.tasks.env import TaskSource
from environments.walker2d import native
from environments.walker2d.device import driver
from environments.walker2d.device.worlds import WalkerTensorEnv
from environments.walker2d.difficulty import difficulty, level_vectors
from environments.walker2d.drawing import FPS
from environments.walker2d.env import EPISODE_LIMIT, FALL_REWARD, START, WalkerEnv
from environments.walker2d.physics import GENES, hidden
from environments.walker2d.recording import record, sketch
from environments.walker2d.simulator import CONTROLLER, capabilities, engine_called, engine_problem, engines, run
from environments.walker2d.streaming import figure, stream
from environments.walker2d.suites import suites_for
from environments.walker2d.terrain import (
    DOMAINS,
    FINISH,
    cppn_inputs,
    cppn_published_inputs,
    drawing,
    drawn_encoding,
    drawn_from,
)
from environments.walker2d.vector import WalkerVectorEnv


class Walker2D:
    """POET's bipedal walker with one kind of lidar; meets `environments.domain.Domain`."""

    controller = CONTROLLER
    episode_limit = EPISODE_LIMIT
    fall_return = FALL_REWARD
    solved_return = 230.0
    engine_problem = staticmethod(engine_problem)
    sketch = staticmethod(sketch)
    record = staticmethod(record)
    difficulty = staticmethod(difficulty)
    level_vectors = staticmethod(level_vectors)
    fps = FPS
    course = FINISH - START
    figure = staticmethod(figure)
    stream = staticmethod(stream)
    drawing = staticmethod(drawing)
    drawn_from = staticmethod(drawn_from)
    hidden = staticmethod(hidden)

    def __init__(self, name: str) -> None:
        self.name = name
        self.suites = suites_for(name)

    @cached_property
    def engines(self) -> tuple[str, ...]:
        """Name those that can be used, the default first; the first time asks the driver for GPUs."""
        return tuple(engines())

    def capabilities(self, engine: str | None = None) -> Capabilities:
        """Say what an engine is good at; see `environments.domain.Domain.capabilities`."""
        return capabilities(engine_called(engine))

    def run(
        self, batch: Batch, *, episode_limit: int | None = None, engine: str | None = None, trajectory: bool = False
    ) -> Rollouts:
        """Run one episode for each row of a batch; see `environments.domain.Domain.run`."""
        if not trajectory:
            return run(batch, episode_limit=episode_limit, engine=engine)
        batch.check(CONTROLLER)
        limit = EPISODE_LIMIT if episode_limit is None else episode_limit
        return play_steps(self, CONTROLLER, batch, limit, engine_called(engine), trajectory)

    def encoding(self, name: str, options: Mapping[str, Any]) -> Encoding:
        """Make the encoding called `name`; ValueError names what is valid."""
        own, evolved, start = read_option(options, GENES)
        with naming_physics():
            ground = self._ground(name, own)
        return WithPhysics(ground, GENES, evolved, start)

    def _ground(self, name: str, options: Mapping[str, Any]) -> Encoding:
        if name == ParametricEncoding.name:
            return ParametricEncoding.from_options(options)
        if name == CPPNEncoding.name:
            return CPPNEncoding.from_options(options, cppn_inputs(), published=cppn_published_inputs())
        if name == DrawnEncoding.name:
            ends = drawn_encoding()
            return DrawnEncoding.from_options(options, ends.start, ends.end)
        known = f"{ParametricEncoding.name}, {CPPNEncoding.name} and {DrawnEncoding.name}"
        raise ValueError(f"encoding is {name!r}; {self.name} has {known}")

    def make_env(
        self,
        environment: Environment,
        *,
        render_mode: str | None = None,
        episode_limit: int | None = None,
        told: bool = False,
    ) -> WalkerEnv:
        """Make the reference environment for one task; with `told`, what is hidden of it is observed too."""
        limit = EPISODE_LIMIT if episode_limit is None else episode_limit
        return WalkerEnv(environment, render_mode=render_mode, episode_limit=limit, told=told)

    def make_worlds(
        self, tasks: Sequence[Environment | None], source: TaskSource, **settings: Any
    ) -> WalkerVectorEnv | WalkerTensorEnv | None:
        """Make worlds on the native engine, if it is built; settings are those of `WalkerVectorEnv`.

        With `device`, as PyTorch names a GPU, they are `WalkerTensorEnv`'s; "cpu" means none.
        """
        if native.problem():
            return None
        if str(device := settings.pop("device", "cpu")) == "cpu":
            return WalkerVectorEnv(tasks, source=source, **settings)
        return WalkerTensorEnv(tasks, source=source, device=device, **settings)

    def device_problem(self) -> str | None:
        """Say in a sentence why worlds cannot be had on a GPU here; None when they can."""
        return native.problem() or driver.problem()


DOMAIN, PUBLISHED = (Walker2D(name) for name in DOMAINS)
