"""The modified Hausdorff distance between drawings (Dubuisson and Jain 1994), Omniglot's published anchor.

Every drawing is its inked pixels, moved so that their mean is the origin; the distance is the larger of the two mean
distances from one's pixels to the nearest of the other's.
"""

from __future__ import annotations

import torch
from torch import Tensor

from meta_learners.episodes import TaskBatch, one_hot
from meta_learners.predictions import Logits

__all__ = ["modified_hausdorff"]

INK = 0.5  # from here on a pixel is inked


def modified_hausdorff(batch: TaskBatch) -> Logits:
    """Sort each query (M, Q, 1, h, w) with the nearest support example of each class; nearer is likelier."""
    assert batch.ways is not None
    known, known_there = _pixels(batch.support.inputs)
    asked, asked_there = _pixels(batch.query.inputs)
    logits = []
    for task in range(batch.tasks):  # a task's pairs at a time: all at once would take gigabytes
        gaps = torch.stack(
            [
                _distances(point, there, known[task], known_there[task])
                for point, there in zip(asked[task], asked_there[task], strict=True)
            ]
        )
        allowed = one_hot(batch.support, batch.ways)[task].bool()  # (S, N)
        nearest = gaps[:, :, None].masked_fill(~allowed[None], torch.inf).amin(1)
        logits.append(-nearest)
    return Logits(torch.stack(logits))


def _distances(points: Tensor, there: Tensor, others: Tensor, others_there: Tensor) -> Tensor:
    """From one drawing's pixels (P, 2) to those of S others (S, P, 2): (S,)."""
    gaps = torch.cdist(points[there][None], others)  # (S, p, P)
    forth = gaps.masked_fill(~others_there[:, None], torch.inf).amin(2).mean(1)
    back = gaps.amin(1).masked_fill(~others_there, 0).sum(1) / others_there.sum(1).clamp(min=1)
    return torch.maximum(forth, back)


def _pixels(images: Tensor) -> tuple[Tensor, Tensor]:
    """Give the inked pixels' places about their mean, (M, K, P, 2), and which of them there are (M, K, P)."""
    inked = images[:, :, 0] >= INK
    size = int(inked.sum((2, 3)).max().clamp(min=1))
    flat = inked.flatten(2)
    order = flat.to(torch.uint8).argsort(dim=2, descending=True, stable=True)[..., :size]
    there = flat.gather(2, order)
    places = torch.stack([order // inked.shape[3], order % inked.shape[3]], -1).to(images.dtype)
    middle = (places * there[..., None]).sum(2, keepdim=True) / there.sum(2)[..., None, None].clamp(min=1)
    return places - middle, there
