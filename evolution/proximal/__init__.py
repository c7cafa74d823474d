"""PPO's gradient steps for perceptrons, in C++: what a learner of this size spends most of its time on.

Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347): the clipped surrogate of independent normal
distributions, a critic of its own, the gradient's norm bounded, Adam (Kingma and Ba 2015, arXiv:1412.6980). Single
precision; sums run in one order, so that all processors with fused products (x86-64 since AVX2, ARM) give the same
bits. Torch does the same where this is not built, and on GPUs; it rounds otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from environments.controller import Controller
from environments.native_cores import missing

__all__ = ["Adam", "Descent", "Steps", "descend", "forward", "kernel", "problem"]

Floats = NDArray[np.float32]

_problem: str | None = None
try:
    from evolution.proximal import _core as core
except ImportError as error:
    if TYPE_CHECKING:
        raise
    core = None
    _problem = missing("learner", f"{__name__}._core", error)

TOLD = ("policy_loss", "value_loss", "entropy", "divergence", "clipped")
"""What `descend` tells of the updates, before the norms of the groups."""


def problem() -> str | None:
    """Say in a sentence why the core cannot be used; None when it can."""
    return _problem


def kernel() -> str:
    """Name the instruction set that is used here, such as "avx2"."""
    return next(name for name, _, usable in core.kernels() if usable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What worlds showed, of n steps."""

    observations: Floats  # (n, I)
    actions: Floats  # (n, A)
    log_probabilities: Floats  # (n,) of the actions, when they were chosen
    gains: Floats  # (n,) advantages
    targets: Floats  # (n,) of the critic
    weights: Floats | None = None  # (n,) within a minibatch; equal ones when None


@dataclass(frozen=True, slots=True, kw_only=True)
class Descent:
    """How to learn from steps."""

    clip: float
    step_size: float  # of Adam
    entropy: float = 0.0  # its weight
    epsilon: float = 1e-8  # of Adam
    largest_norm: float = 0.0  # of each group of the gradient; 0 for none
    groups: tuple[tuple[int, int], ...] = ()  # of parameters, from and to
    least_log_deviation: float = -np.inf


@dataclass(slots=True)
class Adam:
    """Parameters and their moments, (n,) each: the policy's as a theta, the critic's, log deviations of actions."""

    parameters: Floats
    first: Floats
    second: Floats
    updates: int


def forward(network: Controller, theta: Floats, inputs: Floats) -> Floats:
    """Evaluate a perceptron for inputs (n, I): (n, O), not clipped.

    Raises:
        ValueError: theta or the inputs do not fit the network.
    """
    outputs: Floats = core.forward(_named(network), theta, inputs)
    return outputs


def descend(
    policy: Controller,
    critic: Controller,
    adam: Adam,
    steps: Steps,
    order: NDArray[np.int64],
    batch: int,
    how: Descent,
    *,
    kernel: str = "",
) -> NDArray[np.float64]:
    """Improve the parameters in place, by one gradient step for each minibatch of every epoch.

    Args:
        policy: from observations to means of actions.
        critic: from observations to one number.
        adam: where to begin; is changed.
        steps: to learn from.
        order: (epochs, n) the rows of each epoch.
        batch: rows of a minibatch; an epoch's last may have fewer.
        how: to learn.
        kernel: instruction set, such as "avx2"; the best that runs here when empty.

    Returns:
        Means over the minibatches: those of `TOLD`, then each group's norm.

    Raises:
        ValueError: sizes do not fit each other, or there is no such kernel.
    """
    told = core.descend(
        _named(policy),
        _named(critic),
        adam.parameters,
        adam.first,
        adam.second,
        adam.updates,
        steps.observations,
        steps.actions,
        steps.log_probabilities,
        steps.gains,
        steps.targets,
        steps.weights,
        order,
        batch,
        clip=how.clip,
        entropy=how.entropy,
        step_size=how.step_size,
        epsilon=how.epsilon,
        largest_norm=how.largest_norm,
        groups=how.groups,
        least_log_deviation=how.least_log_deviation,
        kernel=kernel,
    )
    updates = len(order) * -(-order.shape[1] // batch)
    adam.updates += updates
    means: NDArray[np.float64] = np.array(told) / updates
    return means


def _named(network: Controller) -> tuple[tuple[int, ...], str, str]:
    return network.sizes, network.activation, network.output
