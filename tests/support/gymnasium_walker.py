"""Gymnasium's own BipedalWalker with its course and starting push made visible."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.envs.box2d.bipedal_walker import BipedalWalker
from gymnasium.utils import seeding

from environments.walker2d.terrain import Terrain


class Recorder:
    """A generator that remembers its last draw from U(-5, 5): the push."""

    def __init__(self, rng):
        self.rng = rng
        self.push = None

    def uniform(self, low, high):
        drawn = self.rng.uniform(low, high)
        if (low, high) == (-5, 5):
            self.push = drawn
        return drawn

    def __getattr__(self, name):
        return getattr(self.rng, name)


@dataclass
class Start:
    env: BipedalWalker
    observation: np.ndarray
    terrain: Terrain
    push: Any


def start(seed, hardcore):
    """Reset Gymnasium's walker and read off the course that it made."""
    env = BipedalWalker(hardcore=hardcore)
    recorder = Recorder(seeding.np_random(seed)[0])
    env._np_random = recorder
    observation, _ = env.reset()
    shapes = [body.fixtures[0].shape for body in reversed(env.terrain)]  # in order of creation
    boxes = [[tuple(map(float, v)) for v in shape.vertices] for shape in shapes if len(shape.vertices) == 4]
    terrain = Terrain(np.column_stack([env.terrain_x, env.terrain_y]), np.array(boxes).reshape(-1, 4, 2))
    return Start(env, observation, terrain, recorder.push)
