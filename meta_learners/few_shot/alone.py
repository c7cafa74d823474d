"""The network that learners share, trained on each task's support alone: what meta-learning must beat.

All tasks at once: parameters are stacked over them, and `torch.func.vmap` makes the loop over tasks one operation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from meta_learners.episodes import TaskBatch
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.networks.adam import Adam
from meta_learners.networks.embedding import Embedding, seeded
from meta_learners.predictions import Logits, Numbers, Prediction

__all__ = ["alone"]

# Classes are soon told apart; to a function the network must first come, and 40 steps leave it near 0.
CLASSES, NUMBERS = (40, 3e-3), (400, 1e-2)  # steps, and Adam's rate


def alone(
    batch: TaskBatch, key: Key, *, width: int = 32, steps: int | None = None, rate: float | None = None
) -> Prediction:
    """Train an embedding with a linear last layer on every support, from the same start, and tell the queries."""
    usual = NUMBERS if batch.ways is None else CLASSES
    steps, rate = usual[0] if steps is None else steps, usual[1] if rate is None else rate
    support, query, tasks = batch.support, batch.query, batch.tasks
    outputs = support.targets.shape[-1] if batch.ways is None else batch.ways
    with seeded(torch_generator((*key, Stream.PARAMETERS))):
        embedding = Embedding(tuple(support.inputs.shape[2:]), width)
        network = nn.Sequential(embedding, nn.Linear(embedding.size, outputs)).to(support.inputs.device)
    stacked = {name: each.detach().expand(tasks, *each.shape) for name, each in network.named_parameters()}
    adam = Adam(stacked, rate)
    there = support.present
    inputs = torch.where(there.reshape(*there.shape, *(1,) * (support.inputs.dim() - 2)), support.inputs, 0)

    def outputs_of(parameters: dict[str, Tensor], of: Tensor) -> Tensor:
        found: Tensor = functional_call(network, parameters, (of,))
        return found

    every = vmap(outputs_of)
    for _ in range(steps):
        leaves = {name: each.detach().requires_grad_() for name, each in adam.parameters.items()}
        told = every(leaves, inputs)
        if batch.ways is None:
            losses = (told - support.targets).square().mean(-1)
        else:
            losses = nn.functional.cross_entropy(told.flatten(0, 1), support.targets.flatten(), reduction="none")
            losses = losses.reshape(there.shape)
        # A sum over tasks has each task's own gradient in its own rows.
        total = (torch.where(there, losses, 0).sum(1) / there.sum(1).clamp(min=1)).sum()
        adam.step(dict(zip(leaves, torch.autograd.grad(total, list(leaves.values())), strict=True)))
    with torch.no_grad():
        told = every(adam.parameters, query.inputs)
    return Numbers.of(told) if batch.ways is None else Logits(told)
