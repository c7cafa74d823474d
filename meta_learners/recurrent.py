"""A policy that remembers: gated recurrent unit (Cho et al. 2014, arXiv:1406.1078) with heads for actions and values.

`gru` is the unit in plain tensor operations, so that it works under `torch.func.vmap` and can be differentiated
twice, which neither `nn.GRU` nor cuDNN can. Learning over whole trials takes `nn.GRU`, which is several times as fast.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

Weights = tuple[Tensor, Tensor, Tensor, Tensor]
"""As `nn.GRU` keeps them: (3h, i), (3h, h), (3h,), (3h,), gates in the order reset, update, candidate."""


def gru(inputs: Tensor, hidden: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
    """Run the unit over a sequence: inputs (T, n, i), hidden (n, h); gives outputs (T, n, h) and the last hidden."""
    from_input, from_hidden, input_bias, hidden_bias = weights
    projected = inputs @ from_input.T + input_bias
    outputs = []
    for step in projected:
        hidden = _cell(step, hidden @ from_hidden.T + hidden_bias, hidden)
        outputs.append(hidden)
    return torch.stack(outputs), hidden


def _cell(from_input: Tensor, from_hidden: Tensor, hidden: Tensor) -> Tensor:
    input_reset, input_update, input_candidate = from_input.chunk(3, -1)
    hidden_reset, hidden_update, hidden_candidate = from_hidden.chunk(3, -1)
    reset = torch.sigmoid(input_reset + hidden_reset)
    update = torch.sigmoid(input_update + hidden_update)
    candidate = torch.tanh(input_candidate + reset * hidden_candidate)
    return candidate + update * (hidden - candidate)


class RecurrentPolicy(nn.Module):
    """Actions and values from everything seen since the trial began.

    Args:
        inputs: size of what is seen at a step.
        outputs: numbers that describe a distribution of actions.
        hidden: units.
        generator: of the initial weights; on the CPU.
    """

    def __init__(self, inputs: int, outputs: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.unit = nn.GRU(inputs, hidden)
        self.actor = nn.Linear(hidden, outputs)
        self.critic = nn.Linear(hidden, 1)
        for name, parameter in self.named_parameters():
            if "bias" in name:
                nn.init.zeros_(parameter)
            else:
                # A near-uniform first policy; the unit's gates are orthogonal one by one.
                gain = 0.01 if name.startswith("actor") else 1.0
                for gate in parameter.data.split(hidden if name.startswith("unit") else len(parameter)):
                    nn.init.orthogonal_(gate, gain, generator=generator)

    def initial(self, count: int) -> Tensor:
        """Give the hidden state (count, h) with which a trial begins."""
        return self.actor.weight.new_zeros(count, self.unit.hidden_size)

    def forward(self, inputs: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Go through inputs (T, n, i) from hidden (n, h): outputs (T, n, o), values (T, n), the last hidden."""
        remembered, last = self.unit(inputs, hidden[None])
        return self.actor(remembered), self.critic(remembered)[..., 0], last[0]
