"""The hexapod as a domain: an 18-joint body on heightfields, in PyBullet."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from environments.domain import Batch, Capabilities, Encoding, Environment, Rollouts
from environments.encodings.cppn import CPPNEncoding
from environments.encodings.drawn_field import DrawnFieldEncoding
from environments.encodings.heightfield import HeightfieldEncoding
from environments.equipped import play_steps
from environments.hexapod3d.difficulty import difficulty
from environments.hexapod3d.engine import CONTROL_RATE
from environments.hexapod3d.env import HexapodEnv
from environments.hexapod3d.expression import CPPN_UNIT, DOMAINS, drawing, drawn_encoding, drawn_from, probe
from environments.hexapod3d.gait import Gait
from environments.hexapod3d.recording import record, sketch
from environments.hexapod3d.simulator import CAPABILITIES, CONTROLLER, ENGINES, engine_called, run
from environments.hexapod3d.streaming import figure, stream
from environments.hexapod3d.task import EPISODE_LIMIT, FALL_REWARD
from environments.hexapod3d.terrain import FINISH


class Hexapod3D:
    """The hexapod with one gait; meets `environments.domain.Domain`."""

    controller = CONTROLLER
    episode_limit = EPISODE_LIMIT
    fall_return = FALL_REWARD
    solved_return = 230.0
    engines = tuple(ENGINES)
    sketch = staticmethod(sketch)
    difficulty = staticmethod(difficulty)
    drawing = staticmethod(drawing)
    drawn_from = staticmethod(drawn_from)
    fps = CONTROL_RATE
    course = FINISH
    figure = staticmethod(figure)

    def __init__(self, name: str, gait: Gait) -> None:
        self.name = name
        self.gait = gait
        self.record = partial(record, gait=gait)
        self.stream = partial(stream, gait=gait)

    def capabilities(self, engine: str | None = None) -> Capabilities:
        """Say what an engine is good at; see `environments.domain.Domain.capabilities`."""
        return CAPABILITIES[engine_called(engine)]

    def run(
        self, batch: Batch, *, episode_limit: int | None = None, engine: str | None = None, trajectory: bool = False
    ) -> Rollouts:
        """Run one episode for each row of a batch; see `environments.domain.Domain.run`."""
        if not trajectory:
            return run(batch, episode_limit=episode_limit, engine=engine, gait=self.gait)
        batch.check(CONTROLLER)
        limit = EPISODE_LIMIT if episode_limit is None else episode_limit
        return play_steps(self, CONTROLLER, batch, limit, engine_called(engine), trajectory)

    def encoding(self, name: str, options: Mapping[str, Any]) -> Encoding:
        """Make the encoding called `name`; ValueError names what is valid."""
        if name == HeightfieldEncoding.name:
            return HeightfieldEncoding.from_options(options)
        if name == CPPNEncoding.name:
            return _cppn(options)
        if name == DrawnFieldEncoding.name:
            field = drawn_encoding()
            return DrawnFieldEncoding.from_options(options, field.rows, field.columns, field.cell)
        known = f"{HeightfieldEncoding.name}, {CPPNEncoding.name} and {DrawnFieldEncoding.name}"
        raise ValueError(f"encoding is {name!r}; {self.name} has {known}")

    def make_env(
        self, environment: Environment, *, render_mode: str | None = None, episode_limit: int | None = None
    ) -> HexapodEnv:
        """Make the reference environment for one task."""
        limit = EPISODE_LIMIT if episode_limit is None else episode_limit
        return HexapodEnv(environment, gait=self.gait, render_mode=render_mode, episode_limit=limit)


def _cppn(options: Mapping[str, Any]) -> CPPNEncoding:
    for option in options:
        if option not in ("start", "places"):
            raise ValueError(f"option {option!r} is unknown; the hexapod's cppn encoding takes start and places")
    return CPPNEncoding.from_options(options, probe(), CPPN_UNIT)


DOMAIN, JOINTS = (Hexapod3D(name, gait) for name, gait in zip(DOMAINS, (Gait.TRIPOD, Gait.NONE), strict=True))
