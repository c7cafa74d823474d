"""Courses and episodes of the walker as plain numbers for pictures; see `environments.sketch`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from environments.controller import Controller
from environments.domain import NO_OUTCOME, Environment, Outcome
from environments.encodings.physics import describe_physics
from environments.sketch import Gauge, Recording, Sketch
from environments.walker2d.drawing import FPS
from environments.walker2d.env import WalkerEnv
from environments.walker2d.physics import GENES
from environments.walker2d.simulator import CONTROLLER
from environments.walker2d.terrain import FINISH, terrain_of


def sketch(environment: Environment) -> Sketch:
    """Draw a course."""
    terrain = terrain_of(environment)
    return Sketch(terrain.ground, terrain.boxes, finish=FINISH, note=describe_physics(environment.genome, GENES))


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
    poses, rewards, distances = [env.poses()], [0.0], [env.distance]
    while info["outcome"] == NO_OUTCOME:
        observation, reward, _, _, info = env.step(act(observation))
        rewards.append(reward)
        poses.append(env.poses())
        distances.append(env.distance)
    gauge = Gauge(np.cumsum(rewards), np.array(distances), env.course)
    outcome = Outcome(info["outcome"]).name.lower().replace("_", " ")
    return Recording(env.shapes(), np.array(poses), gauge, float(gauge.returns[-1]), outcome, FPS)
