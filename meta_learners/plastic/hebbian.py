"""Differentiable plasticity: synapses of a fixed and a Hebbian part, both learned (Miconi, Clune and Stanley 2018).

arXiv:1804.02464, section 3. A synapse is w + alpha H. While an example is shown H moves by eta towards the product of
what is before the synapse and what is behind it, which is clamped to the target, as the paper clamps neurons to the
pattern or the label that is shown. w, alpha and eta are learned by gradients through whole tasks; alpha is of each
synapse its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from environments.settings import Bounds
from meta_learners.plastic.learner import PlasticSettings, Shown, kind_of, outer

__all__ = ["LEARNER", "HebbianSettings", "HebbianSynapses", "trace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HebbianSettings(PlasticSettings):
    """How it learns."""

    first_rate: Annotated[float, Bounds(1e-6, 0.999)] = 0.05  # eta, before it is learned


class HebbianSynapses(nn.Module):
    """The synapses; meets `learner.Synapses`."""

    def __init__(self, features: int, outputs: int, settings: HebbianSettings) -> None:
        super().__init__()
        self._passes = settings.passes
        self.fixed = nn.Parameter(0.01 * torch.randn(features, outputs))
        self.plastic = nn.Parameter(0.1 * torch.rand(features, outputs))  # alpha
        self.rate = nn.Parameter(torch.logit(torch.tensor(settings.first_rate)))  # logit of eta
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, shown: Shown) -> Tensor:
        traces = trace(shown, self.rate.sigmoid(), self._passes)
        return shown.query @ (self.fixed + self.plastic * traces) + self.bias


def trace(shown: Shown, rate: Tensor, passes: int = 1) -> Tensor:
    """Show the support, one example after another: H (M, f, o), at first 0."""
    found = torch.zeros_like(outer(shown.support[:, 0], shown.codes[:, 0]))
    for _ in range(passes):
        for place in range(shown.support.shape[1]):
            product = outer(shown.support[:, place], shown.codes[:, place])
            found = torch.where(shown.there[:, place, None, None], found + rate * (product - found), found)
    return found


LEARNER = kind_of(HebbianSynapses, HebbianSettings)
