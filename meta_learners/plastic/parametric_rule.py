"""A parametric rule of learning, whose few parameters all synapses share (Bengio, Bengio, Cloutier and Gecsei 1995).

"On the optimization of a synaptic learning rule", after Bengio, Bengio and Cloutier 1991. When an example is shown a
synapse changes by a weighted sum of terms of what is there: what comes in, what goes out, a modulator, which is here
the error of the output, and the synapse itself. The weights are learned by gradients through whole tasks. The sum holds
rules that are known: a weight on input times modulator is the delta rule (Widrow and Hoff 1960); one on input times
output, and minus that on output² times synapse, Oja's (1982).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from environments.settings import Bounds
from meta_learners.plastic.learner import PlasticSettings, Shown, kind_of, outer

__all__ = ["LEARNER", "TERMS", "ParametricRule", "RuleSettings", "change"]

TERMS = (
    "one",
    "input",
    "output",
    "modulator",
    "input output",
    "input modulator",
    "synapse",
    "input synapse",
    "output output synapse",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSettings(PlasticSettings):
    """How it learns."""

    passes: Annotated[int, Bounds(1, 10_000)] = 3


def change(weights: Mapping[str, Tensor], before: Tensor, after: Tensor, modulator: Tensor, synapses: Tensor) -> Tensor:
    """Say how synapses change.

    Args:
        weights: of each term, scalars.
        before: what comes in (M, f).
        after: what goes out (M, o).
        modulator: of the outputs (M, o).
        synapses: (M, f, o).

    Returns:
        (M, f, o).
    """
    come, gone, told = before[:, :, None], after[:, None, :], modulator[:, None, :]
    # Terms that share a factor are taken together, so that few tensors of the synapses' size are made.
    outputs = weights["one"] + weights["output"] * gone + weights["modulator"] * told
    inputs = weights["input"] + weights["input output"] * gone + weights["input modulator"] * told
    own = weights["synapse"] + weights["input synapse"] * come + weights["output output synapse"] * gone.square()
    return outputs + come * inputs + own * synapses


class ParametricRule(nn.Module):
    """The synapses, which begin at 0, and their rule; meets `learner.Synapses`."""

    def __init__(self, features: int, outputs: int, settings: RuleSettings) -> None:
        super().__init__()
        self._passes = settings.passes
        self.weights = nn.ParameterDict({name.replace(" ", "_"): nn.Parameter(torch.zeros(())) for name in TERMS})

    def forward(self, shown: Shown) -> Tensor:
        weights = {name: self.weights[name.replace(" ", "_")] for name in TERMS}
        synapses = torch.zeros_like(outer(shown.support[:, 0], shown.codes[:, 0]))
        for _ in range(self._passes):
            for place in range(shown.support.shape[1]):
                come = shown.support[:, place]
                gone = (come[:, None] @ synapses)[:, 0]
                gone = gone.softmax(-1) if shown.sorts else gone
                moved = synapses + change(weights, come, gone, shown.codes[:, place] - gone, synapses)
                synapses = torch.where(shown.there[:, place, None, None], moved, synapses)
        return shown.query @ synapses


LEARNER = kind_of(ParametricRule, RuleSettings)
