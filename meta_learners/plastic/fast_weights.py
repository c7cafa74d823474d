"""Fast weights: a slow network writes into the weights of a fast one while examples are shown.

| name | rule | source |
|---|---|---|
| fast-weights | a recurrent network's weights also hold a fading sum of its states' products | Ba et al. 2016 |
| fast-weight-programmer | the slow network tells keys and values of examples; products add up | Schmidhuber 1992 |

Ba et al.: arXiv:1610.06258, equations 1 and 2, with layer normalisation. Schmidhuber: Neural Computation 4(1). The
latter's sum, read by a query, is linear attention without normalisation (Schlag et al. 2021, arXiv:2102.11174).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from environments.settings import Bounds
from meta_learners.learner import FewShotKind
from meta_learners.plastic.learner import PlasticSettings, Shown, kind_of, outer

__all__ = ["LEARNER", "PROGRAMMER", "FastSettings", "FastWeights", "Programmer", "ProgrammerSettings", "written"]


LABEL = 8.0  # how much of a code a unit takes that holds nothing else
ALIVE = 0.5  # added to such units: where they are 0 for all queries they are never learned again


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammerSettings(PlasticSettings):
    """How the programmer learns."""

    units: Annotated[int, Bounds(1, 4096)] = 64  # of keys, or of the recurrent network


@dataclass(frozen=True, slots=True, kw_only=True)
class FastSettings(ProgrammerSettings):
    """How the recurrent network learns."""

    decay: Annotated[float, Bounds(0, 1)] = 0.95  # lambda, of the fast weights at each example
    # A state's square is about half its units: with the paper's .5 what is recalled is so many
    # times a state itself that all states become the first one, and tell no example from another.
    rate: Annotated[float, Bounds(0, 100)] = 0.005  # eta, of what is added
    settle: Annotated[int, Bounds(0, 100)] = 1  # S, how often a state is read back through the fast weights


def written(keys: Tensor, values: Tensor, there: Tensor, decay: float = 1.0) -> Tensor:
    """Add up products of keys (M, S, k) and values (M, S, v), one after another, as the sum fades: (M, k, v)."""
    found = torch.zeros_like(outer(keys[:, 0], values[:, 0]))
    for place in range(keys.shape[1]):
        after = decay * found + outer(keys[:, place], values[:, place])
        found = torch.where(there[:, place, None, None], after, found)
    return found


class Programmer(nn.Module):
    """Schmidhuber's; meets `learner.Synapses`. The order of the examples makes no difference."""

    def __init__(self, features: int, outputs: int, settings: ProgrammerSettings) -> None:
        super().__init__()
        self._scale = settings.passes / settings.units
        self.key = nn.Linear(features, settings.units)
        self.value = nn.Linear(features + outputs, outputs)
        nn.init.zeros_(self.value.weight)

    def forward(self, shown: Shown) -> Tensor:
        # At first a value is the code itself, and the network learns what to add.
        values = shown.codes + self.value(torch.cat([shown.support, shown.codes], -1))
        fast = written(self.key(shown.support), values, shown.there)
        told: Tensor = self._scale * self.key(shown.query) @ fast
        return told


class FastWeights(nn.Module):
    """Ba et al.'s; meets `learner.Synapses`.

    Where it sorts, it begins with labels apart, and still tells nothing until it has learned: some units hold the
    code of an example alone, all others its features, and outputs are what those units hold once a query's features
    have been read back.
    """

    def __init__(self, features: int, outputs: int, settings: FastSettings) -> None:
        super().__init__()
        self._settings = settings
        self.read = nn.Linear(features + outputs, settings.units)  # C, of an example and its code; 0 of a query's
        with torch.no_grad():
            self.read.weight[:, features:] *= math.sqrt(features)  # so that a code counts as all the features do
        self.slow = nn.Parameter(0.05 * torch.eye(settings.units))  # W
        self.normal = nn.LayerNorm(settings.units)
        self.out = nn.Linear(settings.units, outputs)

    @classmethod
    def sorting(cls, features: int, outputs: int, settings: FastSettings) -> FastWeights:
        """Make one for classes."""
        made = cls(features, outputs, settings)
        if outputs < settings.units:
            with torch.no_grad():
                made._recall(features, outputs)
        return made

    def _recall(self, features: int, outputs: int) -> None:
        self.read.weight[:outputs] = nn.functional.pad(LABEL * torch.eye(outputs), (features, 0))
        self.read.weight[outputs:, features:] = 0
        self.read.bias.zero_()
        self.normal.bias[:outputs] = ALIVE
        self.out.weight.zero_()
        self.out.weight[:, :outputs] = torch.eye(outputs)
        self.out.bias.zero_()

    def forward(self, shown: Shown) -> Tensor:
        settings = self._settings
        inputs = self.read(torch.cat([shown.support, shown.codes], -1))
        state = torch.zeros_like(inputs[:, 0])
        fast = torch.zeros_like(outer(state, state))
        for _ in range(settings.passes):
            for place in range(inputs.shape[1]):
                after = self._settled(inputs[:, place, None], state, fast)[:, 0]
                there = shown.there[:, place, None]
                state = torch.where(there, after, state)
                fast = torch.where(there[..., None], settings.decay * fast + settings.rate * outer(after, after), fast)
        asked = self.read(
            torch.cat([shown.query, shown.query.new_zeros(*shown.query.shape[:2], shown.codes.shape[2])], -1)
        )
        told: Tensor = self.out(self._settled(asked, state, fast))
        return told

    def _settled(self, inputs: Tensor, state: Tensor, fast: Tensor) -> Tensor:
        """Give the states (M, Q, u) that follow one state (M, u) by each of Q inputs."""
        sustained = inputs + (state @ self.slow)[:, None]
        found: Tensor = self.normal(sustained).relu()
        for _ in range(self._settings.settle):
            found = self.normal(sustained + found @ fast).relu()
        return found


LEARNER: FewShotKind = kind_of(FastWeights, FastSettings, sorting=FastWeights.sorting)
PROGRAMMER: FewShotKind = kind_of(Programmer, ProgrammerSettings)
