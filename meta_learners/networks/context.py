"""A policy whose memory is a causal network over the whole trial: what it saw, did, was paid, and when episodes ended.

As in AMAGO (Grigsby et al. 2024, arXiv:2310.09971) and AdA (DeepMind 2023, arXiv:2301.07608). While acting it keeps
the keys and values of the steps before, and so takes one step at a time. A trial begins with nothing remembered.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from meta_learners.networks.causal import CausalNetwork, Memory, aligned
from meta_learners.networks.recurrent import head_layers

FIRST = 0.01  # of the last weights of the actor, so that first actions are near-uniform or near zero
REPLAYED = 256  # steps that are gone through at once where gradients do not


class ContextPolicy(nn.Module):
    """Numbers of an action's distribution, and values, from everything seen since the trial began.

    Args:
        observations: size of an observation.
        actions: numbers of an action, or choices.
        numbers: that describe a distribution of actions.
        unit: goes through the inputs, of the size that `inputs_of` makes them.
        products: whether inputs hold them.
        reflex: units in each of the heads' two layers, which then read the observation beside; 0 for linear heads.
        deviations: of first actions; their logarithms are the last of the numbers, and depend on nothing that is seen.
    """

    def __init__(
        self,
        observations: int,
        actions: int,
        numbers: int,
        unit: CausalNetwork,
        *,
        products: bool = False,
        reflex: int = 0,
        deviations: Sequence[float] = (),
    ) -> None:
        super().__init__()
        self.actions, self.products, self._beside = actions, products, observations if reflex else 0
        self.unit, self.norm = unit, nn.LayerNorm(unit.size)
        self.actor = head_layers(unit.size + self._beside, reflex, numbers - len(deviations))
        self.critic = head_layers(unit.size + self._beside, reflex, 1)
        last = self.actor if isinstance(self.actor, nn.Linear) else self.actor.get_submodule("4")
        for parameter in last.parameters():
            parameter.data *= FIRST
        self._spread = len(deviations)
        if deviations:
            self.log_deviations = nn.Parameter(torch.tensor(deviations).log())

    def initial(self, count: int, *, learning: bool = False) -> Memory:
        """Give what is remembered when trials begin."""
        return self.unit.initial(count)

    def tidy(self, memory: Memory) -> Memory:
        """Leave out what no trial remembers any more."""
        return self.unit.tidy(memory)

    def forward(self, inputs: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Act through inputs (T, n, i): numbers (T, n, k), the last memory."""
        found, memory = self.unit(inputs, None, memory)
        return self._described(self._heard(self.norm(found), inputs)), memory

    def remember(self, inputs: Tensor, before: Memory = ()) -> Tensor:
        """Go through inputs (T, n, i) from a trial's beginning or, with the memory there, its middle: (T, n, H)."""
        found, _ = self.unit(inputs, None, before or self.initial(inputs.shape[1]))
        heard: Tensor = self.norm(found)
        return heard

    def in_windows(self, inputs: Tensor, window: int) -> tuple[Tensor, Memory]:
        """Go through inputs window by window: what is remembered after each step, and memory before each window.

        Returns:
            (T, n, H), and memory (W n, ...), the first window of all trials first.
        """
        memory, found, before = self.initial(inputs.shape[1]), [], []
        for piece in torch.split(inputs, window):
            before.append(memory)
            heard, memory = self.unit(piece, None, memory)
            found.append(self.norm(heard))
        return torch.cat(found), aligned(before)

    def memory_at(self, inputs: Tensor, steps: Tensor) -> Memory:
        """Give what each trial remembers after the inputs before a step, steps (n,): memory (n, ...)."""
        # All trials are moved so that they end together; before their beginning there is nothing.
        length, count = inputs.shape[:2]
        source = torch.arange(length, device=inputs.device)[:, None] - (length - steps)
        there = (source >= 0).to(inputs.dtype)
        moved = inputs[source.clamp(min=0), torch.arange(count, device=inputs.device)]
        memory = self.initial(count)
        for piece, present in zip(torch.split(moved, REPLAYED), torch.split(there, REPLAYED), strict=True):
            _, memory = self.unit(piece, present, memory)
        return memory

    def read(self, remembered: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Give numbers (T, n, k) and values (T, n) by what is remembered (T, n, H) at inputs (T, n, i)."""
        heard = self._heard(remembered, inputs)
        return self._described(heard), self.critic(heard)[..., 0]

    def _heard(self, remembered: Tensor, inputs: Tensor) -> Tensor:
        return torch.cat([remembered, inputs[..., : self._beside]], -1) if self._beside else remembered

    def _described(self, heard: Tensor) -> Tensor:
        numbers: Tensor = self.actor(heard)
        if self._spread:
            numbers = torch.cat([numbers, self.log_deviations.expand(*numbers.shape[:-1], -1)], -1)
        return numbers
