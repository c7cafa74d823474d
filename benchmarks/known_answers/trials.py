"""A learner that remembers, on a family, and the mean reward of its trials: what three problems share."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from meta_learners.black_box.rl2 import RL2Settings
from meta_learners.experience.sampling import Sampler
from meta_learners.families.family import TaskFamily
from meta_learners.keys import Key, Stream, numpy_generator
from meta_learners.learner import Learner
from meta_learners.registry import make_learner

REPORTS = 20  # lines about how it goes
SMALL_WORLDS = RL2Settings(
    reflex=0,
    critic_memory=False,
    steps=0,
    window=0,
    trace=0.3,
    entropy=0.01,
    reward_scale=1.0,
    epochs=4,
    minibatches=4,
    step_size=1e-3,
)
"""Where rewards tell at once what an action was worth, and batches are large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long to learn and how surely to measure."""

    iterations: int
    trials: int  # an iteration's
    tested: int  # trials


def learn(family: TaskFamily[Any], settings: Any, effort: Effort, seed: int, device: str, name: str = "rl2") -> Learner:
    """Train RL², or another learner, on new tasks in every meta-step."""
    learner = make_learner(name, family, settings, seed=seed, device=device)
    sampler = Sampler(family, effort.trials, 1, device=device)
    for iteration in range(effort.iterations):
        tasks = family.sample_tasks(effort.trials, numpy_generator((seed, iteration, Stream.TASKS)))
        metrics = learner.meta_step(sampler, tasks, (seed, iteration))
        if iteration % max(effort.iterations // REPORTS, 1) == 0:
            print(f"meta-step {iteration}: a trial brings {metrics['return_trial']:.3f}", file=sys.stderr, flush=True)
    return learner


def trial_returns(
    family: TaskFamily[Any], learner: Learner, episodes: int, tested: int, key: Key, *, each: bool = False
) -> Any:
    """Give the sums of rewards of trials on tasks that nobody has seen: (tested,), or of each episode, float64."""
    tasks = family.sample_tasks(tested, numpy_generator((*key, Stream.TASKS)), "test")
    sampler = Sampler(family, tested, 1)
    rollout = sampler.play(tasks, learner.adapt(sampler, tasks, 0, key), key, episodes=episodes)
    returns = rollout.episode_returns(episodes)[:, 0]
    return np.asarray(returns if each else returns.sum(-1), dtype=np.float64)
