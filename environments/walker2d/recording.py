"""Courses and episodes of the walker as plain numbers for pictures; see `environments.sketch`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from environments.controller import Controller
from environments.domain import Environment
from environments.sketch import Recording, Sketch
from environments.walker2d.drawing import FPS
from environments.walker2d.env import WalkerEnv
from environments.walker2d.simulator import CONTROLLER
from environments.walker2d.terrain import terrain_of


def sketch(environment: Environment) -> Sketch:
    """Draw a course."""
    terrain = terrain_of(environment)
    return Sketch(terrain.ground, terrain.boxes)


def record(
    environment: Environment,
    theta: NDArray[np.float32],
    seed: int,
    episode_limit: int,
    *,
    controller: Controller = CONTROLLER,
) -> Recording:
    """Play one episode of an agent on the reference engine and keep every pose."""
    env = WalkerEnv(environment, episode_limit=episode_limit)
    act = controller.policy(theta)
    observation, info = env.reset(seed=seed)
    poses, score = [env.poses()], 0.0
    while "outcome" not in info:
        observation, reward, _, _, info = env.step(act(observation))
        score += reward
        poses.append(env.poses())
    return Recording(env.shapes(), np.array(poses), score, info["outcome"].name.lower().replace("_", " "), FPS)
