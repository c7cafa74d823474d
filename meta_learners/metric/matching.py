"""Matching networks: attention over the support's examples (Vinyals et al. 2016, arXiv:1606.04080, equation 1).

This is Nadaraya-Watson regression of the labels, with cosines for a kernel. Cosines lie in [-1, 1], and a softmax of
them is nearly flat, so they are scaled by a factor that is learned with the embedding; without one it learns badly.
The paper's full-context embeddings are left out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from meta_learners.metric.learner import Features, kind_of

__all__ = ["LEARNER", "Matching"]

FIRST_SCALE = 10.0


class Matching(nn.Module):
    """The rule."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(FIRST_SCALE).log())

    def forward(self, features: Features) -> Tensor:
        """Give log probabilities: those of a class are its examples' shares of attention, summed."""
        support, query = (nn.functional.normalize(each, dim=-1) for each in (features.support, features.query))
        scores = self.log_scale.exp() * torch.einsum("mqf,msf->mqs", query, support)
        there = features.labels.sum(-1) > 0  # (M, S)
        attention = scores.masked_fill(~there[:, None], -torch.inf).log_softmax(-1)
        of_class = attention[..., None] + features.labels.log()[:, None]  # (M, Q, S, N); -inf of other classes
        # A class without an example has no share; a finite floor keeps slopes finite.
        floor = torch.finfo(attention.dtype).min / 4
        return of_class.clamp(min=floor).logsumexp(2)


LEARNER = kind_of(lambda shape, settings, ways: Matching())
