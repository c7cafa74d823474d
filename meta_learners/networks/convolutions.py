"""The convolutional network that MAML adapts to images, for all tasks as one batched operation.

Four blocks of convolution, normalisation, pooling and ReLU, and a linear last layer, as in Finn et al. 2017
(arXiv:1703.03400, section 5.2), in one dimension or two: the embedding that metric learners share, but with parameters
that may differ from task to task. A convolution is a product of windows with a matrix, so that it has two directions,
units and inputs, as a plain layer has, and can be differentiated any number of times. As in the shared embedding,
normalisation is over groups of each example's own channels, so that no query is told by what it is asked beside.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn

from meta_learners.networks.embedding import BLOCKS, GROUP
from meta_learners.networks.policies import Parameters

__all__ = ["Convolutions"]

WINDOW = 3
KINDS = ("weight", "bias")
LEAST = 1e-5  # added to variances, as PyTorch does


@dataclass(frozen=True)
class Convolutions:
    """The network: `layer0.weight`, `layer0.bias`, `layer0.scale` and `layer0.shift` of the first block, ...

    A weight is (window * channels, filters), the window's places slowest. `scale` and `shift` are what normalised
    channels are multiplied by and moved by. The last layer has a weight and a bias alone.
    """

    shape: tuple[int, ...]  # of an example: (channels, length) or (channels, height, width)
    outputs: int
    width: int = 32  # filters of each block
    # T-net (Lee and Choi 2018, arXiv:1801.05558): a square matrix `transform0`, ... after each layer, at first I.
    transformed: bool = False

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many numbers go in, how many units each layer has, and how many numbers come out."""
        return (math.prod(self.shape), *(self.width,) * BLOCKS, self.outputs)

    def initial(self, generator: torch.Generator) -> Parameters:
        """Draw shared parameters: He-normal weights, no biases, normalisation as it is; the last layer begins at 0.

        So the first inner step tells classes by their mean features, and no task has a drawn leaning to unlearn (Kao et
        al. 2022, arXiv:2106.15367).
        """
        parameters: Parameters = {}
        for number, (inputs, outputs) in enumerate(self._fans):
            scale = math.sqrt(2 / inputs) if number < BLOCKS else 0
            parameters[f"layer{number}.weight"] = scale * torch.randn(inputs, outputs, generator=generator)
            parameters[f"layer{number}.bias"] = torch.zeros(outputs)
            if number < BLOCKS:
                parameters[f"layer{number}.scale"] = torch.ones(outputs)
                parameters[f"layer{number}.shift"] = torch.zeros(outputs)
            if self.transformed:
                parameters[f"transform{number}"] = torch.eye(outputs)
        return parameters

    @property
    def layers(self) -> frozenset[str]:
        """Names of all but the transforms: what T-net adapts."""
        blocks = {f"layer{number}.{kind}" for number in range(BLOCKS) for kind in ("scale", "shift")}
        return frozenset(blocks | {f"layer{number}.{kind}" for number in range(BLOCKS + 1) for kind in KINDS})

    @property
    def last_layer(self) -> frozenset[str]:
        """Names of the last layer's parameters: what ANIL adapts."""
        return frozenset(f"layer{BLOCKS}.{kind}" for kind in KINDS)

    def __call__(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Evaluate flat inputs (M, B, i) by stacked parameters: (M, B, o)."""
        return self.last(parameters, self.features(parameters, inputs))

    def last(self, parameters: Mapping[str, Tensor], features: Tensor) -> Tensor:
        """Evaluate the last layer."""
        return self._layer(parameters, BLOCKS, features)

    def features(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Give what the last layer is given (M, B, f)."""
        # Channels come last, so that the windows of all examples are the rows of one matrix a task.
        signal = inputs.reshape(*inputs.shape[:2], *self.shape).movedim(2, -1)
        for number in range(BLOCKS):
            sides = signal.shape[2:-1]
            told = self._layer(parameters, number, _windows(signal).flatten(1, -2))
            told = told.reshape(*inputs.shape[:2], math.prod(sides), self.width)
            told = _normalised(told, parameters[f"layer{number}.scale"], parameters[f"layer{number}.shift"])
            signal = _pooled(told.reshape(*inputs.shape[:2], *sides, self.width)).relu()
        return signal.flatten(2)

    @property
    def _fans(self) -> list[tuple[int, int]]:
        channels, *sides = self.shape
        window = WINDOW ** len(sides)
        for _ in range(BLOCKS):
            sides = [side // 2 for side in sides] if min(sides) >= 2 else sides
        blocks = [(window * before, self.width) for before in (channels, *(self.width,) * (BLOCKS - 1))]
        return [*blocks, (self.width * math.prod(sides), self.outputs)]

    def _layer(self, parameters: Mapping[str, Tensor], number: int, signal: Tensor) -> Tensor:
        bias, weight = parameters[f"layer{number}.bias"], parameters[f"layer{number}.weight"]
        found = torch.baddbmm(bias[:, None], signal, weight)
        return found @ parameters[f"transform{number}"] if self.transformed else found


def _windows(signal: Tensor) -> Tensor:
    """Lay what a convolution sees about each place behind one another: (M, B, *sides, c) to (M, B, *sides, w * c)."""
    sides = signal.shape[2:-1]
    padded = nn.functional.pad(signal, (0, 0, *(1, 1) * len(sides)))
    views = []
    for offsets in product(range(WINDOW), repeat=len(sides)):
        view = padded
        for axis, (offset, side) in enumerate(zip(offsets, sides, strict=True), start=2):
            view = view.narrow(axis, offset, side)
        views.append(view)
    return torch.cat(views, -1)


def _normalised(signal: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Bring groups of each example's own channels (M, B, places, c) to mean 0 and variance 1; then scale and shift.

    Means of channels are small tensors, of which each channel's own factor and summand come, so that the large one is
    passed over few times.
    """
    width = signal.shape[-1]
    groups = width // GROUP if width % GROUP == 0 else 1

    def of_groups(each: Tensor) -> Tensor:
        of: Tensor = torch.unflatten(each.mean(2), -1, (groups, width // groups)).mean(-1, keepdim=True)
        return of

    mean = of_groups(signal)
    variance = (of_groups(signal.square()) - mean.square()).clamp(min=0)
    factor = (variance + LEAST).rsqrt() * torch.unflatten(scale, -1, (groups, -1))[:, None]
    summand = torch.unflatten(shift, -1, (groups, -1))[:, None] - mean * factor
    return torch.addcmul(summand.flatten(-2)[:, :, None], signal, factor.flatten(-2)[:, :, None])


def _pooled(signal: Tensor) -> Tensor:
    """Take the largest of each two, or of each two by two: (M, B, *sides, c); what is too short stays."""
    axes = range(2, signal.dim() - 1)
    if min(signal.shape[axis] for axis in axes) < 2:
        return signal
    for axis in axes:
        half = signal.shape[axis] // 2
        one, other = torch.unflatten(signal.narrow(axis, 0, 2 * half), axis, (half, 2)).unbind(axis + 1)
        signal = one + (other - one).relu()  # their maximum, whose slopes cost half as much
    return signal
