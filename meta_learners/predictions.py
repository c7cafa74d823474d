"""What few-shot learners say of queries, as distributions, and how well that was said.

Classes are judged by accuracy and log loss; numbers by the mean square error and, where deviations are told, by log
loss and by how often the central 90 % interval holds the target, which should be .9.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Logits", "Numbers", "Prediction", "judge"]

LEVEL = 0.9  # of the intervals whose coverage is measured


@dataclass(frozen=True, slots=True)
class Logits:
    """Classes, by unnormalised log probabilities."""

    logits: Tensor  # (M, Q, N)

    @property
    def sizes(self) -> tuple[int, ...]:
        """(M, Q, N)."""
        return tuple(self.logits.shape)

    @property
    def device(self) -> torch.device:
        """Where it was computed."""
        return self.logits.device

    def log_probability(self, targets: Tensor) -> Tensor:
        """Of classes (M, Q): (M, Q)."""
        return self.logits.log_softmax(-1).gather(-1, targets[..., None])[..., 0]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers, by a mixture of S normal distributions: one, or one for each function that was drawn or weighed."""

    means: Tensor  # (S, M, Q, o)
    deviations: Tensor | None = None  # the same shape, above 0; None where the learner tells none
    log_weights: Tensor | None = None  # (S, M), of which each task's weights sum to 1; None: all weigh the same

    @staticmethod
    def of(mean: Tensor, deviation: Tensor | None = None) -> Numbers:
        """Take one normal distribution: mean and deviation (M, Q, o)."""
        return Numbers(mean[None], None if deviation is None else deviation[None])

    @property
    def sizes(self) -> tuple[int, ...]:
        """(M, Q, o)."""
        return tuple(self.means.shape[1:])

    @property
    def device(self) -> torch.device:
        """Where it was computed."""
        return self.means.device

    @property
    def mean(self) -> Tensor:
        """(M, Q, o)."""
        return self._weighed(self.means)

    def log_probability(self, targets: Tensor) -> Tensor | None:
        """Of targets (M, Q, o), summed over o: (M, Q); None where no deviations are told."""
        if self.deviations is None:
            return None
        scaled = (targets - self.means) / self.deviations
        each = -0.5 * scaled.square() - self.deviations.log() - 0.5 * math.log(2 * math.pi)
        weights = -math.log(len(self.means)) if self.log_weights is None else self.log_weights[..., None]
        told: Tensor = (each.sum(-1) + weights).logsumexp(0)
        return told

    def covers(self, targets: Tensor, level: float = LEVEL) -> Tensor | None:
        """Tell where the central interval of a level holds the targets (M, Q, o), as 0 and 1; None likewise."""
        if self.deviations is None:
            return None
        below = self._weighed(torch.special.ndtr((targets - self.means) / self.deviations))
        inside: Tensor = (below - 0.5).abs() <= level / 2
        return inside.to(targets.dtype)

    def _weighed(self, each: Tensor) -> Tensor:
        """Take the mean over the mixture (S, M, Q, o): (M, Q, o)."""
        if self.log_weights is None:
            return each.mean(0)
        return (self.log_weights.exp()[..., None, None] * each).sum(0)


Prediction = Logits | Numbers


def judge(prediction: Prediction, targets: Tensor, present: Tensor) -> dict[str, Tensor]:
    """Measure a prediction.

    Args:
        prediction: of Q queries of M tasks.
        targets: their true ones.
        present: which queries count (M, Q).

    Returns:
        Figures (M,) by name, means over each task's queries: accuracy and log_loss, or error, log_loss and coverage.
    """
    weights = present / present.sum(1, keepdim=True).clamp(min=1)
    if isinstance(prediction, Logits):
        found: dict[str, Tensor | None] = {
            "accuracy": (prediction.logits.argmax(-1) == targets).to(prediction.logits.dtype),
            "log_loss": -prediction.log_probability(targets),
        }
    else:
        told, covered = prediction.log_probability(targets), prediction.covers(targets)
        found = {
            "error": (prediction.mean - targets).square().mean(-1),
            "log_loss": None if told is None else -told / targets.shape[-1],
            "coverage": None if covered is None else covered.mean(-1),
        }
    # Where a query is not there its figure may be anything, even not finite.
    return {name: (torch.where(present, each, 0) * weights).sum(1) for name, each in found.items() if each is not None}
