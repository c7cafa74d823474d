"""Stable-Baselines3's PPO on one task of an exported curriculum.

python examples/stable_baselines.py curriculum [--steps 100000]
"""

from __future__ import annotations

import argparse
import time

import gymnasium
import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.env_util import make_vec_env

from environments.curriculum import Curriculum

WORLDS, EPISODE_LIMIT = 8, 200


class Curve(BaseCallback):
    """Notes the mean return of the last 100 episodes after every rollout."""

    def __init__(self) -> None:
        super().__init__()
        self.returns: list[float] = []

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        recent = [episode["r"] for episode in self.model.ep_info_buffer or []]
        self.returns.append(float(np.mean(recent)) if recent else float("nan"))


def train(folder: str, steps: int, seed: int = 0) -> list[float]:
    """Check the environment, then learn its first train task; gives the mean returns on the way."""
    curriculum = Curriculum.load(folder)
    settings = {"curriculum": curriculum, "task": curriculum.train_tasks[0].id}

    def make() -> gymnasium.Env:
        return gymnasium.make("poet/Walker2D-v0", max_episode_steps=EPISODE_LIMIT, **settings)

    check_env(make())
    curve = Curve()
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
    found = train(options.curriculum, options.steps)
    for number in range(0, len(found), max(len(found) // 8, 1)):
        print(f"{(number + 1) * WORLDS * 256:>9,} steps: mean return {found[number]:.1f}")
    print(f"{len(found) * WORLDS * 256:>9,} steps: mean return {found[-1]:.1f}, {time.perf_counter() - started:.0f} s")
