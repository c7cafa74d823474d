"""Learned optimizers that scale and generalize: recurrent units at three levels (Wichrowska et al. 2017).

arXiv:1703.04813, section 3. There is a small unit for each parameter, one for each tensor, which sees the mean of its
parameters' states, and one for all, which sees the mean of the tensors'. A unit's state enters the gates of those below
as a bias. A parameter's unit sees running means of its slope over several times, each divided by its own size, so that
the scale of the loss does not matter; and it tells a direction, how its rate changes, and over which times to take the
means. A tensor's direction is scaled to root mean square 1 before the parameters' rates multiply it. Two things differ
from the paper: a direction is what is told and the mean of the scaled means, so that an untaught rule descends; and
where the slope is taken is not told, so it is where the parameters are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from environments.settings import Bounds
from meta_learners.learned_optimisers.learner import Kept, OptimiserSettings, kind_of
from meta_learners.learned_optimisers.optimisee import Optimisee, flat, unflat
from meta_learners.networks.policies import Parameters

__all__ = ["LEARNER", "HierarchicalSettings", "HierarchicalUnits"]

LEAST = 1e-20  # of squares that are divided by
FIRST_DECAY = 2.0  # the logit of the fastest mean's decay, before anything is learned
TOLD = 4  # numbers that a parameter's unit tells: direction, change of the rate, two decays


@dataclass(frozen=True, slots=True, kw_only=True)
class HierarchicalSettings(OptimiserSettings):
    """How it learns."""

    levels: tuple[int, ...] = (10, 20, 20)  # units of a parameter, a tensor and all
    objective: str = "log"
    step_size: Annotated[float, Bounds(0, 1)] = 1e-2
    times: Annotated[int, Bounds(1, 16)] = 4  # running means of the slope; each twice as slow as the one before
    slowest: Annotated[float, Bounds(1e-12, 1e3)] = 1e-3  # the least rate that a task begins with
    fastest: Annotated[float, Bounds(1e-12, 1e3)] = 1e-1  # the largest; drawn between them, evenly by the logarithm

    def __post_init__(self) -> None:
        OptimiserSettings.__post_init__(self)
        if len(self.levels) != 3 or not all(1 <= units <= 4096 for units in self.levels):
            raise ValueError(f"levels is {list(self.levels)}; it must be three numbers in [1, 4096]")
        if self.slowest > self.fastest:
            raise ValueError(f"slowest is {self.slowest}; it must be at most fastest, {self.fastest}")


class Unit(nn.Module):
    """A gated recurrent unit whose gates have a bias from outside."""

    def __init__(self, inputs: int, units: int, above: int) -> None:
        super().__init__()
        self._read = nn.Linear(inputs, 3 * units)
        self._remember = nn.Linear(units, 3 * units)
        self._above = nn.Linear(above, 3 * units, bias=False) if above else None

    def forward(self, inputs: Tensor, before: Tensor, above: Tensor | None = None, of: Tensor | None = None) -> Tensor:
        """Give the next state; `of` names, for each of these units, its unit above."""
        read = self._read(inputs)
        if self._above is not None and above is not None:
            bias = self._above(above)
            read = read + (bias if of is None else bias[:, of])
        keep, reset, fresh = read.chunk(3, -1)
        kept, again, old = self._remember(before).chunk(3, -1)
        gate = (keep + kept).sigmoid()
        found: Tensor = gate * before + (1 - gate) * (fresh + (reset + again).sigmoid() * old).tanh()
        return found


class HierarchicalUnits(nn.Module):
    """The rule; meets `learner.Rule`."""

    def __init__(self, optimisee: Optimisee, settings: HierarchicalSettings) -> None:
        super().__init__()
        self._optimisee, self._settings = optimisee, settings
        parameter, tensor, whole = settings.levels
        self.parameter = Unit(2 * settings.times + 1, parameter, tensor)
        self.tensor = Unit(parameter, tensor, whole)
        self.whole = Unit(tensor, whole, 0)
        self.tell = nn.Linear(parameter, TOLD)
        self.inertia = nn.Parameter(torch.tensor(2.0))  # logit: how slowly the rate follows what is told

    def start(self, tasks: int, generator: torch.Generator, device: str | torch.device) -> Parameters:
        return self._optimisee.start(tasks, generator, device)

    def begin(self, parameters: Parameters, generator: torch.Generator) -> Kept:
        zeros, settings = torch.zeros_like(flat(parameters).detach()), self._settings
        parameter, tensor, whole = settings.levels
        ends = math.log(settings.slowest), math.log(settings.fastest)
        drawn = ends[0] + (ends[1] - ends[0]) * torch.rand(len(zeros), 1, generator=generator).to(zeros)
        many = zeros[..., None].expand(-1, -1, settings.times)
        return {
            "parameter": zeros[..., None].expand(-1, -1, parameter),
            "tensor": zeros.new_zeros(len(zeros), len(parameters), tensor),
            "whole": zeros.new_zeros(len(zeros), 1, whole),
            "means": many,
            "squares": many,
            "decays": torch.full_like(zeros, FIRST_DECAY)[..., None].expand(-1, -1, 2),  # logits
            "rate": drawn.expand_as(zeros),  # logarithms, as told last, and their running mean
            "usual": drawn.expand_as(zeros),
        }

    def step(self, parameters: Parameters, slopes: Parameters, losses: Tensor, kept: Kept) -> tuple[Parameters, Kept]:
        slope = flat(slopes)[..., None]
        decays = kept["decays"].sigmoid()[..., None] ** (0.5 ** torch.arange(self._settings.times, device=slope.device))
        means = decays[..., 0, :] * kept["means"] + (1 - decays[..., 0, :]) * slope
        squares = decays[..., 1, :] * kept["squares"] + (1 - decays[..., 1, :]) * means.square()
        sizes = (squares + LEAST).log()
        relative = kept["rate"] - kept["rate"].mean(1, keepdim=True)
        scaled = means * (-0.5 * sizes).exp()
        seen = torch.cat([scaled, sizes - sizes.mean(-1, keepdim=True), relative[..., None]], -1)
        of = _tensors(parameters)
        state = self.parameter(seen, kept["parameter"], kept["tensor"], of)
        tensor = self.tensor(_means(state, of, len(parameters)), kept["tensor"], kept["whole"])
        whole = self.whole(tensor.mean(1, keepdim=True), kept["whole"])
        told, change, *logits = self.tell(state).unbind(-1)
        direction = scaled.mean(-1) + told
        rate = kept["usual"] + change
        inertia = self.inertia.sigmoid()
        size = _means(direction.square()[..., None], of, len(parameters))[:, of, 0]
        moved = flat(parameters) - rate.exp() * direction * (size + LEAST).rsqrt()
        after = {
            "parameter": state,
            "tensor": tensor,
            "whole": whole,
            "means": means,
            "squares": squares,
            "decays": FIRST_DECAY + torch.stack(logits, -1),
            "rate": rate,
            "usual": inertia * kept["usual"] + (1 - inertia) * rate,
        }
        return unflat(moved, parameters), after


def _tensors(parameters: Parameters) -> Tensor:
    """Say of each parameter of a task in which tensor it lies (P,)."""
    sizes = torch.tensor([each[0].numel() for each in parameters.values()])
    of = torch.arange(len(sizes)).repeat_interleave(sizes)
    return of.to(next(iter(parameters.values())).device)


def _means(values: Tensor, of: Tensor, tensors: int) -> Tensor:
    """Take means over each tensor's parameters: (M, P, u) to (M, T, u)."""
    share = torch.nn.functional.one_hot(of, tensors).to(values)
    return torch.einsum("mpu,pt->mtu", values, share / share.sum(0))


LEARNER = kind_of(HierarchicalUnits, HierarchicalSettings)
