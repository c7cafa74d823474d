"""The multilayer perceptron that every agent is: layout of theta and forward pass.

Tanh on every layer, as in POET (arXiv:1901.01753, section 3). The flat vector
theta holds, layer by layer, the weights (inputs, outputs) in row-major order,
then the biases (outputs,).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Layer: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True)
class Controller:
    """An MLP of the given layer sizes, such as (24, 40, 40, 4): 2,804 parameters."""

    sizes: tuple[int, ...]

    @cached_property
    def parameters(self) -> int:
        """The length P of theta."""
        return sum(inputs * outputs + outputs for inputs, outputs in pairwise(self.sizes))

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
            for weights, biases in layers:
                # Not a matrix product: its order of sums, and so its last bits, vary with the machine.
                signal = np.tanh((signal[:, None] * weights).sum(axis=0) + biases)
            return signal

        return act

    def initial_theta(self, rng: np.random.Generator, scale: float = 0.1) -> NDArray[np.float64]:
        """Draw theta (P,) from N(0, scale²), the published initialisation."""
        return scale * rng.standard_normal(self.parameters)
