"""What the Bayesian learners that adapt a network share: settings, likelihoods, and predictions by several networks.

Numbers have a normal likelihood whose deviation is learned with the rest, by the queries; classes a categorical one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor

from environments.settings import Bounds
from meta_learners.episodes import EpisodeFamily, Examples, outputs_of
from meta_learners.few_shot.parameter_learner import ParameterLearner, System
from meta_learners.gradient.few_shot import task_losses
from meta_learners.learner import CLASSES, NUMBERS, FewShotKind
from meta_learners.networks.adaptable import Adaptable, NetworkSettings, network_of, network_unread
from meta_learners.networks.policies import Parameters
from meta_learners.predictions import Logits, Numbers, Prediction

__all__ = ["PACE", "AdaptingSettings", "BoundedSettings", "Likelihood", "kind_of", "part", "prefixed", "repeated"]

NOISE = "noise"  # name of the meta-parameter by which the logarithm of numbers' deviation is learned
# The logarithm is so many times that parameter. Adam moves every parameter about alike: at a pace of 1 the noise stays
# for thousands of meta-steps where it began, far below what the learner errs by, and intervals hold too little.
PACE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptingSettings(NetworkSettings):
    """How such a learner learns."""

    inner_rate: Annotated[float, Bounds(1e-9, 1e3)] = 0.01
    inner_steps: Annotated[int, Bounds(1, 1000)] = 5
    noise: Annotated[float, Bounds(1e-6, 1e6)] = 0.3  # deviation of numbers, to begin with
    step_size: Annotated[float, Bounds(0, 1)] = 1e-3  # of Adam
    largest_norm: Annotated[float, Bounds(1e-6, 1e9)] = 10.0  # to which gradients are scaled down


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundedSettings(AdaptingSettings):
    """How a learner whose inner steps are bounded learns."""

    inner_norm: Annotated[float, Bounds(1e-6, 1e9)] = 10.0  # to which the slopes of an inner step are scaled down


@dataclass(frozen=True)
class Likelihood:
    """How probable examples are by a network whose parameters are stacked over tasks."""

    network: Adaptable
    ways: int | None  # N classes, or None where targets are numbers

    def losses(self, parameters: Parameters, examples: Examples) -> Tensor:
        """Give every task's mean squared error or cross-entropy (M,): what MAML descends."""
        return task_losses(self.network, self.ways, parameters, examples)

    def log(self, parameters: Parameters, examples: Examples, noise: Tensor) -> Tensor:
        """Give the log probability of every task's examples (M,), summed over them; noise is a log deviation."""
        count = examples.present.sum(1)
        losses = self.losses(parameters, examples)
        if self.ways is not None:
            return -losses * count
        size = self.network.sizes[-1]
        return -count * size * (0.5 * losses * (-2 * noise).exp() + noise + 0.5 * math.log(2 * math.pi))

    def noise(self, meta: Parameters) -> Tensor:
        """Find the log deviation of numbers; 0 for classes, which have none."""
        return PACE * meta[NOISE] if NOISE in meta else torch.zeros(())

    def first_noise(self, settings: AdaptingSettings) -> Parameters:
        """Lay out what `noise` finds."""
        return {} if self.ways is not None else {NOISE: torch.tensor(math.log(settings.noise) / PACE)}

    def tell(
        self, parameters: Parameters, inputs: Tensor, noise: Tensor, draws: int, log_weights: Tensor | None = None
    ) -> Prediction:
        """Tell queries (M, Q, ...) by the mixture of so many networks a task.

        Args:
            parameters: stacked over draws and tasks, a draw's tasks behind one another (S * M, ...).
            inputs: of the queries.
            noise: log deviation, one for all or (S, M, 1, 1).
            draws: S.
            log_weights: of each network (S, M), normalised; all alike when None.
        """
        flat = inputs.flatten(2)
        told = self.network(parameters, flat.repeat(draws, 1, 1)).reshape(draws, *flat.shape[:2], -1)
        if self.ways is None:
            return Numbers(told, noise.exp().expand(told.shape), log_weights)
        weights = torch.full(told.shape[:2], -math.log(draws)).to(told) if log_weights is None else log_weights
        return Logits((told.log_softmax(-1) + weights[..., None, None]).logsumexp(0))


def repeated(examples: Examples, draws: int) -> Examples:
    """Lay so many copies of a batch behind one another along its tasks."""

    def of(each: Tensor) -> Tensor:
        return each.repeat(draws, *(1,) * (each.dim() - 1))

    mask = None if examples.mask is None else of(examples.mask)
    return Examples(of(examples.inputs), of(examples.targets), mask)


def prefixed(prefix: str, parameters: Parameters) -> Parameters:
    """Name parameters for their place among the meta-parameters."""
    return {prefix + name: each for name, each in parameters.items()}


def part(meta: Parameters, prefix: str) -> Parameters:
    """Undo `prefixed`: pick those of a prefix, without it."""
    return {name.removeprefix(prefix): each for name, each in meta.items() if name.startswith(prefix)}


def kind_of(
    of: type[Any], system: Callable[[Likelihood, Any], System], *, of_numbers: Collection[str] = ("noise",)
) -> FewShotKind:
    """Give the kind of a learner whose system is made of a likelihood and settings; classes read none `of_numbers`."""

    def make(name: str, family: EpisodeFamily, settings: Any, *, seed: int, device: str) -> ParameterLearner:
        outputs = outputs_of(family)
        network = network_of(settings, family.input_shape, outputs)
        return ParameterLearner(
            name,
            system(Likelihood(network, family.ways), settings),
            family.ways,
            rate=settings.step_size,
            largest_norm=settings.largest_norm,
            seed=seed,
            device=device,
        )

    def unread(name: str, family: EpisodeFamily, settings: AdaptingSettings) -> frozenset[str]:
        return network_unread(name, family, settings) | set(of_numbers if family.ways is not None else ())

    return FewShotKind(settings=of, make=make, takes=frozenset({CLASSES, NUMBERS}), fixed_ways=True, unread=unread)
