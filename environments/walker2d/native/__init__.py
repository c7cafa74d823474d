"""The native engine's Python side: courses, rollouts, and why it may be missing.

The C++ beside this file is built by pip; `docs/design/walker-engine.md` tells how it
works and how equal results on every machine are ensured. This module decides
nothing about physics: it hands terrains, controllers and pushes to the core.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from environments.batch import Batch, in_groups
from environments.environment import Environment
from environments.native_cores import missing
from environments.rollouts import Rollouts
from environments.walker2d.env import Lidar, start_pushes
from environments.walker2d.physics import ORDINARY, Physics
from environments.walker2d.terrain import Terrain, terrain_of

_problem: str | None = None
try:
    from environments.walker2d.native import _core as core
except ImportError as error:
    if TYPE_CHECKING:
        raise
    core = None
    _problem = missing("walker", __name__, error)


def problem() -> str | None:
    """Say in a sentence why the native engine cannot be used; None when it can."""
    return _problem


def kernel() -> str:
    """Name the kernel that runs here: instruction set and lanes, such as "avx2-8"."""
    return next(name for name, _, usable in core.kernels() if usable)


def build_course(terrain: Terrain, physics: Physics = ORDINARY) -> core.Course:
    """Give the core a terrain, and the body of who walks it.

    Raises:
        ValueError: a coordinate is not finite, or a box has no area.
    """
    ground, boxes = (np.ascontiguousarray(part, dtype=np.float64) for part in (terrain.ground, terrain.boxes))
    return core.Course(ground, boxes, None if physics == ORDINARY else body_of(physics))


@lru_cache(maxsize=2048)  # courses of one body share it, which the core's kernels are quicker with
def body_of(physics: Physics) -> core.Body:
    """Give the core a body; raises ValueError where the numbers make none."""
    hip1, knee1, hip2, knee2 = physics.motors
    return core.Body(
        (hip1, knee1, hip2, knee2),
        physics.delay,
        physics.lidar,
        physics.gravity,
        physics.friction,
        physics.load,
        physics.legs,
    )


@lru_cache(maxsize=2048)  # of 33 KiB each: a curriculum's tasks come again and again
def course_of(environment: Environment) -> core.Course:
    """Give the core a task's terrain and body; raises as `terrain_of`, `Physics.of` and `build_course` do."""
    return build_course(terrain_of(environment), Physics.of(environment))


def walker_model() -> bytes:
    """Give the ordinary walker's body as kernels read it: a `WalkerModel`."""
    return core.model()


def by_lidar(batch: Batch, play: Callable[[Batch, bool], Rollouts]) -> Rollouts:
    """Play a batch's rows with the lidar of their environments; rays are cast by one rule in a call.

    Args:
        batch: the episodes.
        play: plays rows whose lidar is the published one, or rows of which no lidar is.
    """
    published = np.array([Lidar.of(environment) is Lidar.PUBLISHED for environment in batch.environments])
    # Environments of one domain have one.
    if published.all() or not published.any():
        return play(batch, bool(len(batch)) and bool(published.all()))
    rays = published[batch.places]
    groups = (np.flatnonzero(rays), np.flatnonzero(~rays))
    return in_groups(batch, groups, lambda rows: play(rows, bool(published[rows.places[0]])))


def run_native(batch: Batch, episode_limit: int) -> Rollouts:
    """Run the episodes side by side, a world a SIMD lane, each on the course of its row."""

    def play(rows: Batch, published: bool) -> Rollouts:
        returns, lengths, outcomes, _ = core.rollout(
            [course_of(environment) for environment in rows.environments],
            rows.places.astype(np.int32),
            rows.thetas,
            start_pushes(rows.seeds),
            episode_limit,
            published_lidar=published,
        )
        return Rollouts(returns, lengths, outcomes)

    return by_lidar(batch, play)
