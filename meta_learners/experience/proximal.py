"""What every user of proximal policy optimisation shares (Schulman et al. 2017, arXiv:1707.06347): loss and batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor


def clipped_surrogate(log_ratio: Tensor, gains: Tensor, clip: float) -> Tensor:
    """Give the smaller of r A and clip(r, 1 - clip, 1 + clip) A of every step, r = exp(log_ratio); all of one shape."""
    ratio = log_ratio.exp()
    return torch.minimum(ratio * gains, ratio.clamp(1 - clip, 1 + clip) * gains)


def minibatches(
    count: int, epochs: int, batches: int, generator: torch.Generator, device: torch.device
) -> Iterator[Tensor]:
    """Shuffle `count` rows anew for each epoch, and give them in so many parts, or fewer: indices, on the device."""
    for _ in range(epochs):
        yield from torch.randperm(count, generator=generator).to(device).chunk(batches)


def kept_rows(data: Mapping[str, Tensor], kept: Tensor, axis: int) -> dict[str, Tensor]:
    """Keep the rows of an axis where `kept` (n,) is true, of all tensors; the device is asked once which those are."""
    rows = kept.nonzero()[:, 0]
    return {name: each.index_select(axis, rows) for name, each in data.items()}


def all_finite(tensors: Iterable[Tensor]) -> Tensor:
    """Say whether all numbers are finite, () bool, without asking the device tensor by tensor."""
    return torch.stack([each.isfinite().all() for each in tensors]).all()


def standardised(gains: Tensor, weights: Tensor) -> Tensor:
    """Give gains (M, B) a mean of 0 and a deviation of 1 within each task, under weights (M, B) that need no sum."""
    count = weights.sum(1, keepdim=True).clamp(min=1)
    mean = (gains * weights).sum(1, keepdim=True) / count
    deviation = (((gains - mean).square() * weights).sum(1, keepdim=True) / count).sqrt()
    return (gains - mean) / (deviation + 1e-8)
