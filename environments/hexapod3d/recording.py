"""Courses and episodes of the hexapod as plain numbers for pictures; see `environments.sketch`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from environments.controller import Controller
from environments.domain import NO_OUTCOME, Environment, Outcome
from environments.hexapod3d.body import BODY
from environments.hexapod3d.engine import ANGLES, CONTROL_RATE, POSITION
from environments.hexapod3d.env import HexapodEnv
from environments.hexapod3d.expression import terrain_of
from environments.hexapod3d.gait import Gait
from environments.hexapod3d.simulator import CONTROLLER
from environments.hexapod3d.task import rotation
from environments.hexapod3d.terrain import CELL, FINISH, HALF_WIDTH, START, grid
from environments.sketch import Gauge, Relief, Sketch, StickRecording

_LENGTH, _WIDTH, _ = BODY.size
TRUNK = 0.5 * np.array([[_LENGTH, _WIDTH, 0], [_LENGTH, -_WIDTH, 0], [-_LENGTH, -_WIDTH, 0], [-_LENGTH, _WIDTH, 0]])
LINES = [list(range(4)), *([4 + 4 * leg + joint for joint in range(4)] for leg in range(len(BODY.legs)))]


def sketch(environment: Environment) -> Sketch:
    """Draw a course: from above, and its middle from the side."""
    heights = terrain_of(environment).heights
    x, _ = grid()
    middle = np.column_stack([x.reshape(-1), heights[:, heights.shape[1] // 2]])
    return Sketch(middle, np.zeros((0, 4, 2)), Relief(heights, (START, -HALF_WIDTH), CELL), FINISH)


def record(
    environment: Environment,
    theta: NDArray[np.float32],
    seed: int,
    episode_limit: int,
    *,
    gait: Gait = Gait.TRIPOD,
    controller: Controller = CONTROLLER,
) -> StickRecording:
    """Play one episode of an agent and keep where trunk and legs were."""
    env = HexapodEnv(environment, gait=gait, episode_limit=episode_limit)
    act = controller.policy(theta)
    observation, info = env.reset(seed=seed)
    points, rewards, distances = [skeleton(env.state[None])[0]], [0.0], [env.distance]
    while info["outcome"] == NO_OUTCOME:
        observation, reward, _, _, info = env.step(act(observation))
        rewards.append(reward)
        points.append(skeleton(env.state[None])[0])
        distances.append(env.distance)
    env.close()
    gauge = Gauge(np.cumsum(rewards), np.array(distances), env.course)
    outcome = Outcome(info["outcome"]).name.lower().replace("_", " ")
    return StickRecording(LINES, np.array(points), gauge, float(gauge.returns[-1]), outcome, CONTROL_RATE)


def skeleton(states: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give corners of the trunk, joints of the legs and soles of states (n, STATE_SIZE) in the world: (n, 28, 3), m."""
    legs = BODY.chain(states[:, ANGLES]).reshape(len(states), -1, 3)
    parts = np.concatenate([np.broadcast_to(TRUNK, (len(states), *TRUNK.shape)), legs], axis=1)
    turned = rotation(states)[:, None] * parts[:, :, None, :]
    placed: NDArray[np.float64] = turned.sum(axis=3) + states[:, None, POSITION]
    placed[:, 7::4, 2] -= BODY.foot_radius
    return placed
