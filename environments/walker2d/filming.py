"""What there is to draw of a native world, read from its state: the scene that the reference would show."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from environments.walker2d import native
from environments.walker2d.drawing import Scene
from environments.walker2d.env import HULL, LIDAR_RAYS, RAY_DIRECTIONS, SHIN, THIGH
from environments.walker2d.terrain import Terrain

BODIES = 5  # in the core's order: hull, thigh and shin of the first leg, thigh and shin of the second
DRAWN = (3, 4, 0, 1, 2)  # the order to draw them in: the far leg, the hull, the near leg

Singles = NDArray[np.float32]


def scene_of(state: bytes, lidar: Singles, terrain: Terrain, step: int) -> Scene:
    """Read a scene from a world's state, which begins with the bodies' centres of mass (5, 2) and angles (5,).

    Args:
        state: as the core gives it.
        lidar: (10,) of the world's observation.
        terrain: of the world.
        step: of the episode.
    """
    numbers = np.frombuffer(state, dtype=np.float32, count=3 * BODIES)
    centres, angles = numbers[: 2 * BODIES].reshape(BODIES, 2), numbers[2 * BODIES :]
    sine, cosine, _ = native.core.functions(np.ascontiguousarray(angles))
    turns = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], 1)  # (5, 2, 2)
    middles, corners = _shapes()
    places = centres - np.einsum("bij,bj->bi", turns, middles)  # of the bodies' own origins
    outlines = [(places[b] + corners[b] @ turns[b].T).astype(np.float64) for b in DRAWN]
    eye = places[0]
    ends = (1 - lidar[:, None]) * eye + lidar[:, None] * (eye + np.array(RAY_DIRECTIONS, dtype=np.float32))
    rays = [(float(x), float(y)) for x, y in ends[:LIDAR_RAYS]]
    return Scene(terrain=terrain, bodies=outlines, position=(float(eye[0]), float(eye[1])), rays=rays, step=step)


@cache
def _shapes() -> tuple[Singles, list[Singles]]:
    """Give the bodies' centres of mass (5, 2) and corners, in their own frames."""
    middles = np.array([(x, y) for _, _, x, y, _ in native.core.segments()], dtype=np.float32)
    fixtures = (HULL, THIGH, SHIN, THIGH, SHIN)
    return middles, [np.array(fixture.shape.vertices, dtype=np.float32) for fixture in fixtures]
