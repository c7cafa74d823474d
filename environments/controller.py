"""The multilayer perceptron that every agent is: layout of theta and forward pass.

Tanh on every layer, as in POET (arXiv:1901.01753, section 3), unless an agent of somebody else's comes with other
activations. The flat vector theta holds, layer by layer, the weights (inputs, outputs) in row-major order, then the
biases (outputs,).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ACTIVATIONS",
    "BOUNDED",
    "NO_ACTIVATION",
    "Activation",
    "Controller",
    "Floats",
    "Layer",
    "check_activation",
    "tanh",
]

Floats: TypeAlias = NDArray[np.float32]
Layer: TypeAlias = tuple[Floats, Floats]
Activation: TypeAlias = Callable[[Floats], Floats]
NO_ACTIVATION = "none"  # of a last layer


@dataclass(frozen=True)
class Controller:
    """An MLP of the given layer sizes, such as (24, 40, 40, 4): 2,804 parameters.

    Raises:
        ValueError: an activation is unknown.
    """

    sizes: tuple[int, ...]
    activation: str = "tanh"  # of the hidden layers; one of ACTIVATIONS
    output: str = "tanh"  # of the last; one of ACTIVATIONS or "none". Actions are clipped to [-1, 1] either way

    def __post_init__(self) -> None:
        check_activation("activation", self.activation)
        check_activation("output", self.output, NO_ACTIVATION)

    def __str__(self) -> str:
        kinds = "" if (self.activation, self.output) == ("tanh", "tanh") else f", {self.activation} then {self.output}"
        return "-".join(map(str, self.sizes)) + kinds

    @cached_property
    def parameters(self) -> int:
        """The length P of theta."""
        return sum(inputs * outputs + outputs for inputs, outputs in pairwise(self.sizes))

    def check(self, thetas: NDArray[np.float32], seeds: NDArray[np.uint64]) -> None:
        """Raise ValueError unless `thetas` (n, P) and `seeds` (n,) make n episodes."""
        if thetas.ndim != 2 or thetas.shape[1] != self.parameters:
            raise ValueError(f"thetas has shape {thetas.shape}; it must be (n, {self.parameters})")
        if seeds.shape != thetas.shape[:1]:
            raise ValueError(f"seeds has shape {seeds.shape}; it must be ({len(thetas)},), one for each controller")

    def layers(self, theta: NDArray[np.float32]) -> list[Layer]:
        """Cut theta (P,) into (weights, biases) of each layer, as views.

        Raises:
            ValueError: theta has another length.
        """
        if theta.shape != (self.parameters,):
            raise ValueError(f"theta has shape {theta.shape}; layers {self.sizes} need ({self.parameters},)")
        layers, start = [], 0
        for inputs, outputs in pairwise(self.sizes):
            middle = start + inputs * outputs
            end = middle + outputs
            layers.append((theta[start:middle].reshape(inputs, outputs), theta[middle:end]))
            start = end
        return layers

    def policy(self, theta: NDArray[np.float32]) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        """Give the function from observation (inputs,) to action (outputs,) in [-1, 1].

        Raises:
            ValueError: theta has another length than `parameters`.
        """
        layers = self.layers(theta)

        def act(observation: NDArray[np.float32]) -> NDArray[np.float32]:
            signal = observation
            with np.errstate(invalid="ignore", over="ignore"):  # who overflows acts NaN, and the episode diverges
                for (weights, biases), activate in zip(layers, self._activations(), strict=True):
                    # Not a matrix product: its order of sums, and so its last bits, vary with the machine.
                    signal = activate((signal[:, None] * weights).sum(axis=0) + biases)
            return signal

        return act

    def policies(self, thetas: NDArray[np.float32]) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        """Give the function from observations (n, inputs) to actions (n, outputs) of n controllers at once.

        Each row of the result equals `policy`'s to the last bit. Thetas (n, P) are read at every call:
        a row that is overwritten is a new controller.

        Raises:
            ValueError: thetas have another length than `parameters`.
        """
        if thetas.shape[1:] != (self.parameters,):
            raise ValueError(f"thetas has shape {thetas.shape}; it must be (n, {self.parameters})")
        layers, start = [], 0
        for inputs, outputs in pairwise(self.sizes):
            middle = start + inputs * outputs
            weights = np.lib.stride_tricks.as_strided(
                thetas[:, start:middle],
                (len(thetas), inputs, outputs),
                (thetas.strides[0], outputs * thetas.itemsize, thetas.itemsize),
            )
            start = middle + outputs
            layers.append((weights, thetas[:, middle:start]))

        def act(observations: NDArray[np.float32]) -> NDArray[np.float32]:
            signal = observations
            with np.errstate(invalid="ignore", over="ignore"):
                for (weights, biases), activate in zip(layers, self._activations(), strict=True):
                    signal = activate((signal[:, :, None] * weights).sum(axis=1) + biases)
            return signal

        return act

    def _activations(self) -> list[Activation]:
        """Give the function of every layer, first to last."""
        hidden = [ACTIVATIONS[self.activation]] * (len(self.sizes) - 2)
        if self.output == NO_ACTIVATION:
            return [*hidden, _clip]
        last = ACTIVATIONS[self.output]
        return [*hidden, last if self.output in BOUNDED else lambda x: _clip(last(x))]

    def initial_theta(self, rng: np.random.Generator, scale: float = 0.1) -> NDArray[np.float64]:
        """Draw theta (P,) from N(0, scale²), the published initialisation."""
        return scale * rng.standard_normal(self.parameters)


def tanh(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the hyperbolic tangent to about 1 ulp, to the same bit on every machine and in the native engine.

    Only exactly rounded operations: below 5/8 an odd polynomial, above it 1 - 2 / (exp(2x) + 1) with exp
    by Cody and Waite's reduction. NumPy's own tanh differs in the last bit from one processor to the next.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        square = x * x
        small = x + x * square * _horner(square, _TANH_NEAR_ZERO)
        twice = 2.0 * np.fmin(np.abs(x), 10.0)  # past 10 the quotient no longer changes the result
        power = (twice * _LOG2_E + 0.5).astype(np.int32)
        count = power.astype(np.float32)
        rest = (twice - count * _LN2_HIGH) - count * _LN2_LOW
        exp = (_horner(rest, _EXP) * (rest * rest) + rest) + 1.0
        large = np.copysign(1.0 - 2.0 / (exp * ((power + 127) << 23).view(np.float32) + 1.0), x)
        return np.where(np.abs(x) >= 0.625, large, small)


def _relu(x: Floats) -> Floats:
    return np.maximum(x, np.float32(0))


def _leaky_relu(x: Floats) -> Floats:
    return np.where(x > 0, x, np.float32(0.01) * x)


def _elu(x: Floats) -> Floats:
    half = tanh(np.float32(0.5) * np.minimum(x, np.float32(0)))  # exp(x) - 1 is 2t / (1 - t) with t = tanh(x / 2)
    return np.where(x > 0, x, 2 * half / (1 - half))


def _sigmoid(x: Floats) -> Floats:
    return np.float32(0.5) * tanh(np.float32(0.5) * x) + np.float32(0.5)


def _silu(x: Floats) -> Floats:
    return x * _sigmoid(x)


def _clip(x: Floats) -> Floats:
    return np.clip(x, np.float32(-1), np.float32(1))


def _horner(x: NDArray[np.float32], coefficients: tuple[float, ...]) -> NDArray[np.float32]:
    total = x * coefficients[0] + coefficients[1]
    for coefficient in coefficients[2:]:
        total *= x
        total += coefficient
    return total


# Rounded to single precision where they are used: the numbers of walker2d/native/lanes.hpp.
_TANH_NEAR_ZERO = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
_LOG2_E, _LN2_HIGH, _LN2_LOW = 1.44269504088896341, 0.693359375, -2.12194440e-4
_EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)

ACTIVATIONS: dict[str, Activation] = {
    "tanh": tanh,
    "relu": _relu,
    "leaky_relu": _leaky_relu,  # slope 0.01, as PyTorch's
    "elu": _elu,
    "silu": _silu,
    "sigmoid": _sigmoid,
}
"""Of PyTorch's, those that need only exactly rounded operations and `tanh`: equal on every machine."""
BOUNDED = ("tanh", "sigmoid")  # by 1, as actions are


def check_activation(name: str, value: str, *others: str) -> None:
    """Raise ValueError unless a value names an activation or is one of the others."""
    if value not in (*ACTIVATIONS, *others):
        raise ValueError(f"{name} is {value!r}; it must be one of {', '.join([*ACTIVATIONS, *others])}")
