"""What the rewards of a rollout were worth: advantages, returns, and the linear-feature baseline.

Generalised advantage estimation (Schulman et al. 2016, arXiv:1506.02438); the
baseline of Duan et al. 2016 (arXiv:1604.06778), fitted to every task by itself.
Pure functions of tensors, M tasks and N worlds at once. None loops over time on a
GPU, where every round would launch kernels of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from meta_learners.acting import Rollout


def advantages(rollout: Rollout, values: Tensor, *, discount: float, trace: float) -> Tensor:
    """Estimate advantages by GAE(trace).

    An episode cut off by its limit, or by the end of the rollout, goes on being worth its last observation's value;
    one that terminated is worth nothing more.

    Args:
        rollout: of M tasks, T steps, N worlds.
        values: (M, T + 1, N) of the rollout's observations.
        discount: gamma, within [0, 1].
        trace: lambda, within [0, 1].

    Returns:
        (M, T, N) float32; 0 where the rollout is not valid.
    """
    ends = rollout.ends.to(values.dtype)
    errors = rollout.rewards + discount * values[:, 1:] * ~rollout.terminated - values[:, :-1]
    errors = errors * rollout.valid
    kept = discount * trace * (1 - ends) * rollout.valid
    return accumulated(errors.transpose(0, 1), kept.transpose(0, 1)).transpose(0, 1)


def trial_advantages(rewards: Tensor, values: Tensor, valid: Tensor, discount: float, trace: float) -> Tensor:
    """Estimate what actions gained, all (T, n), by GAE(trace) over whole trials.

    Episodes' ends are none here: what is learnt in one is worth something in the next. Only a trial's end is worth
    nothing more. Steps that are not valid are passed over.
    """
    number = torch.arange(len(values), device=values.device)[:, None]
    following = torch.where(valid, number, len(values)).flip(0).cummin(0).values.flip(0)  # the first valid from here on
    following = torch.cat([following[1:], torch.full_like(following[:1], len(values))])
    ahead = torch.cat([values, torch.zeros_like(values[:1])]).gather(0, following)
    return accumulated_over(valid, rewards + discount * ahead - values, discount * trace)


def running_advantages(
    rewards: Tensor, values: Tensor, valid: Tensor, over: Tensor, terminated: Tensor, discount: float, trace: float
) -> Tensor:
    """Estimate the same over a rollout through trials that run on: all (T, n), values (T + 1, n).

    Args:
        rewards: to learn from.
        values: before every step and after the last.
        valid: steps that are not are passed over.
        over: where a step ended its trial.
        terminated: where a step ended its episode for good; a trial that the limit ends is worth what it was before.
        discount: of what comes later.
        trace: lambda.
    """
    last = len(rewards)
    number = torch.arange(last, device=values.device)[:, None]
    following = torch.where(valid, number, last).flip(0).cummin(0).values.flip(0)
    following = torch.cat([following[1:], torch.full_like(following[:1], last)])
    ahead = torch.where(over, values[:-1] * ~terminated, values.gather(0, following))
    errors = (rewards + discount * ahead - values[:-1]) * valid
    kept = torch.where(valid, discount * trace * (~over).to(values.dtype), 1.0)
    return accumulated(errors, kept) * valid


def accumulated_over(valid: Tensor, parts: Tensor, kept: float) -> Tensor:
    """Sum from behind as `accumulated` does, over valid steps alone, each keeping the same share: 0 at the others."""
    share = torch.where(valid, parts.new_tensor(kept), parts.new_tensor(1.0))
    return accumulated(parts * valid, share) * valid


def accumulated(parts: Tensor, kept: Tensor) -> Tensor:
    """Sum from behind: a step's part and, of what comes after it, the share that it keeps. All (T, ...)."""
    return doubled(parts, kept) if parts.is_cuda else one_after_another(parts, kept)


def one_after_another(parts: Tensor, kept: Tensor) -> Tensor:
    """Do what `accumulated` says step by step."""
    result = torch.empty_like(parts)
    ahead = torch.zeros_like(parts[0])
    for step in reversed(range(len(parts))):
        ahead = parts[step] + kept[step] * ahead
        result[step] = ahead
    return result


def doubled(parts: Tensor, kept: Tensor) -> Tensor:
    """Do what `accumulated` says of all steps at once, looking twice as far in every round; it rounds otherwise."""
    ahead = 1
    while ahead < len(parts):
        parts = torch.cat([parts[:-ahead] + kept[:-ahead] * parts[ahead:], parts[-ahead:]])
        kept = torch.cat([kept[:-ahead] * kept[ahead:], kept[-ahead:]])
        ahead *= 2
    return parts


def returns_to_go(rollout: Rollout, discount: float) -> Tensor:
    """Sum the discounted rewards up to the episode's, or the rollout's, end: (M, T, N)."""
    nothing = rollout.rewards.new_zeros(rollout.observations.shape[:3])
    return advantages(rollout, nothing, discount=discount, trace=1.0)


def time_in_episode(rollout: Rollout) -> Tensor:
    """Count the steps since each episode began: (M, T + 1, N) float32."""
    # The row after an end holds that episode's last observation, unless a new one began without a step between.
    again = torch.zeros_like(rollout.valid)
    again[:, :-1] = rollout.ends[:, :-1] & rollout.valid[:, 1:]
    number = torch.arange(1, again.shape[1] + 1, device=again.device)[:, None]
    broken = torch.where(rollout.valid & ~again, 0, number).cummax(1).values  # the row where the count last began
    count = functional.pad(number - broken, (0, 0, 1, 0))
    return count.to(rollout.rewards.dtype)


def linear_baseline(rollout: Rollout, targets: Tensor, *, regularisation: float = 1e-5) -> Tensor:
    """Fit values to targets, for every task by itself, and give them for every observation.

    Features are the observation clipped to ±10, its square, the time t in hundreds of steps, t², t³ and 1.

    Args:
        rollout: of M tasks.
        targets: (M, T, N), such as `returns_to_go`.
        regularisation: added to the diagonal of the normal equations.

    Returns:
        (M, T + 1, N) values.
    """
    clipped = rollout.observations.clamp(-10, 10)
    t = time_in_episode(rollout)[..., None] / 100
    features = torch.cat([clipped, clipped.square(), t, t.square(), t**3, torch.ones_like(t)], -1).double()
    weight = rollout.valid.double()[..., None]
    known = (features[:, :-1] * weight).flatten(1, 2)
    wanted = (targets.double()[..., None] * weight).flatten(1, 2)
    gram = known.mT @ known
    ridge = regularisation * torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    coefficients: Tensor = torch.linalg.solve(gram + ridge, known.mT @ wanted)
    values = features.flatten(1, 2) @ coefficients
    return values.view(t.shape[:-1]).float()


def fitted_values(rollout: Rollout, discount: float) -> Tensor:
    """Fit the linear baseline to a rollout's own returns: values (M, T + 1, N).

    An episode's limit ends its return, as in the finite horizons of the papers. An episode that the end of the rollout
    cut is worth, from there, what a first fit says, so that the second does not take the cut for an end.
    """
    values = linear_baseline(rollout, returns_to_go(rollout, discount))
    cut = rollout.valid[:, -1] & ~rollout.ends[:, -1]
    beyond = torch.zeros_like(values)
    beyond[:, -1] = values[:, -1] * cut
    # With values of 0 but for the last row, advantages are returns that end in it.
    return linear_baseline(rollout, advantages(rollout, beyond, discount=discount, trace=1.0))
