"""Drawings as other hands might have made them: turned, sheared, scaled and moved a little, each by its own draw."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["LARGEST_SCALE", "LARGEST_SHEAR", "LARGEST_SHIFT", "LARGEST_TURN", "maps_of", "warped"]

LARGEST_TURN = math.radians(15)
LARGEST_SHEAR = math.radians(10)
LARGEST_SCALE = 0.2  # of the logarithm, along each side
LARGEST_SHIFT = 0.15  # of half a side


def maps_of(count: int, amount: float, generator: torch.Generator) -> Tensor:
    """Draw affine maps (count, 2, 3) from places in the new drawing to places in the old, sides being [-1, 1].

    Args:
        count: how many.
        amount: 0 leaves drawings as they are, 1 draws from all that the largest values allow, evenly.
        generator: draws.
    """
    turn, shear, wide, high, right, down = (amount * (2 * torch.rand(6, count, generator=generator) - 1)).unbind()
    cosine, sine = (LARGEST_TURN * turn).cos(), (LARGEST_TURN * turn).sin()
    slant, wide, high = (LARGEST_SHEAR * shear).tan(), (LARGEST_SCALE * wide).exp(), (LARGEST_SCALE * high).exp()
    rows = [wide * cosine, high * (slant * cosine - sine), LARGEST_SHIFT * right]
    rows += [wide * sine, high * (slant * sine + cosine), LARGEST_SHIFT * down]
    return torch.stack(rows, 1).reshape(count, 2, 3)


def warped(drawings: Tensor, maps: Tensor) -> Tensor:
    """Warp drawings (P, h, w) by maps (P, 2, 3), between pixels linearly; what comes from outside is 0, paper."""
    places = functional.affine_grid(maps, [len(drawings), 1, *drawings.shape[1:]], align_corners=False)
    return functional.grid_sample(drawings[:, None], places, align_corners=False)[:, 0]
