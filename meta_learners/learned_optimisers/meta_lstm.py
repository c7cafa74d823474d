"""Optimization as a model for few-shot learning: an LSTM whose cell is the parameters (Ravi and Larochelle 2017).

ICLR 2017, section 3.1 (openreview.net/forum?id=rJY0-Kcll). A parameter becomes f times itself minus i times its slope;
the gates f and i are told by the slope, the loss, the parameter and the gate of the step before, after its sigmoid. The
parameters at the beginning are learned too. With f = 1 and i = a it is gradient descent of rate a. What is descended
is the loss of the queries after the last step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from environments.settings import Bounds
from meta_learners.learned_optimisers.coordinatewise import log_and_sign
from meta_learners.learned_optimisers.learner import Kept, OptimiserSettings, kind_of
from meta_learners.learned_optimisers.optimisee import Optimisee, flat, unflat
from meta_learners.networks.policies import Parameters, stack

__all__ = ["LEARNER", "MetaLSTM", "MetaLSTMSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaLSTMSettings(OptimiserSettings):
    """How it learns."""

    hidden: tuple[int, ...] = (40,)
    objective: str = "query"
    steps: Annotated[int, Bounds(1, 100_000)] = 8
    window: Annotated[int, Bounds(1, 100_000)] = 8  # the whole of a task, for what counts is where it ends
    step_size: Annotated[float, Bounds(0, 1)] = 1e-3
    largest_norm: Annotated[float, Bounds(1e-6, 1e6)] = 0.25
    units: Annotated[int, Bounds(1, 4096)] = 20  # of the layer that reads slope and loss
    precision: Annotated[float, Bounds(1e-3, 100)] = 10.0  # p, as of the LSTM optimiser
    first_rate: Annotated[float, Bounds(1e-6, 0.999)] = 0.01  # of the gate i, at first

    def __post_init__(self) -> None:
        OptimiserSettings.__post_init__(self)
        if self.window < self.steps:
            raise ValueError(f"window is {self.window}; it must be {self.steps}, the steps, or more")


class MetaLSTM(nn.Module):
    """The rule; meets `learner.Rule`."""

    def __init__(self, optimisee: Optimisee, settings: MetaLSTMSettings) -> None:
        super().__init__()
        self._settings = settings
        self.first = nn.LSTMCell(4, settings.units)
        self.forget = nn.Linear(settings.units + 2, 1)
        self.take = nn.Linear(settings.units + 2, 1)
        nn.init.uniform_(self.forget.bias, 4, 6)
        nn.init.constant_(self.take.bias, math.log(settings.first_rate / (1 - settings.first_rate)))
        for gate in (self.forget, self.take):
            nn.init.uniform_(gate.weight, -0.01, 0.01)
        drawn = optimisee.shared(torch.Generator().manual_seed(int(torch.randint(2**31, ()))))
        self._names = list(drawn)
        self.cell = nn.ParameterList([nn.Parameter(each) for each in drawn.values()])

    def start(self, tasks: int, generator: torch.Generator, device: str | torch.device) -> Parameters:
        return stack(dict(zip(self._names, self.cell, strict=True)), tasks)

    def begin(self, parameters: Parameters, generator: torch.Generator) -> Kept:
        zeros = torch.zeros_like(flat(parameters).detach())
        states = zeros[..., None].expand(-1, -1, self._settings.units)
        # Before the first step the gates are as if all had been kept and nothing taken.
        return {"hidden": states, "cell": states, "forget": torch.ones_like(zeros), "take": zeros}

    def step(self, parameters: Parameters, slopes: Parameters, losses: Tensor, kept: Kept) -> tuple[Parameters, Kept]:
        slope, here, precision = flat(slopes), flat(parameters), self._settings.precision
        loss = log_and_sign(losses, precision)[:, None].expand(-1, slope.shape[1], -1)
        seen = torch.cat([log_and_sign(slope, precision), loss], -1).flatten(0, 1)
        before = kept["hidden"].flatten(0, 1), kept["cell"].flatten(0, 1)
        hidden, cell = (each.reshape(*slope.shape, -1) for each in self.first(seen, before))
        told = torch.cat([hidden, here[..., None]], -1)
        forget, take = (
            gate(torch.cat([told, kept[name][..., None]], -1)).sigmoid()[..., 0]
            for name, gate in (("forget", self.forget), ("take", self.take))
        )
        after = {"hidden": hidden, "cell": cell, "forget": forget, "take": take}
        return unflat(forget * here - take * slope, parameters), after


LEARNER = kind_of(MetaLSTM, MetaLSTMSettings)
