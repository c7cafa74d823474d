"""What policies learn from: rollouts with their advantages, and losses over them.

Pure functions of tensors; M tasks, B = T x N steps of each, of which `weights`
says how much they count: 1 / (number of valid steps of the task), or 0.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from torch import Tensor

from meta_learners.acting import Head, Rollout
from meta_learners.experience.proximal import clipped_surrogate
from meta_learners.experience.returns import advantages, fitted_values
from meta_learners.networks.policies import Parameters, Policy


@dataclass(frozen=True, slots=True)
class Experience:
    """Steps of M tasks, B of each."""

    observations: Tensor  # (M, B, o)
    actions: Tensor  # (M, B, a), or choices (M, B)
    numbers: Tensor  # (M, B, k): the distributions that acted
    log_probabilities: Tensor  # (M, B), under those
    advantages: Tensor  # (M, B), of mean 0 and deviation 1 within a task
    weights: Tensor  # (M, B), summing to 1 within a task

    @property
    def tasks(self) -> int:
        """How many tasks there are, M."""
        return len(self.weights)

    def of_first(self, tasks: int | None) -> Experience:
        """Keep so many tasks, or all when None."""
        return Experience(*(getattr(self, each.name)[:tasks] for each in fields(self)))


def experience(rollout: Rollout, head: Head, *, discount: float, trace: float) -> Experience:
    """Estimate advantages by GAE over the linear-feature baseline, standardised within each task."""
    gains = advantages(rollout, fitted_values(rollout, discount), discount=discount, trace=trace).flatten(1, 2)
    valid = rollout.valid.flatten(1, 2).float()
    weights = valid / valid.sum(1, keepdim=True).clamp(min=1)
    mean = (weights * gains).sum(1, keepdim=True)
    deviation = (weights * (gains - mean).square()).sum(1, keepdim=True).sqrt()
    actions, numbers = rollout.actions.flatten(1, 2), rollout.numbers.flatten(1, 2)
    return Experience(
        observations=rollout.observations[:, :-1].flatten(1, 2),
        actions=actions,
        numbers=numbers,
        log_probabilities=head.log_probability(numbers, actions),
        advantages=(gains - mean) / (deviation + 1e-8),
        weights=weights,
    )


def likelihood_loss(policy: Policy, parameters: Parameters, data: Experience) -> Tensor:
    """Give -E[log pi · A] of every task (M,): REINFORCE, MAML's inner loss."""
    log = policy.head.log_probability(policy(parameters, data.observations), data.actions)
    return -(data.weights * log * data.advantages).sum(1)


def ratio_loss(policy: Policy, parameters: Parameters, data: Experience) -> Tensor:
    """Give -E[(pi / pi_old) · A] of every task (M,).

    Its gradient is that of `likelihood_loss` where pi = pi_old, but its second derivative also accounts for how
    the parameters change which data are sampled: ProMP's inner loss (Rothfuss et al. 2019, arXiv:1810.06784, LVC).
    """
    return -(data.weights * _log_ratio(policy, parameters, data).exp() * data.advantages).sum(1)


def clipped_loss(policy: Policy, parameters: Parameters, data: Experience, clip: float) -> Tensor:
    """Give PPO's loss of every task (M,) (Schulman et al. 2017, arXiv:1707.06347)."""
    surrogate = clipped_surrogate(_log_ratio(policy, parameters, data), data.advantages, clip)
    return -(data.weights * surrogate).sum(1)


def divergence(policy: Policy, parameters: Parameters, data: Experience) -> Tensor:
    """Give E[KL(pi_old || pi)] of every task (M,)."""
    return (data.weights * policy.head.divergence(data.numbers, policy(parameters, data.observations))).sum(1)


def _log_ratio(policy: Policy, parameters: Parameters, data: Experience) -> Tensor:
    numbers = policy(parameters, data.observations)
    return policy.head.log_probability(numbers, data.actions) - data.log_probabilities
