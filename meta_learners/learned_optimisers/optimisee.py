"""What optimisers are tried on: the loss of a small network on a task's support, for all tasks at once.

Without hidden layers it is a linear map without a bias that begins at 0, so that the tasks of `quadratics` are the
functions |W t - y|² of Andrychowicz et al. 2016 (arXiv:1606.04474, section 3.1), if losses are summed over examples.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from meta_learners.episodes import EpisodeFamily, Examples, outputs_of
from meta_learners.few_shot.losses import task_losses
from meta_learners.networks.adaptable import Adaptable, NetworkSettings, network_of
from meta_learners.networks.policies import Parameters, stack
from meta_learners.predictions import Logits, Numbers, Prediction

__all__ = ["Optimisee", "flat", "slopes_of", "unflat"]

BIAS = "layer0.bias"  # of the linear map, which has none


@dataclass(frozen=True)
class Optimisee:
    """The function of stacked parameters that is descended."""

    network: Adaptable
    ways: int | None  # N classes, or None where targets are numbers
    summed: bool = False  # over the support's examples; their mean, if not

    @staticmethod
    def of(family: EpisodeFamily, settings: NetworkSettings, *, summed: bool) -> Optimisee:
        """Fit a network to a family's inputs and targets."""
        outputs = outputs_of(family)
        network = network_of(settings, family.input_shape, outputs, activation="tanh")
        return Optimisee(network, family.ways, summed)

    @property
    def linear(self) -> bool:
        """Whether it is the linear map."""
        return len(self.network.sizes) == 2

    def shared(self, generator: torch.Generator) -> Parameters:
        """Draw where a task may begin, without an axis of tasks."""
        drawn = self.network.initial(generator)
        return {name: 0 * each for name, each in drawn.items() if name != BIAS} if self.linear else drawn

    def start(self, tasks: int, generator: torch.Generator, device: str | torch.device) -> Parameters:
        """Draw where each task begins: stacked parameters."""
        if self.linear:
            return {name: each.to(device) for name, each in stack(self.shared(generator), tasks).items()}
        drawn = [self.shared(generator) for _ in range(tasks)]
        return {name: torch.stack([each[name] for each in drawn]).to(device) for name in drawn[0]}

    def losses(self, parameters: Parameters, examples: Examples) -> Tensor:
        """Give every task's loss (M,)."""
        means = task_losses(self.network, self.ways, self._whole(parameters), examples)
        return means * examples.present.sum(1) if self.summed else means

    def told(self, parameters: Parameters, examples: Examples) -> Prediction:
        """Predict the targets of examples."""
        found = self.network(self._whole(parameters), examples.inputs.flatten(2))
        return Numbers.of(found) if self.ways is None else Logits(found)

    def _whole(self, parameters: Parameters) -> Parameters:
        if not self.linear:
            return parameters
        weight = parameters["layer0.weight"]
        return {**parameters, BIAS: weight.new_zeros(len(weight), weight.shape[2])}


def slopes_of(losses: Tensor, parameters: Parameters, *, keep: bool = False) -> Parameters:
    """Differentiate each task's loss (M,) by its own parameters; the result carries no gradient.

    Args:
        losses: of the tasks, which share no stacked parameter.
        parameters: that they were computed from.
        keep: whether the losses will be differentiated again.
    """
    found = torch.autograd.grad(losses.sum(), list(parameters.values()), retain_graph=keep)
    return dict(zip(parameters, found, strict=True))


def flat(parameters: Parameters) -> Tensor:
    """Lay stacked parameters behind one another: (M, P)."""
    return torch.cat([each.flatten(1) for each in parameters.values()], 1)


def unflat(vectors: Tensor, like: Parameters) -> Parameters:
    """Undo `flat`."""
    pieces = torch.split(vectors, [each[0].numel() for each in like.values()], 1)
    return {name: piece.reshape(each.shape) for (name, each), piece in zip(like.items(), pieces, strict=True)}
