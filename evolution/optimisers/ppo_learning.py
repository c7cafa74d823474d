"""The mathematics of an iteration of PPO: from what worlds showed to a better agent. No simulator, no files.

Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347): the clipped surrogate, generalised advantage
estimation, Adam. The controller gives the means of normal distributions of actions, whose deviation does not depend on
what is seen; a critic of its own predicts returns. Both learn in whitened observations, (x - mean) / deviation of what
the agent has seen, which is folded into the weights of their first layers: theta acts as it stands.

All on one thread and in single precision, so that results are equal for any number of workers. The gradient steps are
`evolution.proximal`'s, or torch's where that is not built; the rest is torch's. On processors of another kind the last
bits of a matrix product may differ, and with them a run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from environments.controller import NO_ACTIVATION, Controller
from evolution import proximal
from evolution.advantages import advantages
from evolution.optimisers.ppo_experience import Experience, Policy

Vector = NDArray[np.float64]
Batch = Mapping[str, Tensor]

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-5  # of Adam
LEAST_SPREAD = 1e-2  # of an observation: what hardly varies is not blown up
HALF_LOG_TAU = 0.5 * math.log(2 * math.pi)

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": torch.nn.functional.leaky_relu,
    "elu": torch.nn.functional.elu,
    "silu": torch.nn.functional.silu,
    "sigmoid": torch.sigmoid,
    # An action beyond 1 acts as 1. A mean may lie there, where clipping it would leave no way back.
    NO_ACTIVATION: lambda x: x,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """How an iteration learns from its experience."""

    discount: float
    trace: float  # lambda of generalised advantage estimation
    clip: float
    entropy: float  # its weight
    epochs: int
    minibatches: int
    step_size: float  # of Adam
    largest_norm: float  # of the policy's gradient, and of the critic's
    least_deviation: float  # of actions
    reward_scale: float  # of what the critic predicts
    least_reward: float  # before scaling
    whiten: bool


@dataclass(frozen=True)
class Shapes:
    """How the parameters lie in one vector: the policy's layers, the critic's, log deviations."""

    controller: Controller
    critic: Controller

    @property
    def policy(self) -> int:
        """How many numbers are the policy's means."""
        return self.controller.parameters

    @property
    def values(self) -> slice:
        """Where the critic's stand."""
        return slice(self.policy, self.policy + self.critic.parameters)

    @property
    def size(self) -> int:
        """How many numbers there are in all."""
        return self.policy + self.critic.parameters + self.controller.sizes[-1]

    def mean(self, parameters: Tensor, observations: Tensor) -> Tensor:
        """Give the means of actions for observations (B, I): (B, A)."""
        return forward(self.controller, parameters[: self.policy], observations)

    def value(self, parameters: Tensor, observations: Tensor) -> Tensor:
        """Give the scaled returns that the critic expects for observations (B, I): (B,)."""
        return forward(self.critic, parameters[self.values], observations)[:, 0]

    def log_deviation(self, parameters: Tensor) -> Tensor:
        """Give the logarithms of the actions' deviations: (A,)."""
        return parameters[self.values.stop :]


@dataclass(frozen=True, slots=True, eq=False)
class Learner:
    """An agent, and all that PPO knows beside it."""

    theta: Vector  # (P,)
    critic: Vector  # (C,) laid out as a theta
    log_deviation: Vector  # (A,) of actions
    first_moment: Vector  # (P + C + A,) Adam's
    second_moment: Vector  # (P + C + A,)
    updates: int  # of Adam
    seen_mean: Vector  # (I,) of observations
    seen_variance: Vector  # (I,)
    seen_count: int

    def note(self, observations: NDArray[np.float32]) -> Learner:
        """Add observations, (..., I), to what the whitening knows (Chan et al. 1983)."""
        rows = observations.reshape(-1, observations.shape[-1]).astype(np.float64)
        count = self.seen_count + len(rows)
        off, share = rows.mean(axis=0) - self.seen_mean, len(rows) / count
        variance = (1 - share) * self.seen_variance + share * rows.var(axis=0) + share * (1 - share) * off * off
        return replace(self, seen_mean=self.seen_mean + share * off, seen_variance=variance, seen_count=count)

    @property
    def spread(self) -> Vector:
        """What the whitening divides observations by: (I,)."""
        deviation = np.sqrt(self.seen_variance)
        return np.maximum(deviation, LEAST_SPREAD)


def improve(
    learner: Learner, experience: Experience, shapes: Shapes, settings: Learning, rng: np.random.Generator
) -> tuple[Learner, dict[str, float]]:
    """Learn from what the agent's worlds showed.

    Args:
        learner: whose policy acted.
        experience: of T steps of N worlds.
        shapes: of policy and critic.
        settings: how.
        rng: chooses the minibatches.

    Returns:
        The learner afterwards, and figures of the iteration. One whose numbers broke down leaves the learner as it
        was, and its figure "broken" is 1.
    """
    seen = learner.note(experience.observations) if settings.whiten else learner
    with one_thread(), np.errstate(over="ignore", invalid="ignore"):  # numbers that break down are seen at the end
        parameters = pack(seen, shapes)
        batch = lay_out(parameters, experience, shapes, seen, settings)
        first, second = _tensor(seen.first_moment), _tensor(seen.second_moment)
        climber = proximal.Learner(parameters.numpy(), first.numpy(), second.numpy(), seen.updates)
        climb, rows = by_torch if proximal.problem() else by_core, len(batch["gains"])
        told = [climb(climber, batch, rng.permutation(rows), shapes, settings) for _ in range(settings.epochs)]
        learnt = unpack(parameters, first, second, climber.updates, shapes, seen)
        figures = dict(zip(TOLD, np.mean(told, axis=0).tolist(), strict=True))
        figures["explained"] = _explained(batch)
        figures["deviation"] = float(np.exp(learnt.log_deviation).mean())
    if all(map(math.isfinite, figures.values())) and np.isfinite([learnt.theta.sum(), learnt.critic.sum()]).all():
        return learnt, {**figures, "broken": 0.0}
    return learner, {**BROKEN}


TOLD = (*proximal.TOLD, "policy_norm", "critic_norm")
"""Figures of a gradient step, of which an iteration tells the means."""
BROKEN: Mapping[str, float] = {**dict.fromkeys((*TOLD, "explained", "deviation"), 0.0), "broken": 1.0}
"""Figures of an iteration that learned nothing."""


def by_core(
    learner: proximal.Learner, batch: Batch, order: NDArray[np.int64], shapes: Shapes, settings: Learning
) -> NDArray[np.float64]:
    """Take the gradient steps of an epoch, in place, through rows of a batch in this order: means of `TOLD`."""
    rows = {each.name: batch[each.name].numpy() for each in fields(proximal.Steps) if each.name in batch}
    how = proximal.Descent(
        clip=settings.clip,
        entropy=settings.entropy,
        step_size=settings.step_size,
        epsilon=EPSILON,
        largest_norm=settings.largest_norm,
        groups=tuple((part.start, part.stop) for part in _policy_and_critic(shapes)),
        least_log_deviation=math.log(settings.least_deviation),
    )
    most = -(-len(order) // settings.minibatches)
    return proximal.descend(shapes.controller, shapes.critic, learner, proximal.Steps(**rows), order, most, how)


def by_torch(
    learner: proximal.Learner, batch: Batch, order: NDArray[np.int64], shapes: Shapes, settings: Learning
) -> NDArray[np.float64]:
    """Do what `by_core` does, to rounding."""
    parameters, first, second = map(torch.from_numpy, (learner.parameters, learner.first, learner.second))
    told = []
    for rows in torch.from_numpy(order).chunk(settings.minibatches):
        found, figures = gradient(parameters, {name: each[rows] for name, each in batch.items()}, shapes, settings)
        norms = [_shorten(found[part], settings.largest_norm) for part in _policy_and_critic(shapes)]
        told.append(torch.stack([*figures, *norms]))
        learner.updates += 1
        first.mul_(BETA1).add_(found, alpha=1 - BETA1)
        second.mul_(BETA2).addcmul_(found, found, value=1 - BETA2)
        spread = second.sqrt().div_(math.sqrt(1 - BETA2**learner.updates)).add_(EPSILON)
        parameters.addcdiv_(first, spread, value=-settings.step_size / (1 - BETA1**learner.updates))
        parameters[shapes.values.stop :].clamp_(min=math.log(settings.least_deviation))
    return _double(torch.stack(told).mean(0))


def gradient(parameters: Tensor, batch: Batch, shapes: Shapes, settings: Learning) -> tuple[Tensor, list[Tensor]]:
    """Differentiate PPO's loss at the parameters, (n,): the gradient (n,), and the first five of `TOLD`."""
    leaf = parameters.detach().requires_grad_()
    loss, told = loss_of(leaf, batch, shapes, settings)
    (found,) = torch.autograd.grad(loss, leaf)
    return found, [each.detach() for each in told]


def loss_of(parameters: Tensor, batch: Batch, shapes: Shapes, settings: Learning) -> tuple[Tensor, list[Tensor]]:
    """Give PPO's loss for rows of a batch, and the first five of `TOLD`."""
    log_deviation = shapes.log_deviation(parameters)
    means = shapes.mean(parameters, batch["observations"])
    ratio_log = log_probability(means, log_deviation, batch["actions"]) - batch["log_probabilities"]
    ratio, gains = ratio_log.exp(), batch["gains"]
    bounded = ratio.clamp(1 - settings.clip, 1 + settings.clip)
    policy_loss = -torch.min(ratio * gains, bounded * gains).mean()
    value_loss = (shapes.value(parameters, batch["observations"]) - batch["targets"]).square().mean()
    entropy = (log_deviation + 0.5 + HALF_LOG_TAU).sum()
    # An estimate of KL(old || new) that is never negative (Schulman 2020).
    divergence = (ratio - 1 - ratio_log).mean()
    clipped = ((ratio - 1).abs() > settings.clip).to(ratio.dtype).mean()
    loss = policy_loss + 0.5 * value_loss - settings.entropy * entropy
    return loss, [policy_loss, value_loss, entropy, divergence, clipped]


def log_probability(means: Tensor, log_deviation: Tensor, actions: Tensor) -> Tensor:
    """Give the log densities of actions (B, A) under independent normal distributions: (B,)."""
    scaled = (actions - means) * (-log_deviation).exp()
    return -(0.5 * scaled.square() + log_deviation + HALF_LOG_TAU).sum(-1)


def forward(network: Controller, theta: Tensor, signal: Tensor) -> Tensor:
    """Evaluate a perceptron, theta (P,), for inputs (B, I): (B, O), not clipped."""
    shapes = list(pairwise(network.sizes))
    cuts = torch.split(theta, [size for inputs, outputs in shapes for size in (inputs * outputs, outputs)])
    kinds = [network.activation] * (len(shapes) - 1) + [network.output]
    for (inputs, outputs), weights, biases, kind in zip(shapes, cuts[::2], cuts[1::2], kinds, strict=True):
        signal = ACTIVATIONS[kind](torch.addmm(biases, signal, weights.view(inputs, outputs)))
    return signal


def lay_out(
    parameters: Tensor, experience: Experience, shapes: Shapes, learner: Learner, settings: Learning
) -> dict[str, Tensor]:
    """Make rows to learn from, a step each: whitened observations, actions, and what they were worth."""
    steps, worlds = experience.rewards.shape
    observations = _white(experience.observations, learner)
    actions = _tensor(experience.actions).flatten(0, 1)
    with torch.no_grad():
        values = shapes.value(parameters, observations)
        means = shapes.mean(parameters, observations)
        known = log_probability(means, shapes.log_deviation(parameters), actions)
        last = shapes.value(parameters, _white(experience.following[experience.ends], learner))
    now = values.double().numpy().reshape(steps, worlds)
    following = np.zeros_like(now)
    following[:-1] = now[1:]
    following[experience.ends] = last.double().numpy()
    following[experience.terminated] = 0.0
    rewards = settings.reward_scale * np.maximum(experience.rewards, settings.least_reward)
    gains = advantages(rewards, now, following, experience.ends, discount=settings.discount, trace=settings.trace)
    return {
        "observations": observations,
        "actions": actions,
        "log_probabilities": known,
        "gains": _tensor(((gains - gains.mean()) / (gains.std() + 1e-8)).ravel()),
        "targets": _tensor((gains + now).ravel()),
        "values": values,
    }


def pack(learner: Learner, shapes: Shapes) -> Tensor:
    """Lay out a learner's parameters, (n,), such that the networks take whitened observations."""

    def for_whitened(network: Controller, theta: Vector) -> Vector:
        weights, biases, rest = _first_layer(network, theta)
        return np.concatenate([(weights * learner.spread[:, None]).ravel(), biases + learner.seen_mean @ weights, rest])

    policy = for_whitened(shapes.controller, learner.theta)
    return _tensor(np.concatenate([policy, for_whitened(shapes.critic, learner.critic), learner.log_deviation]))


def unpack(
    parameters: Tensor, first: Tensor, second: Tensor, updates: int, shapes: Shapes, learner: Learner
) -> Learner:
    """Give the learner whose parameters `pack` lays out so, and Adam's moments."""

    def for_raw(network: Controller, theta: Vector) -> Vector:
        weights, biases, rest = _first_layer(network, theta)
        weights = weights / learner.spread[:, None]
        return np.concatenate([weights.ravel(), biases - learner.seen_mean @ weights, rest])

    return replace(
        learner,
        theta=for_raw(shapes.controller, _double(parameters[: shapes.policy])),
        critic=for_raw(shapes.critic, _double(parameters[shapes.values])),
        log_deviation=_double(parameters[shapes.values.stop :]),
        first_moment=_double(first),
        second_moment=_double(second),
        updates=updates,
    )


@contextmanager
def actor(network: Controller, theta: Vector) -> Iterator[Policy]:
    """Give the function from raw observations (N, I) to means of actions (N, O), as long as the context lasts."""
    if proximal.problem() is None:
        single = theta.astype(np.float32)
        yield lambda observations: proximal.forward(network, single, observations)
        return
    weights = _tensor(theta)
    with one_thread(), torch.no_grad():
        yield lambda observations: forward(network, weights, _tensor(observations)).numpy()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch's sums have one order, whatever else runs on this machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _first_layer(network: Controller, theta: Vector) -> tuple[Vector, Vector, Vector]:
    """Cut theta into weights (inputs, outputs) and biases of the first layer, and the rest."""
    inputs, outputs = network.sizes[:2]
    middle = inputs * outputs
    return theta[:middle].reshape(inputs, outputs), theta[middle : middle + outputs], theta[middle + outputs :]


def _policy_and_critic(shapes: Shapes) -> tuple[slice, slice]:
    return slice(0, shapes.policy), shapes.values


def _shorten(part: Tensor, largest: float) -> Tensor:
    """Scale a part of a gradient down to a norm, in place; gives the norm that it had."""
    norm: Tensor = torch.linalg.vector_norm(part)
    part.mul_((largest / (norm + 1e-6)).clamp(max=1.0))
    return norm


def _white(observations: NDArray[np.float32], learner: Learner) -> Tensor:
    rows = observations.reshape(-1, observations.shape[-1])
    return _tensor((rows - learner.seen_mean) / learner.spread)


def _explained(batch: Batch) -> float:
    """Say which share of the variance of returns the critic foresaw."""
    targets = batch["targets"].double()
    missed, all_of_it = (each.var(correction=0) for each in (targets - batch["values"].double(), targets))
    return float(1 - missed / (all_of_it + 1e-8))


def _tensor(array: NDArray[Any]) -> Tensor:
    """Copy to where torch aligns it: the order of its sums is then the same every time."""
    return torch.from_numpy(array).to(torch.float32, copy=True)


def _double(tensor: Tensor) -> Vector:
    found: Vector = tensor.numpy().astype(np.float64)
    return found
