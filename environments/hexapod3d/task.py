"""What the hexapod observes, what it earns and when its episode is over.

One row an episode, and a row's numbers depend on that row alone: the Gymnasium
environment brings one row, a rollout as many as it runs side by side. States
are read and never written to.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from environments.domain import NO_OUTCOME, Outcome
from environments.hexapod3d.body import Body
from environments.hexapod3d.engine import CONTROL_RATE, POSITION, QUATERNION, SPIN, VELOCITY
from environments.hexapod3d.gait import clock
from environments.hexapod3d.terrain import BACK_LIMIT, FINISH, SIDE_LIMIT, Terrain

EPISODE_LIMIT = 700  # control steps: 14 s; a brisk crossing takes eleven
COURSE_REWARD = 300.0  # for the whole way
FALL_REWARD = -100.0
EFFORT_COST = 0.0075  # for a step of one joint at full torque, growing with the torque's square
FASTEST = 2.0  # m/s, twice a fast walk: headway beyond it earns nothing
UPRIGHT = 0.2  # cosine of the tilt below which the robot counts as fallen
HEADWAY, PATIENCE = 0.1, 200  # m in so many control steps; a robot that makes less is stuck
MOST_SPEED, MOST_SPIN = 20.0, 100.0  # m/s and rad/s: faster, and the simulation has broken down
DEEPEST = 0.05  # m that the middles of trunk and feet may lie below the ground; further, they have passed through
UNDER = (
    10  # control steps that a foot's middle may lie below it at all: by then one that was thrown down is back or out
)

AHEAD = (0.0, 0.3, 0.6, 0.9, 1.2)  # m, of the height scan
ACROSS = (0.35, 0.0, -0.35)  # m
SCAN = np.array([(x, y) for x in AHEAD for y in ACROSS])
SCAN_RANGE = 0.5  # m up or down
SPEED_RANGE, SPIN_RANGE = 2.0, 5.0  # m/s, rad/s
MOST = 2.0  # of any scaled observation

Floats = NDArray[np.float64]
Steps = NDArray[np.int64]


@lru_cache(maxsize=32)
def underside(body: Body) -> Floats:
    """Give the points of the trunk's underside that may not touch the ground, in its frame: (15, 3) in m."""
    length, width, thickness = body.size
    return np.array(
        [(u * length, v * width, -thickness / 2) for u in (-0.5, -0.25, 0, 0.25, 0.5) for v in (-0.5, 0, 0.5)]
    )


def bounds(body: Body) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the lowest and highest observations, (n,) each: 70 with six legs."""
    legs = len(body.legs)
    most = [(MOST, 2 * body.joints), (1.0, 3), (MOST, 6), (1.0, 1), (MOST, 1), (1.0, legs + 2), (1.0, len(SCAN))]
    high = np.concatenate([np.full(count, value) for value, count in most])
    low = -high
    start = 2 * body.joints + 11
    low[start : start + legs] = 0.0  # contacts
    return low.astype(np.float32), high.astype(np.float32)


# Each entry of a rotation matrix is a constant and twice a sum or difference of two products of the quaternion's.
_PRODUCTS = np.array([[5, 10], [1, 11], [2, 7], [1, 11], [0, 10], [6, 3], [2, 7], [6, 3], [0, 5]])
_SIGNS = np.array([[-1, -1], [1, -1], [1, 1], [1, 1], [-1, -1], [1, -1], [1, -1], [1, 1], [-1, -1]])
_UNIT = np.eye(3).reshape(9)


def rotation(state: Floats) -> Floats:
    """Give the trunk's axes as columns: (n, 3, 3) from states (n, k)."""
    turn = state[:, QUATERNION]  # x, y, z, w
    products = (turn[:, :, None] * turn[:, None, :]).reshape(-1, 16)
    terms = products[:, _PRODUCTS] * _SIGNS
    axes: Floats = _UNIT + 2 * (terms[..., 0] + terms[..., 1])
    return axes.reshape(-1, 3, 3)


def into_body(axes: Floats, vectors: Floats) -> Floats:
    """Turn world vectors (n, 3) into the trunk's frame."""
    return axes[:, 0] * vectors[:, :1] + axes[:, 1] * vectors[:, 1:2] + axes[:, 2] * vectors[:, 2:]


def heading(axes: Floats) -> tuple[Floats, Floats]:
    """Give the horizontal direction that the trunk faces: cosine and sine of its yaw, (n,) each."""
    ahead, aside = axes[:, 0, 0], axes[:, 1, 0]
    length = np.sqrt(ahead * ahead + aside * aside)
    upended = length < 1e-9
    length = np.where(upended, 1.0, length)
    return np.where(upended, 1.0, ahead / length), aside / length


def scan(body: Body, state: Floats, axes: Floats, terrain: Terrain) -> Floats:
    """Measure how high the ground lies about the robot, over where it would stand: (n, 15) in m."""
    cosine, sine = (part[:, None] for part in heading(axes))
    x = state[:, :1] + cosine * SCAN[:, 0] - sine * SCAN[:, 1]
    y = state[:, 1:2] + sine * SCAN[:, 0] + cosine * SCAN[:, 1]
    return terrain.height_at(x, y) - (state[:, 2:3] - body.height)


def limited(values: Floats, most: float) -> Floats:
    """Clip to ±most; NumPy's own clip takes thrice as long on few numbers."""
    return np.minimum(np.maximum(values, -most), most)


def observe(body: Body, state: Floats, steps: Steps, terrain: Terrain) -> NDArray[np.float32]:
    """Say what the robot senses: (n, 70) with six legs; `HexapodEnv` lists the entries."""
    columns = body.columns
    state = calmed(state)
    axes = rotation(state)
    _, sine = heading(axes)
    middle, half = (body.high + body.low) / 2, (body.high - body.low) / 2
    wide = [
        (state[:, columns.angles] - middle) / half,
        state[:, columns.speeds] / body.speed,
        axes[:, 2],  # up, seen from the trunk
        into_body(axes, state[:, VELOCITY]) / SPEED_RANGE,
        into_body(axes, state[:, SPIN]) / SPIN_RANGE,
        sine[:, None],
        state[:, 1:2] / SIDE_LIMIT,
    ]
    seen = np.concatenate(
        [
            limited(np.concatenate(wide, axis=1), MOST),
            state[:, columns.feet],
            clock(steps),
            limited(scan(body, state, axes, terrain) / SCAN_RANGE, 1.0),
        ],
        axis=1,
    )
    return seen.astype(np.float32)


def wild(state: Floats) -> NDArray[np.bool_]:
    """Tell states that are not finite or faster or further off than any robot: (n,)."""
    calm = np.isfinite(state).all(axis=1)
    calm &= (np.abs(state[:, : MOST_MOTION.size]) <= MOST_MOTION).all(axis=1)
    return np.logical_not(calm)


def calmed(state: Floats, lost: NDArray[np.bool_] | None = None) -> Floats:
    """Give states with those that make no sense put at rest, so that arithmetic on them stays quiet.

    Args:
        state: (n, k); itself where there are none.
        lost: (n,) which make no sense; as `wild` says when None.
    """
    lost = wild(state) if lost is None else lost
    return np.where(lost[:, None], at_rest(state.shape[1]), state) if lost.any() else state


def sunk(body: Body, state: Floats, axes: Floats, terrain: Terrain) -> NDArray[np.bool_]:
    """Tell states whose trunk or feet lie too deep below the ground: (n,)."""
    feet = body.feet(state[:, body.columns.angles])
    return _deeper(state, axes, terrain, np.concatenate([np.zeros((len(state), 1, 3)), feet], axis=1), DEEPEST)


def under(body: Body, state: Floats, axes: Floats, terrain: Terrain) -> NDArray[np.bool_]:
    """Tell states with a foot whose middle lies below the ground: (n,).

    Bullet meets a triangle from whichever side the foot's middle is on. From above it holds a foot up; from below it
    keeps the foot there, and the robot could pull itself to the ground by it.
    """
    places = _placed(state, axes, body.feet(state[:, body.columns.angles]))
    below: NDArray[np.bool_] = np.any(terrain.surface_at(places[..., 0], places[..., 1]) > places[..., 2], axis=1)
    return below


def grounded(body: Body, state: Floats, axes: Floats, terrain: Terrain) -> NDArray[np.bool_]:
    """Tell states whose trunk touches the ground with its underside: (n,).

    The engine does not see the trunk: its touch ends the episode, whatever would come of it.
    """
    points = underside(body)
    return _deeper(state, axes, terrain, np.broadcast_to(points, (len(state), *points.shape)), 0.0)


def _deeper(state: Floats, axes: Floats, terrain: Terrain, points: Floats, most: float) -> NDArray[np.bool_]:
    """Tell states of which one of some points of the trunk's frame (n, k, 3) lies deeper than so many m: (n,)."""
    places = _placed(state, axes, points)
    depth: Floats = terrain.height_at(places[..., 0], places[..., 1]) - places[..., 2]
    deep: NDArray[np.bool_] = np.any(depth > most, axis=1)
    return deep


def _placed(state: Floats, axes: Floats, points: Floats) -> Floats:
    """Give points of the trunk's frame (n, k, 3) in the world's."""
    turned = axes[:, None] * points[:, :, None, :]
    places: Floats = state[:, None, POSITION] + turned[..., 0] + turned[..., 1] + turned[..., 2]
    return places


MOST_MOTION = np.zeros(SPIN.stop)
MOST_MOTION[POSITION], MOST_MOTION[QUATERNION] = 2 * FINISH, 1.1
MOST_MOTION[VELOCITY], MOST_MOTION[SPIN] = MOST_SPEED, MOST_SPIN


def at_rest(size: int) -> Floats:
    """Give the state, so many numbers, that stands for one that makes no sense."""
    state = np.zeros(size)
    state[QUATERNION] = (0.0, 0.0, 0.0, 1.0)
    return state


class Judge:
    """Rewards and ends of n episodes under way.

    Headway earns 37.5 a metre, counted to no more than 2 m/s; effort costs; a fall, leaving the
    course or standing still for 4 s costs 100 and ends the episode. A simulation that breaks down,
    or a foot that stays below the ground, takes back all that the episode had earned: it returns
    what a fall costs.
    """

    def __init__(self, body: Body, episodes: int, episode_limit: int) -> None:
        self.body = body
        self.limit = episode_limit
        self.steps = np.zeros(episodes, dtype=np.int64)
        self.returns = np.zeros(episodes)
        self._x = np.zeros(episodes)
        self._mark = np.zeros(episodes)  # how far an episode had come when it last made headway
        self._since = np.zeros(episodes, dtype=np.int64)
        self._under = np.zeros(episodes, dtype=np.int64)

    def start(self, row: int, x: float) -> None:
        """Begin an episode at x."""
        self.steps[row] = self._since[row] = self._under[row] = 0
        self.returns[row] = 0.0
        self._x[row] = self._mark[row] = x

    def judge(self, state: Floats, terrain: Terrain) -> tuple[Floats, NDArray[np.int8]]:
        """Reward a control step: rewards (n,), and outcomes (n,) or NO_OUTCOME where the episode goes on."""
        lost = wild(state)
        state = calmed(state, lost)
        axes = rotation(state)
        lost |= sunk(self.body, state, axes, terrain) | self._held_under(state, axes, terrain)
        self.steps += 1
        x = state[:, 0]
        effort = state[:, self.body.columns.torques] / self.body.torque
        reward = (COURSE_REWARD / FINISH) * np.minimum(x - self._x, FASTEST / CONTROL_RATE)
        reward -= EFFORT_COST * np.cumsum(effort * effort, axis=1)[:, -1]  # added up in order, unlike a sum
        outcome = np.where(self.steps >= self.limit, Outcome.TIMED_OUT, NO_OUTCOME)
        outcome[x > FINISH] = Outcome.FINISHED
        fell = self._stuck(x) | self._fallen(state, axes, terrain)
        outcome[fell], reward[fell] = Outcome.FELL, FALL_REWARD
        outcome[lost], reward[lost] = Outcome.DIVERGED, FALL_REWARD - self.returns[lost]
        self._x[:] = x
        self.returns += reward
        return reward, outcome.astype(np.int8)

    def _held_under(self, state: Floats, axes: Floats, terrain: Terrain) -> NDArray[np.bool_]:
        self._under = np.where(under(self.body, state, axes, terrain), self._under + 1, 0)
        return self._under > UNDER

    def _stuck(self, x: Floats) -> NDArray[np.bool_]:
        ahead = x - self._mark >= HEADWAY
        self._mark[ahead] = x[ahead]
        self._since = np.where(ahead, 0, self._since + 1)
        return self._since >= PATIENCE

    def _fallen(self, state: Floats, axes: Floats, terrain: Terrain) -> NDArray[np.bool_]:
        x, y = state[:, 0], state[:, 1]
        return (
            grounded(self.body, state, axes, terrain)
            | (axes[:, 2, 2] < UPRIGHT)
            | (np.abs(y) > SIDE_LIMIT)
            | (x < BACK_LIMIT)
        )
