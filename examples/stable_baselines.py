"""Stable-Baselines3's PPO on one task of an exported curriculum.

python examples/stable_baselines.py curriculum [--steps 100000]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import gymnasium
import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.env_util import make_vec_env

from environments.tasks.curriculum import Curriculum

WORLDS, EPISODE_LIMIT = 8, 200
SHOW_EVERY = 2.0  # s


class Curve(BaseCallback):
    """Notes the mean return of the last 100 episodes after every rollout, and says it."""

    def __init__(self, steps: int, show: Callable[[str], None] | None = None) -> None:
        super().__init__()
        self.returns: list[float] = []
        self.steps = steps
        self.show = show
        self.shown = 0.0

    def say(self) -> None:
        """Say how it goes, if the last time was a while ago."""
        if self.show is not None and time.perf_counter() - self.shown > SHOW_EVERY:
            self.shown = time.perf_counter()
            found = f"mean return {self.returns[-1]:.1f}" if self.returns else "the first episodes are under way"
            self.show(f"{self.num_timesteps:>9,} of {self.steps:,} steps: {found}")

    def _on_step(self) -> bool:
        self.say()
        return True

    def _on_rollout_end(self) -> None:
        recent = [episode["r"] for episode in self.model.ep_info_buffer or []]
        self.returns.append(float(np.mean(recent)) if recent else float("nan"))


def train(folder: str, steps: int, seed: int = 0, show: Callable[[str], None] | None = None) -> list[float]:
    """Check the environment, then learn its first train task; gives the mean returns on the way, `show` is told."""
    curriculum = Curriculum.load(folder)
    settings = {"curriculum": curriculum, "task": curriculum.train_tasks[0].id}

    def make() -> gymnasium.Env:
        return gymnasium.make("poet/Walker2D-v0", max_episode_steps=EPISODE_LIMIT, **settings)

    check_env(make())
    curve = Curve(steps, show)
    learner = PPO(
        "MlpPolicy",
        make_vec_env(make, WORLDS, seed=seed),
        n_steps=256,
        batch_size=256,
        n_epochs=6,
        learning_rate=1e-3,
        policy_kwargs={"log_std_init": -0.5},
        seed=seed,
        device="cpu",
    )
    learner.learn(steps, callback=curve)
    return curve.returns


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("curriculum")
    parser.add_argument("--steps", type=int, default=100_000)
    options = parser.parse_args()
    started = time.perf_counter()
    found = train(options.curriculum, options.steps, show=partial(print, flush=True))
    print(f"{len(found) * WORLDS * 256:>9,} steps: mean return {found[-1]:.1f}, {time.perf_counter() - started:.0f} s")
