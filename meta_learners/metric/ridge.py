"""Ridge regression as the last layer, solved in closed form and differentiated through.

MetaOptNet's ridge head (Lee et al. 2019, arXiv:1904.03758; first in Bertinetto et al. 2019, arXiv:1805.08136): labels
of 0 and 1 are regressed on the features of the support. The dual solution is a system of as many equations as there
are examples: alpha = (K + lambda I)^-1 Y, and what it predicts of a query is its products with the examples, times
alpha. The authors' code solves a quadratic programme that gives twice that; the learned scale takes up the factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from environments.settings import Bounds
from meta_learners.metric.learner import Features, MetricSettings, kind_of

__all__ = ["LEARNER", "Ridge", "RidgeSettings", "ridge"]

FIRST_SCALE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RidgeSettings(MetricSettings):
    """How it learns."""

    penalty: Annotated[float, Bounds(1e-6, 1e6)] = 50.0  # lambda


def ridge(features: Features, penalty: float) -> Tensor:
    """Regress the labels on the features, and predict the queries (M, Q, N)."""
    support = features.support * (features.labels.sum(-1, keepdim=True) > 0)
    kernel = support @ support.transpose(1, 2)
    identity = torch.eye(kernel.shape[1], dtype=kernel.dtype, device=kernel.device)
    alpha = torch.linalg.solve(kernel + penalty * identity, features.labels)
    found: Tensor = features.query @ support.transpose(1, 2) @ alpha
    return found


class Ridge(nn.Module):
    """The rule."""

    def __init__(self, penalty: float) -> None:
        super().__init__()
        self._penalty = penalty
        self.log_scale = nn.Parameter(torch.tensor(FIRST_SCALE).log())

    def forward(self, features: Features) -> Tensor:
        """Give logits: predictions, scaled."""
        return self.log_scale.exp() * ridge(features, self._penalty)


LEARNER = kind_of(lambda shape, settings, ways: Ridge(settings.penalty), of=RidgeSettings)
