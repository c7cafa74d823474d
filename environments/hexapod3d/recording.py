"""Courses and episodes of the hexapod as plain numbers for pictures; see `environments.sketch`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from environments.controller import Controller
from environments.domain import NO_OUTCOME, Environment, Outcome
from environments.encodings.physics import describe_physics
from environments.hexapod3d.body import Body
from environments.hexapod3d.engine import CONTROL_RATE, POSITION
from environments.hexapod3d.env import HexapodEnv
from environments.hexapod3d.expression import terrain_of
from environments.hexapod3d.gait import Gait
from environments.hexapod3d.physics import genes_of
from environments.hexapod3d.task import rotation
from environments.hexapod3d.terrain import CELL, FINISH, HALF_WIDTH, START, grid
from environments.sketch import Gauge, Relief, Sketch, StickRecording

CORNERS = 0.5 * np.array([[1, 1, 0], [1, -1, 0], [-1, -1, 0], [-1, 1, 0]])  # of a trunk, in its sizes


def sketch(environment: Environment, body: Body) -> Sketch:
    """Draw a course: from above, and its middle from the side."""
    heights = terrain_of(environment).heights
    x, _ = grid()
    middle = np.column_stack([x.reshape(-1), heights[:, heights.shape[1] // 2]])
    note = describe_physics(environment.genome, genes_of(len(body.legs)))
    return Sketch(middle, np.zeros((0, 4, 2)), Relief(heights, (START, -HALF_WIDTH), CELL), FINISH, note)


def record(
    environment: Environment,
    theta: NDArray[np.float32],
    seed: int,
    episode_limit: int,
    *,
    body: Body,
    gait: Gait,
    controller: Controller,
) -> StickRecording:
    """Play one episode of an agent and keep where trunk and legs were."""
    env = HexapodEnv(environment, body=body, gait=gait, episode_limit=episode_limit)
    act = controller.policy(theta)
    observation, info = env.reset(seed=seed)
    points, rewards, distances = [skeleton(body, env.state[None])[0]], [0.0], [env.distance]
    while info["outcome"] == NO_OUTCOME:
        observation, reward, _, _, info = env.step(act(observation))
        rewards.append(reward)
        points.append(skeleton(body, env.state[None])[0])
        distances.append(env.distance)
    env.close()
    gauge = Gauge(np.cumsum(rewards), np.array(distances), env.course)
    outcome = Outcome(info["outcome"]).name.lower().replace("_", " ")
    return StickRecording(lines_of(body), np.array(points), gauge, float(gauge.returns[-1]), outcome, CONTROL_RATE)


def lines_of(body: Body) -> list[list[int]]:
    """Give the lines that join the points of `skeleton`; the first is the trunk."""
    return [list(range(4)), *([4 + 4 * leg + joint for joint in range(4)] for leg in range(len(body.legs)))]


def skeleton(body: Body, states: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give corners of the trunk, joints of the legs and soles of states (n, k) in the world: (n, 4 + 4 legs, 3), m."""
    legs = body.chain(states[:, body.columns.angles]).reshape(len(states), -1, 3)
    trunk = np.broadcast_to(CORNERS * body.size, (len(states), *CORNERS.shape))
    parts = np.concatenate([trunk, legs], axis=1)
    turned = rotation(states)[:, None] * parts[:, :, None, :]
    placed: NDArray[np.float64] = turned.sum(axis=3) + states[:, None, POSITION]
    placed[:, 7::4, 2] -= body.foot_radius
    return placed
