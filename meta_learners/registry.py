"""Every meta-learner by its name."""

from __future__ import annotations

from typing import Any

from meta_learners.black_box.ppo import PPO, PPOSettings
from meta_learners.black_box.rl2 import RL2, RL2Settings
from meta_learners.families.family import TaskFamily
from meta_learners.gradient.policy_learner import PolicyLearner, PolicySettings
from meta_learners.gradient.variants import VARIANTS
from meta_learners.learner import Learner

SETTINGS: dict[str, type[Any]] = {"rl2": RL2Settings, "ppo": PPOSettings, **dict.fromkeys(VARIANTS, PolicySettings)}


def make_learner(name: str, family: TaskFamily[Any], settings: Any, *, seed: int, device: str) -> Learner:
    """Make a learner for a family; `settings` is of the class `SETTINGS[name]`."""
    if name == RL2.name:
        return RL2(family, settings, seed=seed, device=device)
    if name == PPO.name:
        return PPO(family, settings, seed=seed, device=device)
    return PolicyLearner(name, family.observation_size, family.actions, settings, seed=seed, device=device)
