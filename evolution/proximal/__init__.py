"""PPO's gradient steps for perceptrons, in C++: what a learner of this size spends most of its time on.

Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347): the clipped surrogate of independent normal
distributions, a critic of its own, the gradient's norm bounded, Adam (Kingma and Ba 2015, arXiv:1412.6980). Single
precision; sums run in one order, so that x86-64's processors with AVX2 or AVX-512 give the same bits. Torch does the
same where this is not built, and on GPUs; it rounds otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from environments.controller import Controller
from environments.native_cores import missing

__all__ = ["TOLD", "Descent", "Learner", "Steps", "descend", "forward", "kernel", "problem", "set_aside"]

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
    """Name the instruction set that is used here, such as "avx2"; raises RuntimeError where the core cannot be used."""
    _demand_core()
    return next(name for name, _, usable in core.kernels() if usable)


@contextmanager
def set_aside() -> Iterator[None]:
    """Do without the core as long as the context lasts, to compare: torch takes its place in this process."""
    global _problem  # noqa: PLW0603 - who asks `problem` is to be told
    kept, _problem = _problem, "the learner's C++ core is set aside"
    try:
        yield
    finally:
        _problem = kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What worlds showed, of n steps; all float32 and contiguous."""

    observations: Floats  # (n, I)
    actions: Floats  # (n, A)
    log_probabilities: Floats  # (n,) of the actions, when they were chosen
    gains: Floats  # (n,) advantages
    targets: Floats  # (n,) of the critic
    weights: Floats | None = None  # (n,) within a minibatch, where sums below 1 count as 1; ones when None


@dataclass(frozen=True, slots=True, kw_only=True)
class Descent:
    """How to learn from steps."""

    clip: float
    step_size: float  # of Adam
    entropy: float = 0.0  # its weight
    epsilon: float = 1e-8  # of Adam
    largest_norm: float = 0.0  # of each group of the gradient; 0 for none
    groups: tuple[tuple[int, int], ...] = ()  # of parameters, from and to
    least_log_deviation: float = -np.inf  # below which no update takes one


@dataclass(slots=True)
class Learner:
    """Parameters and Adam's moments, (n,) float32 and contiguous: a policy's theta, a critic's, log deviations."""

    parameters: Floats
    first: Floats
    second: Floats
    updates: int  # of Adam


def forward(network: Controller, theta: Floats, inputs: Floats) -> Floats:
    """Evaluate a perceptron.

    Args:
        network: which it is.
        theta: (P,) float32.
        inputs: (n, I) float32.

    Returns:
        (n, O) float32, not clipped.

    Raises:
        RuntimeError: the core cannot be used.
        ValueError: theta or the inputs do not fit the network.
    """
    _demand_core()
    _demand("theta", theta, (network.parameters,))
    _demand("inputs", inputs, (len(inputs), network.sizes[0]))
    outputs: Floats = core.forward(_named(network), theta, inputs)
    return outputs


def descend(
    policy: Controller,
    critic: Controller,
    learner: Learner,
    steps: Steps,
    order: NDArray[np.int64],
    batch: int,
    how: Descent,
    *,
    kernel: str = "",
) -> NDArray[np.float64]:
    """Improve a learner in place, by one gradient step for each minibatch of an epoch.

    Args:
        policy: from observations to means of actions.
        critic: from observations to one number.
        learner: where to begin; is changed.
        steps: to learn from.
        order: (m,) int64, the rows of the epoch.
        batch: rows of a minibatch; the last may have fewer.
        how: clipping, entropy, norms, Adam.
        kernel: instruction set, such as "avx2"; the best that runs here when empty.

    Returns:
        Means over the minibatches: those of `TOLD`, then each group's norm before it was bounded.

    Raises:
        RuntimeError: the core cannot be used.
        ValueError: arrays are of other kinds or shapes than the networks', a row is named that is not there, or there
            is no such kernel. The learner is as it was.
    """
    _demand_core()
    size = policy.parameters + critic.parameters + policy.sizes[-1]
    for name in ("parameters", "first", "second"):
        _demand(name, getattr(learner, name), (size,))
    count = len(steps.observations)
    _demand("observations", steps.observations, (count, policy.sizes[0]))
    _demand("actions", steps.actions, (count, policy.sizes[-1]))
    for name in ("log_probabilities", "gains", "targets", *(() if steps.weights is None else ("weights",))):
        _demand(name, getattr(steps, name), (count,))
    _demand("order", order, (order.size,), np.int64)
    if not order.size or batch < 1:
        raise ValueError(f"order has {order.size} rows and batch is {batch}; both must be 1 or more")
    if (critic.sizes[0], critic.sizes[-1]) != (policy.sizes[0], 1):
        raise ValueError(f"the critic is {critic}; it must be from {policy.sizes[0]} numbers to 1")
    if not all(0 <= start <= stop <= size for start, stop in how.groups):
        raise ValueError(f"groups are {how.groups}; they must lie within the {size} parameters")
    told = core.descend(
        _named(policy),
        _named(critic),
        learner.parameters,
        learner.first,
        learner.second,
        learner.updates,
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
    updates = -(-order.size // batch)
    learner.updates += updates
    means: NDArray[np.float64] = np.array(told) / updates
    return means


def _demand_core() -> None:
    if _problem is not None:
        raise RuntimeError(_problem)


def _demand(name: str, array: NDArray[Any], shape: tuple[int, ...], kind: Any = np.float32) -> None:
    """Raise ValueError unless an array is of a shape and kind, row after row: of others the core would see a copy."""
    if array.shape != shape or array.dtype != kind or not array.flags.c_contiguous:
        laid = "" if array.flags.c_contiguous else ", not contiguous"
        wanted = f"{np.dtype(kind)} {shape}, contiguous"
        raise ValueError(f"{name} is {array.dtype} {array.shape}{laid}; it must be {wanted}")


def _named(network: Controller) -> tuple[tuple[int, ...], str, str]:
    return network.sizes, network.activation, network.output
