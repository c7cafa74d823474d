"""A few-shot learner whose meta-parameters are named tensors, shared by all tasks: Adam on what its system asks for.

For systems that adapt parameters to each task; those that are one PyTorch module are `ModuleLearner`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from meta_learners.episodes import TaskBatch
from meta_learners.few_shot.outer import entered, judged_means, loss_and_norm
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.learner import LossError, Metrics, State
from meta_learners.networks.adam import Adam
from meta_learners.networks.policies import Parameters
from meta_learners.predictions import Prediction

__all__ = ["KEPT", "ParameterLearner", "Step", "System", "descent"]

KEPT = "kept."  # begins the names of what is kept beside the meta-parameters, and is not descended


@dataclass(frozen=True, slots=True)
class Step:
    """Where the meta-parameters should go."""

    loss: Tensor  # a scalar
    gradient: Parameters  # of each meta-parameter; those that it lacks stay where they are
    prediction: Prediction  # what was told on the way
    kept: Parameters = field(default_factory=dict)  # new values of what is kept


class System(Protocol):
    """What a learner is, apart from how it is trained. Chances come from the generator that is passed in."""

    def initial(self, generator: torch.Generator) -> Parameters:
        """Draw the meta-parameters, and give first values of what is kept beside them."""
        ...

    def step(self, meta: Parameters, batch: TaskBatch, generator: torch.Generator) -> Step:
        """Say where the meta-parameters should go."""
        ...

    def predict(self, meta: Parameters, batch: TaskBatch, generator: torch.Generator) -> Prediction:
        """Learn each task from its support, and tell its queries."""
        ...


def descent(loss: Callable[[Parameters], tuple[Tensor, Prediction]], meta: Parameters) -> Step:
    """Differentiate a scalar loss by the meta-parameters; those that it does not depend on stay."""
    leaves = {name: each.detach().requires_grad_() for name, each in meta.items() if not name.startswith(KEPT)}
    with torch.enable_grad():
        value, prediction = loss(leaves)
        slopes = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
    pairs = zip(leaves, slopes, strict=True)
    return Step(value.detach(), {name: each for name, each in pairs if each is not None}, prediction)


class ParameterLearner:
    """Trains a system; meets `meta_learners.learner.FewShotLearner`.

    Args:
        name: of the learner.
        system: what it is.
        ways: N classes of every task, or None where targets are numbers.
        rate: Adam's step size.
        largest_norm: to which gradients are scaled down; not when None.
        seed: of the initial meta-parameters.
        device: to compute on.
    """

    def __init__(
        self,
        name: str,
        system: System,
        ways: int | None,
        *,
        rate: float,
        largest_norm: float | None = None,
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self.name, self.system, self._ways, self._device = name, system, ways, device
        initial = system.initial(torch_generator((seed, Stream.PARAMETERS)))
        learned = {place: each for place, each in initial.items() if not place.startswith(KEPT)}
        self._adam = Adam(learned, rate, device=device, largest_norm=largest_norm)
        self._kept = {place: each.to(device) for place, each in initial.items() if place.startswith(KEPT)}

    @property
    def meta(self) -> Parameters:
        """The meta-parameters, and what is kept beside them."""
        return {**self._adam.parameters, **self._kept}

    def meta_step(self, batch: TaskBatch, key: Key) -> Metrics:
        """Descend once."""
        batch = entered(batch, self._ways, self._device)
        try:
            found = self.system.step(self.meta, batch, torch_generator((*key, Stream.CHOICES)))
        except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]  # not finite: no factors
            raise LossError(f"the loss cannot be had: {error}") from error
        gradient = {
            name: found.gradient[name] if name in found.gradient else torch.zeros_like(each)
            for name, each in self._adam.parameters.items()
        }
        value, norm = loss_and_norm(found.loss, gradient)
        means = judged_means(found.prediction, batch.query)
        self._adam.step(gradient)
        self._kept |= found.kept
        return {"loss": value, "gradient_norm": norm, **means}

    def predict(self, batch: TaskBatch, key: Key) -> Prediction:
        """Tell the queries of new tasks."""
        meta = {name: each.detach() for name, each in self.meta.items()}
        with torch.no_grad():
            return self.system.predict(
                meta, entered(batch, self._ways, self._device), torch_generator((*key, Stream.CHOICES))
            )

    def state(self) -> State:
        """Give all that `load` needs."""
        return State({**self._adam.tensors(), **{name: each.clone() for name, each in self._kept.items()}})

    def load(self, state: State) -> None:
        """Go on from a state.

        Raises:
            ValueError: it is another learner's, or of other settings.
        """
        kept = {name: each for name, each in state.tensors.items() if name.startswith(KEPT)}
        wanted, found = ({name: tuple(each.shape) for name, each in of.items()} for of in (self._kept, kept))
        if found != wanted:
            raise ValueError(f"the state keeps {found or 'nothing'}; this learner keeps {wanted or 'nothing'}")
        self._adam.load(state.tensors)
        self._kept = {name: each.clone().to(self._device) for name, each in kept.items()}
