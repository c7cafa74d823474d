"""What there is to draw of a native world, read from its state: the scene that the reference would show."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from environments.walker2d import native
from environments.walker2d.drawing import Scene
from environments.walker2d.env import LIDAR_RAYS, RAY_DIRECTIONS, hull, leg_parts
from environments.walker2d.physics import ORDINARY, Physics
from environments.walker2d.terrain import Terrain

BODIES = 5  # in the core's order: hull, thigh and shin of the first leg, thigh and shin of the second
DRAWN = (3, 4, 0, 1, 2)  # the order to draw them in: the far leg, the hull, the near leg

Singles = NDArray[np.float32]


def scene_of(state: bytes, lidar: Singles, terrain: Terrain, step: int, physics: Physics = ORDINARY) -> Scene:
    """Read a scene from a world's state, which begins with the bodies' centres of mass (5, 2) and angles (5,).

    Args:
        state: as the core gives it.
        lidar: (10,) of the world's observation.
        terrain: of the world.
        step: of the episode.
        physics: of the walker.
    """
    (places,), _, (turns,) = _placed([state], [physics])
    _, corners = _shapes(physics)
    outlines = [(places[b] + corners[b] @ turns[b].T).astype(np.float64) for b in DRAWN]
    eye = places[0]
    ends = (1 - lidar[:, None]) * eye + lidar[:, None] * (eye + np.array(RAY_DIRECTIONS, dtype=np.float32))
    rays = [(float(x), float(y)) for x, y in ends[:LIDAR_RAYS]]
    return Scene(terrain=terrain, bodies=outlines, position=(float(eye[0]), float(eye[1])), rays=rays, step=step)


def poses_of(states: Sequence[bytes], physics: Sequence[Physics]) -> NDArray[np.float64]:
    """Read where the bodies of worlds are, in the order to draw them in: (worlds, 5, 3) as `WalkerEnv.poses`."""
    places, angles, _ = _placed(states, physics)
    return np.concatenate([places, angles[..., None]], axis=-1)[:, DRAWN].astype(np.float64)


def drawn_shapes(physics: Physics = ORDINARY) -> list[NDArray[np.float64]]:
    """Give the corners of the bodies in their own frames, in the order to draw them in, in m."""
    _, corners = _shapes(physics)
    return [corners[body].astype(np.float64) for body in DRAWN]


def _placed(states: Sequence[bytes], physics: Sequence[Physics]) -> tuple[Singles, Singles, Singles]:
    """Give the bodies' own origins (worlds, 5, 2), angles (worlds, 5) and turns (worlds, 5, 2, 2)."""
    numbers = np.stack([np.frombuffer(state, dtype=np.float32, count=3 * BODIES) for state in states])
    centres, angles = numbers[:, : 2 * BODIES].reshape(-1, BODIES, 2), numbers[:, 2 * BODIES :]
    sine, cosine, _ = (part.reshape(-1, BODIES) for part in native.core.functions(np.ascontiguousarray(angles).ravel()))
    turns = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], 2)
    middles = np.stack([_shapes(each)[0] for each in physics])
    return centres - np.einsum("wbij,wbj->wbi", turns, middles), angles, turns


@lru_cache(maxsize=256)
def _shapes(physics: Physics) -> tuple[Singles, list[Singles]]:
    """Give the bodies' centres of mass (5, 2) and corners, in their own frames."""
    middles = np.array([(x, y) for _, _, x, y, _ in native.body_of(physics).segments()], dtype=np.float32)
    thigh, shin = leg_parts(physics.legs)
    fixtures = (hull(physics.load), thigh, shin, thigh, shin)
    return middles, [np.array(fixture.shape.vertices, dtype=np.float32) for fixture in fixtures]
