"""Pictures of the hexapod by PyBullet's software renderer: terrain in tints of its height.

A camera keeps a physics client of its own, in which nothing ever moves by
itself: what is drawn can have no influence on an episode.

PyBullet 3.2.7 never gives back a mesh that it is handed as Python lists: it
takes two references to each list, and to each list within. Fresh lists for
every course would stay for good, 2 MB of them, so all meshes go through the
same lists (`_Meshes`), filled anew each time.
"""

from __future__ import annotations

from threading import Lock

import numpy as np
from numpy.typing import NDArray

from environments.hexapod3d.body import Body
from environments.hexapod3d.engine import POSITION, QUATERNION, Client, uncopied
from environments.hexapod3d.terrain import FINISH, SIDE_LIMIT, Terrain, grid
from environments.hexapod3d.urdf import urdf_file

WIDTH, HEIGHT = 540, 360  # pixels
TINTS = np.array(  # from the deepest ground to the highest
    [
        [52, 84, 98],
        [66, 112, 104],
        [92, 138, 96],
        [134, 164, 98],
        [178, 178, 110],
        [192, 156, 104],
        [176, 128, 98],
        [226, 220, 214],
    ]
)
FINISH_TINT, OUTSIDE = (196, 60, 50), 0.72
STRIPE = 0.93  # of the brightness, on every other metre
SKY_TOP, SKY_BOTTOM = np.array([164, 196, 232]), np.array([240, 246, 252])
LIGHT = (-3.0, 4.0, 9.0)
EYE, AIM = np.array([-1.5, 1.7, 1.25]), np.array([0.35, 0.0, -0.1])  # m from the trunk
FIELD_OF_VIEW, NEAR, FAR = 48.0, 0.1, 30.0  # degrees, m, m
NEARBY = 1.0  # m of ground before and behind the robot whose mean height the camera keeps to

Floats = NDArray[np.float64]


def tint(heights: Floats, low: float, high: float) -> NDArray[np.intp]:
    """Choose a row of `TINTS` for each height, m; courses within ±0.25 m keep to the middle tints."""
    middle, span = (low + high) / 2, max(high - low, 0.5)
    share = (heights - middle) / span + 0.5
    return np.clip(share * len(TINTS), 0, len(TINTS) - 1).astype(np.intp)


class _Meshes:
    """Hands meshes to PyBullet in the same lists again and again; there need to be no more than the largest mesh has.

    Bullet copies what is in them while it is called.
    """

    def __init__(self) -> None:
        self._one_at_a_time = Lock()
        self._points: list[list[float]] = []
        self._vertices: list[list[float]] = []
        self._corners: list[int] = []

    def shape(self, vertices: Floats, corners: NDArray[np.intp], colour: Floats, client: Client) -> int:
        """Make a visual shape of vertices (n, 3) and triangles (k, 3) in an RGB colour; gives its number."""
        with self._one_at_a_time:
            self._points += [[0.0, 0.0, 0.0] for _ in range(len(vertices) - len(self._points))]
            self._vertices[:] = self._points[: len(vertices)]
            for place, vertex in zip(self._vertices, vertices.tolist(), strict=True):
                place[:] = vertex
            self._corners[:] = corners.reshape(-1).tolist()
            number: int = client.createVisualShape(
                client.GEOM_MESH,
                vertices=self._vertices,
                indices=self._corners,
                rgbaColor=[*(colour / 255).tolist(), 1.0],
                specularColor=[0, 0, 0],
            )
        return number


_MESHES = _Meshes()


class Camera:
    """Films a robot on one course, from behind its left side."""

    __reduce_ex__ = uncopied

    def __init__(self, body: Body, terrain: Terrain) -> None:
        self._body = body
        self._client = Client()
        with urdf_file(body) as path:
            self._robot = self._client.loadURDF(path)
        self._x, self._heights = grid()[0].reshape(-1), terrain.heights
        for colour, vertices, corners in _patches(terrain):
            shape = _MESHES.shape(vertices, corners, colour, self._client)
            self._client.createMultiBody(0, -1, shape)

    def shoot(self, state: Floats) -> NDArray[np.uint8]:
        """Draw a state, of `Body.columns` size: (HEIGHT, WIDTH, 3)."""
        position = state[POSITION]
        near = np.abs(self._x - position[0]) < NEARBY
        height = float(self._heights[near].mean()) + self._body.height if near.any() else float(position[2])
        client = self._client
        client.resetBasePositionAndOrientation(self._robot, position.tolist(), state[QUATERNION].tolist())
        for joint, angle in enumerate(state[self._body.columns.angles].tolist()):
            client.resetJointState(self._robot, joint, angle)
        middle = np.array([position[0], 0.6 * position[1], height])
        view = client.computeViewMatrix((middle + EYE).tolist(), (middle + AIM).tolist(), (0, 0, 1))
        lens = client.computeProjectionMatrixFOV(FIELD_OF_VIEW, WIDTH / HEIGHT, NEAR, FAR)
        _, _, colours, depth, _ = client.getCameraImage(
            WIDTH,
            HEIGHT,
            view,
            lens,
            lightDirection=LIGHT,
            shadow=1,
            renderer=client.ER_TINY_RENDERER,
            flags=client.ER_NO_SEGMENTATION_MASK,
        )
        picture = np.asarray(colours, dtype=np.uint8).reshape(HEIGHT, WIDTH, 4)[..., :3].copy()
        empty = np.asarray(depth).reshape(HEIGHT, WIDTH) >= 0.9999
        share = np.linspace(0, 1, HEIGHT)[:, None]
        sky = np.broadcast_to((SKY_TOP * (1 - share) + SKY_BOTTOM * share)[:, None], picture.shape)
        picture[empty] = sky[empty].astype(np.uint8)
        return picture

    def close(self) -> None:
        """Free the physics client."""
        self._client.close()


def _patches(terrain: Terrain) -> list[tuple[Floats, Floats, NDArray[np.intp]]]:
    """Cut the ground into meshes of one colour: colour (3,), vertices (n, 3), triangles (k, 3)."""
    x, y = grid()
    heights = terrain.heights
    vertices = np.stack([*np.broadcast_arrays(x, y), heights], axis=-1).reshape(-1, 3)
    number = np.arange(heights.size).reshape(heights.shape)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[:-1, 1:], number[1:, 1:]
    triangles = np.concatenate([np.stack([a, b, c], -1), np.stack([b, d, c], -1)]).reshape(-1, 3)
    middles = vertices[triangles].mean(axis=1)
    colours = TINTS[tint(middles[:, 2], float(heights.min()), float(heights.max()))].astype(np.float64)
    colours[(np.floor(middles[:, 0]) % 2) == 1] *= STRIPE
    colours[np.abs(middles[:, 1]) > SIDE_LIMIT] *= OUTSIDE
    colours[np.abs(middles[:, 0] - FINISH) < 0.1] = FINISH_TINT
    kinds, member = np.unique(colours, axis=0, return_inverse=True)
    patches = []
    for kind, colour in enumerate(kinds):
        used, corners = np.unique(triangles[member.reshape(-1) == kind], return_inverse=True)
        patches.append((colour, vertices[used], corners.reshape(-1, 3)))
    return patches
