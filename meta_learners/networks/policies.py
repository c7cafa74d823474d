"""Networks whose weights may differ from task to task, evaluated for all tasks as one batched operation.

Parameters are a flat dict of tensors: either shared, weights (inputs, outputs)
and biases (outputs,), or stacked over M tasks, weights (M, inputs, outputs) and
biases (M, outputs). Stacked networks are one `baddbmm` a layer, which can be
differentiated any number of times.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from environments.controller import NO_ACTIVATION, Controller
from evolution import proximal
from meta_learners.acting import Head, Seen

Parameters = dict[str, Tensor]

PRECISIONS = ("float32", "bfloat16")


def stack(parameters: Mapping[str, Tensor], tasks: int) -> Parameters:
    """Give every task the shared parameters: a leading axis (tasks, ...), without copying."""
    return {name: each.expand(tasks, *each.shape) for name, each in parameters.items()}


@dataclass(frozen=True)
class Network:
    """A multilayer perceptron of the given layer sizes: `layer0.weight`, `layer0.bias`, `layer1.weight`, ..."""

    sizes: tuple[int, ...]
    activation: str = "tanh"  # or "relu"
    last_scale: float = 1.0  # of the last layer's initial weights
    precision: str = "float32"  # of the matrix products; what goes in and out is float32 or wider
    # T-net (Lee and Choi 2018, arXiv:1801.05558): a square matrix `transform0`, ... after each layer, at first I.
    transformed: bool = False

    def initial(self, generator: torch.Generator) -> Parameters:
        """Draw shared parameters: Glorot-uniform weights for tanh, He-normal for ReLU, no biases."""
        parameters = {}
        for number, (inputs, outputs) in enumerate(pairwise(self.sizes)):
            scale = self.last_scale if number == len(self.sizes) - 2 else 1.0
            if self.activation == "relu":
                weight = torch.randn(inputs, outputs, generator=generator) * math.sqrt(2 / inputs)
            else:
                weight = (2 * torch.rand(inputs, outputs, generator=generator) - 1) * math.sqrt(6 / (inputs + outputs))
            parameters[f"layer{number}.weight"] = scale * weight
            parameters[f"layer{number}.bias"] = torch.zeros(outputs)
            if self.transformed:
                parameters[f"transform{number}"] = torch.eye(outputs)
        return parameters

    @property
    def controller(self) -> Controller:
        """The perceptron whose theta the parameters are, in their order."""
        return Controller(self.sizes, self.activation, NO_ACTIVATION)

    @property
    def plain(self) -> bool:
        """Whether it is that perceptron and nothing more, in single precision."""
        return not self.transformed and self.precision == "float32"

    @property
    def order(self) -> tuple[str, ...]:
        """Names of all weights and biases, from the first layer to the last: as a theta has them."""
        numbers = range(len(self.sizes) - 1)
        return tuple(f"layer{number}.{kind}" for number in numbers for kind in ("weight", "bias"))

    @property
    def layers(self) -> frozenset[str]:
        """Names of all weights and biases: what T-net adapts."""
        return frozenset(self.order)

    @property
    def last_layer(self) -> frozenset[str]:
        """Names of the last layer's parameters: what ANIL adapts."""
        return frozenset(f"layer{len(self.sizes) - 2}.{kind}" for kind in ("weight", "bias"))

    def __call__(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Evaluate inputs (M, B, i), or (..., i) with shared parameters: (M, B, o) or (..., o)."""
        signal, last = inputs, len(self.sizes) - 2
        for number in range(last + 1):
            signal = self._layer(signal, parameters[f"layer{number}.weight"], parameters[f"layer{number}.bias"])
            if self.transformed:
                signal = signal @ parameters[f"transform{number}"]
            if number < last:
                signal = signal.relu() if self.activation == "relu" else signal.tanh()
        return signal

    def _layer(self, signal: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        stacked = weight.dim() == 3
        if self.precision == "bfloat16":
            # Only the product: sums with the bias and tanh lose more in 8 bits, and are no faster in them.
            product = (signal.bfloat16() @ weight.bfloat16()).float()
            return product + (bias[:, None] if stacked else bias)
        if stacked:
            return torch.baddbmm(bias[:, None], signal, weight)
        return torch.nn.functional.linear(signal, weight.T, bias)


@dataclass(frozen=True)
class Policy:
    """A network that describes distributions of actions; how far they spread does not depend on what is seen."""

    network: Network  # from observations to means or logits
    head: Head
    deviation: float = 1.0  # of normal actions, to begin with
    least_deviation: float = 1e-3

    @staticmethod
    def make(
        observations: int,
        head: Head,
        hidden: tuple[int, ...] = (64, 64),
        *,
        deviation: float = 1.0,
        precision: str = "float32",
    ) -> Policy:
        """Lay out a policy with tanh units, whose first actions are near zero or near uniform."""
        sizes = (observations, *hidden, head.numbers - head.spread)
        return Policy(Network(sizes, last_scale=0.01, precision=precision), head, deviation)

    def initial(self, generator: torch.Generator) -> Parameters:
        """Draw shared parameters."""
        parameters = self.network.initial(generator)
        if self.head.spread:
            parameters["log_deviation"] = torch.full((self.head.spread,), math.log(self.deviation))
        return parameters

    @property
    def last_layer(self) -> frozenset[str]:
        """Names of what ANIL adapts."""
        return self.network.last_layer

    def __call__(self, parameters: Mapping[str, Tensor], observations: Tensor) -> Tensor:
        """Describe the actions for observations (M, B, o), by numbers (M, B, k) that the head understands."""
        outputs = self.network(parameters, observations)
        if not self.head.spread:
            return outputs
        log_deviation = parameters["log_deviation"].clamp(min=math.log(self.least_deviation))
        if log_deviation.dim() == 2:
            log_deviation = log_deviation[:, None]
        return torch.cat([outputs, log_deviation.expand_as(outputs)], -1)

    def actor(self, parameters: Mapping[str, Tensor], *, deterministic: bool = False) -> PolicyActor:
        """Make what plays: shared parameters, or stacked over the tasks that are played."""
        return PolicyActor(self, dict(parameters), deterministic)


@dataclass(frozen=True)
class PolicyActor:
    """A policy with its parameters, which remembers nothing: an `Actor`."""

    policy: Policy
    parameters: Parameters
    deterministic: bool = False

    @property
    def head(self) -> Head:
        return self.policy.head

    def greedy(self) -> PolicyActor:
        """Give the same, but choosing the likeliest actions."""
        return replace(self, deterministic=True)

    def begin(self, tasks: int, copies: int) -> LaidOut | None:
        """Give the policy as the core evaluates it, where it can; there is nothing to remember."""
        return LaidOut.of(self.policy, self.parameters)

    def act(self, seen: Seen, noise: Tensor, memory: LaidOut | None) -> tuple[Tensor, Tensor, LaidOut | None]:
        """Choose actions (M, N, ...) by numbers (M, N, k)."""
        numbers = memory(seen.observations) if memory else self.policy(self.parameters, seen.observations)
        actions = self.head.best(numbers) if self.deterministic else self.head.act(numbers, noise)
        return actions, numbers, memory


@dataclass(frozen=True, eq=False)
class LaidOut:
    """A policy that all tasks share, as it is now, for the core: some dozens of rows are less to it than torch's calls.

    Attributes:
        controller: the network.
        theta: (P,) its parameters.
        spread: (k - o,) the numbers that no observation changes.
    """

    controller: Controller
    theta: NDArray[np.float32]
    spread: Tensor

    @staticmethod
    def of(policy: Policy, parameters: Mapping[str, Tensor]) -> LaidOut | None:
        """Lay a policy out; None where the core cannot evaluate it, or parameters differ between tasks."""
        network = policy.network
        leaves = [parameters[name] for name in network.order]
        plain = all(each.device.type == "cpu" and each.dtype == torch.float32 for each in leaves)
        if not (plain and network.plain) or leaves[0].dim() > 2 or proximal.problem():
            return None
        spread = torch.zeros(0)
        if policy.head.spread:
            spread = parameters["log_deviation"].detach().clamp(min=math.log(policy.least_deviation))
        theta = torch.cat([each.detach().flatten() for each in leaves]).numpy()
        return LaidOut(network.controller, theta, spread)

    def __call__(self, observations: Tensor) -> Tensor:
        """Describe the actions for observations (M, N, o): (M, N, k)."""
        rows = observations.reshape(-1, observations.shape[-1]).contiguous().numpy()
        found = torch.from_numpy(proximal.forward(self.controller, self.theta, rows))
        found = found.view(*observations.shape[:-1], -1)
        return torch.cat([found, self.spread.expand(*found.shape[:-1], -1)], -1) if len(self.spread) else found
