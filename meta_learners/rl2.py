"""RL²: a recurrent policy that learns to learn within its hidden state.

Duan et al. 2016 (arXiv:1611.02779); the outer loop is proximal policy optimisation (Schulman et al. 2017,
arXiv:1707.06347) through whole trials, with no truncation in time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from meta_learners.actions import Actions
from meta_learners.recurrent import RecurrentPolicy
from meta_learners.trials import Trials


@dataclass(frozen=True, slots=True, kw_only=True)
class RL2Settings:
    """How RL² learns; the defaults suit problems of a second's trial on a CPU."""

    hidden: int = 64
    trials: int = 1024  # an iteration's
    episodes: int = 10  # of a trial
    discount: float = 0.99  # across the episodes of a trial
    trace: float = 0.3  # lambda of generalised advantage estimation
    clip: float = 0.2
    entropy: float = 0.01
    value: float = 0.5  # weight of the value's loss
    reward_scale: float = 1.0  # of what values predict
    epochs: int = 4
    minibatches: int = 4
    step_size: float = 1e-3
    decay: int = 0  # iterations until the step size is 0; 0 for never
    gradient_norm: float = 0.5


def advantages(trials: Trials, discount: float, trace: float, scale: float) -> Tensor:
    """Estimate what actions gained, (T, n), across episodes: only a trial's end is an end (arXiv:1506.02438)."""
    ahead = following = torch.zeros_like(trials.values[0])
    found = torch.empty_like(trials.values)
    for step in reversed(range(len(found))):
        error = scale * trials.rewards[step] + discount * following - trials.values[step]
        ahead = (error + discount * trace * ahead) * trials.live[step]
        found[step] = ahead
        following = trials.values[step] * trials.live[step]
    return found


def improve(
    policy: RecurrentPolicy,
    optimiser: torch.optim.Optimizer,
    actions: Actions,
    trials: Trials,
    settings: RL2Settings,
    generator: torch.Generator,
) -> dict[str, float]:
    """Take proximal policy optimisation's steps on some trials; gives the mean losses."""
    gains = advantages(trials, settings.discount, settings.trace, settings.reward_scale)
    targets = gains + trials.values
    live = trials.live > 0
    gains = (gains - gains[live].mean()) / (gains[live].std() + 1e-8)
    count = trials.inputs.shape[1]
    total = torch.zeros(3, device=gains.device)
    for _ in range(settings.epochs):
        order = torch.randperm(count, generator=generator, device=gains.device)
        for rows in order.chunk(settings.minibatches):
            losses = _losses(policy, actions, trials, gains, targets, rows, settings.clip)
            loss = losses[0] + settings.value * losses[1] - settings.entropy * losses[2]
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(policy.parameters(), settings.gradient_norm)
            optimiser.step()
            total += losses.detach()
    means = (total / (settings.epochs * settings.minibatches)).tolist()
    return dict(zip(("policy_loss", "value_loss", "entropy"), means, strict=True))


def _losses(
    policy: RecurrentPolicy,
    actions: Actions,
    trials: Trials,
    gains: Tensor,
    targets: Tensor,
    rows: Tensor,
    clip: float,
) -> Tensor:
    """Give the clipped surrogate's loss, the value's and the entropy: (3,), means over live steps."""
    outputs, values, _ = policy(trials.inputs[:, rows], policy.initial(len(rows)))
    live, gains = trials.live[:, rows], gains[:, rows]
    ratio = (actions.log_probability(outputs, trials.actions[:, rows]) - trials.log_probabilities[:, rows]).exp()
    surrogate = torch.min(ratio * gains, ratio.clamp(1 - clip, 1 + clip) * gains)
    misses = (values - targets[:, rows]).square()
    entropy = actions.entropy(outputs)
    return torch.stack([(each * live).sum() for each in (-surrogate, misses, entropy)]) / live.sum()
