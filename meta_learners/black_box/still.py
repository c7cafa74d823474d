"""A learner that never learns: PPO's policy as it was drawn, what every other must beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from meta_learners.black_box.ppo import PPO, PPOSettings
from meta_learners.experience.sampling import Sampler
from meta_learners.families.family import TaskFamily
from meta_learners.keys import Key
from meta_learners.learner import LearnerKind, Metrics, State
from meta_learners.networks.policies import PolicyActor

T = TypeVar("T")


class Still:
    """The learner; meets `meta_learners.learner.Learner`."""

    name = "still"

    def __init__(self, family: TaskFamily[Any], settings: PPOSettings, seed: int, device: str) -> None:
        self._policy, self._steps = PPO(family, settings, seed=seed, device=device), settings.steps

    def meta_step(self, sampler: Sampler[T], tasks: Sequence[T], key: Key) -> Metrics:
        """Play, and learn nothing."""
        mean = sampler.play(tasks, self.adapt(sampler, tasks, 0, key), key, steps=self._steps).mean_return()
        return {} if mean is None else {"return_before": mean.item()}

    def adapt(self, sampler: Sampler[T], tasks: Sequence[T], episodes: int, key: Key) -> PolicyActor:
        """Give the policy as it was drawn."""
        return self._policy.adapt(sampler, tasks, 0, key)

    def state(self) -> State:
        """Give what the policy was drawn as."""
        return self._policy.state()

    def load(self, state: State) -> None:
        """Take it back."""
        self._policy.load(state)


def _make(name: str, family: TaskFamily[Any], settings: PPOSettings, *, seed: int, device: str) -> Still:
    return Still(family, settings, seed, device)


LEARNER = LearnerKind(settings=PPOSettings, make=_make)
