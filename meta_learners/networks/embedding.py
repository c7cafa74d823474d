"""The embedding that metric learners share: four blocks of convolution, normalisation, ReLU and pooling.

After Snell et al. 2017 (arXiv:1703.05175, section 3.1), for images and for curves; for plain numbers two layers of
units. Normalisation is over groups of each example's own channels (Wu and He 2018, arXiv:1803.08494) where the paper
has batches: with those an example's place would depend on what it is asked beside, and the test set would be read.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["Embedding", "seeded"]

BLOCKS = 4
POOLED = 2  # of them, where maps are given
GROUP = 8  # channels that are normalised together


class Embedding(nn.Module):
    """Maps examples (..., *shape) to features.

    Args:
        shape: of an example: (numbers,), (channels, length) or (channels, height, width).
        width: filters of each block, or units.
        maps: gives the last block's maps (..., width, *rest) instead of all their numbers in a row, and pools after the
            first two blocks alone, so that something is left to compare place by place.
    """

    def __init__(self, shape: tuple[int, ...], width: int, *, maps: bool = False) -> None:
        super().__init__()
        self.shape, self._maps = shape, maps
        layers: list[nn.Module] = []
        if len(shape) == 1:
            layers += [nn.Linear(shape[0], width), nn.ReLU(), nn.Linear(width, width)]
            self.map_shape: tuple[int, ...] = (width,)
        else:
            channels, sides = shape[0], list(shape[1:])
            for number in range(BLOCKS):
                added, sides = pooled_block(channels, width, sides, pooled=number < POOLED or not maps)
                layers += added
                channels = width
            self.map_shape = (width, *sides)
        self._layers = nn.Sequential(*layers)

    @property
    def size(self) -> int:
        """How many features an example has."""
        return math.prod(self.map_shape)

    def forward(self, inputs: Tensor) -> Tensor:
        """Embed."""
        leading = inputs.shape[: inputs.dim() - len(self.shape)]
        flat = inputs.reshape(-1, *self.shape)
        if len(self.shape) == 3 and flat.device.type == "cpu":
            # All layers are a third faster with a pixel's channels side by side. Only the strides tell, even of one
            # channel, so they are written anew.
            flat = flat.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format).permute(0, 3, 1, 2)
        found: Tensor = self._layers(flat)
        return found.reshape(*leading, *(self.map_shape if self._maps else (self.size,)))

    def standardised(self, inputs: Tensor) -> Tensor:
        """Embed, to features of mean 0 and variance 1 over each example's own.

        What all examples have in common, and how large they are, would drown what tells them apart.
        """
        found: Tensor = self(inputs)
        return nn.functional.layer_norm(found, found.shape[-1:])


def block(channels: int, width: int, dimensions: int) -> list[nn.Module]:
    """Give a convolution of three, normalised, with ReLU; in one dimension or two."""
    kind = nn.Conv1d if dimensions == 1 else nn.Conv2d
    groups = max(width // GROUP, 1)
    return [kind(channels, width, 3, padding=1), nn.GroupNorm(groups if width % groups == 0 else 1, width), nn.ReLU()]


def pooled_block(
    channels: int, width: int, sides: list[int], *, pooled: bool = True
) -> tuple[list[nn.Module], list[int]]:
    """Give a block that pools maps which are not too short, and the sides of what it gives."""
    *before, bend = block(channels, width, len(sides))
    if not pooled or min(sides) < 2:
        return [*before, bend], sides
    # The largest of four bends as each would, and there are a quarter as many to bend.
    return [*before, pool(len(sides)), bend], [side // 2 for side in sides]


def pool(dimensions: int) -> nn.Module:
    """Give the largest of each two, or of each two by two."""
    return nn.MaxPool1d(2) if dimensions == 1 else nn.MaxPool2d(2)


class seeded:  # noqa: N801, a context manager
    """Within it PyTorch's own generator on the CPU is one seed's; after it, it is as it was. For initial weights."""

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator

    def __enter__(self) -> None:
        self._kept = torch.get_rng_state()
        torch.set_rng_state(self._generator.get_state())

    def __exit__(self, *_: object) -> None:
        torch.set_rng_state(self._kept)
