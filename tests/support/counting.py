"""A task family small enough to play by hand: what is seen tells the task, the step and the last action."""

import math

import gymnasium
import numpy as np
from gymnasium.spaces import Box

LIMIT = 7  # steps, after which an episode is truncated


class Counting(gymnasium.Env):
    """Its tasks are numbers of steps until the episode terminates; above the limit it never does."""

    observation_space = Box(-np.inf, np.inf, (3,), np.float32)
    action_space = Box(-0.5, 0.5, (1,), np.float32)

    def __init__(self):
        self.task, self.pending = 3, 3

    def sample_tasks(self, count):
        return self.np_random.integers(2, 12, count).tolist()

    def set_task(self, task):
        self.pending = task

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.task, self.count, self.last = self.pending, 0, float(self.np_random.uniform())
        return self.seen(), {}

    def step(self, action):
        self.count, self.last = self.count + 1, float(action[0])
        broken = self.task == 5 and self.count == 2 and self.last > 0.3
        reward = math.nan if broken else math.sin(self.task * self.count) + self.last
        return self.seen(), reward, self.count >= self.task, False, {}

    def seen(self):
        return np.array([self.task / 10, self.count / 10, self.last], dtype=np.float32)
