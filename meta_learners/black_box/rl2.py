"""RL²: a recurrent policy that learns to learn within its hidden state.

Duan et al. 2016 (arXiv:1611.02779). How it learns over trials is `trials.py`; what it remembers by is
`networks/recurrent.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import torch

from environments.settings import Bounds, check_bounds
from meta_learners.black_box.trials import TrialLearner, TrialSettings
from meta_learners.families.family import TaskFamily
from meta_learners.keys import Stream, torch_generator
from meta_learners.learner import LearnerKind
from meta_learners.networks.heads import choice_unread, head_of
from meta_learners.networks.recurrent import RecurrentPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class RL2Settings(TrialSettings):
    """How RL² learns; the defaults suit walkers."""

    hidden: Annotated[int, Bounds(1, 4096)] = 64  # units
    memory: Annotated[int, Bounds(1, 10**6)] = 500  # steps that the units can hold something for, to begin with
    products: bool = False  # whether the unit also sees observation x action and observation x action x reward
    hypernetwork: bool = False  # whether memory gives the weights of heads that are linear in the observation
    reflex: Annotated[int, Bounds(0, 4096)] = 64  # units of two layers in which heads read the observation too; or 0
    critic_memory: bool = True  # whether values have a unit of their own, or read the policy's

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.hypernetwork and self.reflex:
            raise ValueError(f"reflex is {self.reflex}; with hypernetwork it must be 0")


class RL2(TrialLearner):
    """The learner.

    Args:
        family: whose observations and actions the policy is for.
        settings: how to learn.
        seed: of the initial weights.
        device: of the policy; the sampler's.
    """

    def __init__(
        self,
        family: TaskFamily[Any],
        settings: RL2Settings,
        *,
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        head = head_of(family.actions)
        policy = RecurrentPolicy(
            family.observation_size,
            family.actions.size,
            head.numbers,
            settings.hidden,
            settings.memory,
            torch_generator((seed, Stream.PARAMETERS)),
            products=settings.products,
            hypernetwork=settings.hypernetwork,
            reflex=settings.reflex,
            critic_memory=settings.critic_memory,
            deviations=[settings.deviation] * head.spread,
        )
        super().__init__("rl2", policy, head, settings, device=device)


def _make(name: str, family: TaskFamily[Any], settings: RL2Settings, *, seed: int, device: str) -> RL2:
    return RL2(family, settings, seed=seed, device=device)


LEARNER = LearnerKind(settings=RL2Settings, make=_make, unread=choice_unread)
