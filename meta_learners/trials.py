"""Trials: several episodes on one task, lived through by a policy that remembers.

The hidden state is kept across the episodes of a trial and begins anew with every trial. A policy sees the
observation, its previous action, the reward that it brought and whether an episode ended with it (Duan et al.
2016, arXiv:1611.02779, section 2.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from meta_learners.actions import Actions
from meta_learners.recurrent import RecurrentPolicy

REWARD_BOUND = 10.0  # of rewards as they are seen: a fall's -100 would drown all else


class Worlds(Protocol):
    """Tasks stepped together; an episode that ends is followed by the next one at once."""

    def reset(self) -> Tensor:
        """Begin an episode in every world: observations (n, o)."""
        ...

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Act in every world: observations (n, o), rewards (n,), whether the episode ended (n,)."""
        ...


@dataclass(frozen=True, slots=True)
class Trials:
    """n trials of at most T steps; what lies past a trial's end has `live` 0 and counts for nothing."""

    inputs: Tensor  # (T, n, i)
    actions: Tensor  # (T, n) numbers, or (T, n, a)
    log_probabilities: Tensor  # (T, n)
    values: Tensor  # (T, n)
    rewards: Tensor  # (T, n)
    ended: Tensor  # (T, n) whether an episode ended with this step
    live: Tensor  # (T, n) 1 or 0

    @property
    def returns(self) -> Tensor:
        """Sum of rewards of each trial: (n,)."""
        return (self.rewards * self.live).sum(0)


def seen_size(observation_size: int, actions: Actions) -> int:
    """Say how many numbers a policy sees at a step."""
    return observation_size + actions.seen + 2


def play_trials(
    policy: RecurrentPolicy,
    actions: Actions,
    worlds: Worlds,
    episodes: int,
    steps: int,
    generator: torch.Generator | None,
) -> Trials:
    """Live through one trial in every world.

    Args:
        policy: who acts.
        actions: what its outputs mean.
        worlds: n of them.
        episodes: of a trial.
        steps: the most that a trial can last.
        generator: of the actions; without one the likeliest are taken.
    """
    observations = worlds.reset()
    count, device = len(observations), observations.device
    hidden = policy.initial(count)
    before = observations.new_zeros(count, actions.seen + 2)
    left = torch.full((count,), episodes, device=device)
    rows: list[tuple[Tensor, ...]] = []
    with torch.no_grad():
        for _ in range(steps):
            inputs = torch.cat([observations, before], -1)
            outputs, values, hidden = policy(inputs[None], hidden)
            chosen = actions.sample(outputs[0], generator)
            log_probabilities = actions.log_probability(outputs[0], chosen)
            observations, rewards, ended = worlds.step(chosen)
            live = left > 0
            rows.append((inputs, chosen, log_probabilities, values[0], rewards, ended, live.float()))
            left = left - (ended & live).long()
            seen = rewards.clamp(-REWARD_BOUND, REWARD_BOUND)
            before = torch.cat([actions.show(chosen), seen[:, None], ended[:, None].float()], -1)
    return Trials(*(torch.stack(column) for column in zip(*rows, strict=True)))
