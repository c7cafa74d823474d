"""Prototypical networks: a class is the mean of its embedded examples (Snell et al. 2017, arXiv:1703.05175)."""

from __future__ import annotations

import torch
from torch import Tensor

from meta_learners.metric.learner import Features, kind_of

__all__ = ["LEARNER", "prototypes", "prototypical"]


def prototypes(features: Features) -> Tensor:
    """Give each class's mean (M, N, f)."""
    sums = torch.einsum("msn,msf->mnf", features.labels, features.support)
    return sums / features.labels.sum(1).clamp(min=1)[..., None]


def prototypical(features: Features) -> Tensor:
    """Give minus the squared distances to the prototypes, equation 2.

    Without what all classes share this is the linear classifier of weights 2 c and biases -c·c, equation 8.
    """
    centres = prototypes(features)
    products = torch.einsum("mqf,mnf->mqn", features.query, centres)
    return 2 * products - centres.square().sum(-1)[:, None] - features.query.square().sum(-1, keepdim=True)


LEARNER = kind_of(lambda shape, settings, ways: prototypical)
