"""A few-shot learner whose parameters are those of one PyTorch module, shared by all tasks: Adam on episodes."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from meta_learners.episodes import TaskBatch
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.learner import LossError, Metrics, State
from meta_learners.networks.adam import Adam
from meta_learners.predictions import Prediction, judge

__all__ = ["Episodic", "ModuleLearner"]


class Episodic(Protocol):
    """What a system is, apart from how it is trained."""

    def loss(self, batch: TaskBatch, generator: torch.Generator) -> tuple[Tensor, Prediction]:
        """Give a scalar to descend and what was predicted on the way; chances come from the generator."""
        ...

    def predict(self, batch: TaskBatch, generator: torch.Generator) -> Prediction:
        """Tell the queries."""
        ...


class ModuleLearner:
    """Trains a module; meets `meta_learners.learner.FewShotLearner`.

    Args:
        name: of the learner.
        system: a `torch.nn.Module` that is `Episodic`.
        rate: Adam's step size.
        largest_norm: to which gradients are scaled down; not when None.
        halve_after: meta-steps after which the rate is halved, again and again; never when 0.
        device: to compute on.
    """

    def __init__(
        self,
        name: str,
        system: torch.nn.Module,
        *,
        rate: float,
        largest_norm: float | None = None,
        halve_after: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self.name = name
        self._system: torch.nn.Module = system.to(device)
        self._episodic: Episodic = system  # type: ignore[assignment]
        self._device, self._rate, self._halve_after, self._steps = device, rate, halve_after, 0
        self._adam = Adam(dict(system.named_parameters()), rate, largest_norm=largest_norm)
        for name_, parameter in system.named_parameters():
            parameter.data = self._adam.parameters[name_]  # one storage: a step of Adam's is the module's

    @property
    def system(self) -> torch.nn.Module:
        """What is trained."""
        return self._system

    def meta_step(self, batch: TaskBatch, key: Key) -> Metrics:
        """Descend the loss of a batch once."""
        batch = batch.to(self._device)
        loss, prediction = self._episodic.loss(batch, torch_generator((*key, Stream.CHOICES)))
        named = dict(self._system.named_parameters())
        slopes = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
        gradient = {
            name: torch.zeros_like(each) if slope is None else slope
            for (name, each), slope in zip(named.items(), slopes, strict=True)
        }
        norm = torch.stack([each.norm() for each in gradient.values()]).norm()
        figures = torch.stack([loss.detach(), norm]).tolist()
        if not torch.tensor(figures).isfinite().all():
            raise LossError(f"the loss is {figures[0]} and its gradient's norm {figures[1]}")
        self._adam.rate = self._rate * 0.5 ** (self._steps // self._halve_after) if self._halve_after else self._rate
        self._adam.step(gradient)
        self._steps += 1
        with torch.no_grad():
            judged = judge(prediction, batch.query.targets, batch.query.present)
        means = {name: float(each.mean()) for name, each in judged.items()}
        return {"loss": figures[0], "gradient_norm": figures[1], **means}

    def predict(self, batch: TaskBatch, key: Key) -> Prediction:
        """Tell the queries of new tasks."""
        with torch.no_grad():
            return self._episodic.predict(batch.to(self._device), torch_generator((*key, Stream.CHOICES)))

    def state(self) -> State:
        """Give all that `load` needs."""
        return State(self._adam.tensors(), {"steps": self._steps})

    def load(self, state: State) -> None:
        """Go on from a state.

        Raises:
            ValueError: it is another learner's, or of other settings.
        """
        steps = state.facts.get("steps")
        if not isinstance(steps, int) or isinstance(steps, bool) or steps < 0:
            raise ValueError(f"the state tells of {steps!r} meta-steps; it must be a whole number")
        self._adam.load(state.tensors)
        self._steps = steps
