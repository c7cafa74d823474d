"""Learning to learn by gradient descent by gradient descent: an LSTM as optimiser (Andrychowicz et al. 2016).

One LSTM of two layers for all parameters, each with a state of its own (arXiv:1606.04474, section 2.1). Its input is
the parameter's slope, as it is or by logarithm and sign (appendix A), its output the change of the parameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from environments.settings import Bounds
from meta_learners.learned_optimisers.learner import Kept, OptimiserSettings, kind_of
from meta_learners.learned_optimisers.optimisee import Optimisee, flat, unflat
from meta_learners.networks.policies import Parameters

__all__ = ["LEARNER", "CoordinatewiseLSTM", "LSTMSettings", "log_and_sign"]

LAYERS = ("first", "second")


@dataclass(frozen=True, slots=True, kw_only=True)
class LSTMSettings(OptimiserSettings):
    """How it learns."""

    units: Annotated[int, Bounds(1, 4096)] = 20  # of each layer
    precision: Annotated[float, Bounds(0, 100)] = 10.0  # p: slopes above e^-p are seen by their logarithm; 0: as is
    scale: Annotated[float, Bounds(1e-6, 1e3)] = 0.1  # of the changes


def log_and_sign(slopes: Tensor, precision: float) -> Tensor:
    """See slopes of all sizes: (...,) to (..., 2), all within [-1, 1] or a little above (appendix A)."""
    size = slopes.abs()
    large = size >= torch.exp(torch.tensor(-precision))
    logs = size.clamp(min=torch.finfo(slopes.dtype).tiny).log() / precision
    return torch.stack(
        [
            torch.where(large, logs, -1.0),
            torch.where(large, slopes.sign(), slopes * torch.exp(torch.tensor(precision))),
        ],
        -1,
    )


class CoordinatewiseLSTM(nn.Module):
    """The rule; meets `learner.Rule`."""

    def __init__(self, optimisee: Optimisee, settings: LSTMSettings) -> None:
        super().__init__()
        self._optimisee, self._settings = optimisee, settings
        self.first = nn.LSTMCell(2 if settings.precision else 1, settings.units)
        self.second = nn.LSTMCell(settings.units, settings.units)
        self.out = nn.Linear(settings.units, 1)

    def start(self, tasks: int, generator: torch.Generator, device: str | torch.device) -> Parameters:
        return self._optimisee.start(tasks, generator, device)

    def begin(self, parameters: Parameters, generator: torch.Generator) -> Kept:
        zeros = flat(parameters)[..., None].expand(-1, -1, self._settings.units) * 0
        return {f"{layer}.{part}": zeros for layer in LAYERS for part in ("hidden", "cell")}

    def step(self, parameters: Parameters, slopes: Parameters, losses: Tensor, kept: Kept) -> tuple[Parameters, Kept]:
        slope, precision = flat(slopes), self._settings.precision
        signal = (log_and_sign(slope, precision) if precision else slope[..., None]).flatten(0, 1)
        after: Kept = {}
        for layer in LAYERS:
            hidden, cell = (kept[f"{layer}.{part}"].flatten(0, 1) for part in ("hidden", "cell"))
            signal, cell = getattr(self, layer)(signal, (hidden, cell))
            after |= {f"{layer}.hidden": signal, f"{layer}.cell": cell}
        after = {name: each.reshape(*slope.shape, -1) for name, each in after.items()}
        change = self._settings.scale * self.out(signal).reshape(slope.shape)
        return unflat(flat(parameters) + change, parameters), after


LEARNER = kind_of(CoordinatewiseLSTM, LSTMSettings)
