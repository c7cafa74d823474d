"""A few-shot learner whose parameters are those of one PyTorch module, shared by all tasks: Adam on episodes."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from meta_learners.episodes import TaskBatch
from meta_learners.few_shot.outer import entered, gradient_of, judged_means, loss_and_norm
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.learner import Metrics, State
from meta_learners.networks.adam import Adam, annealed
from meta_learners.predictions import Prediction

__all__ = ["Episodic", "ModuleLearner"]


class Episodic(Protocol):
    """What a system is, apart from how it is trained."""

    def loss(self, batch: TaskBatch, generator: torch.Generator) -> tuple[Tensor, Prediction]:
        """Give a scalar to descend and what was predicted on the way; chances come from the generator."""
        ...

    def predict(self, batch: TaskBatch, generator: torch.Generator) -> Prediction:
        """Tell the queries."""
        ...


class Paced(Protocol):
    """What of a learner's settings counts here."""

    @property
    def step_size(self) -> float: ...
    @property
    def halve_after(self) -> int: ...


class ModuleLearner:
    """Trains a module; meets `meta_learners.learner.FewShotLearner`.

    Args:
        name: of the learner.
        system: a `torch.nn.Module` that is `Episodic`.
        settings: of which the step size of Adam counts, and after how many meta-steps it is halved.
        anneal_over: meta-steps in which the step size falls to 0, by a cosine (arXiv:1608.03983); not when 0.
        largest_norm: to which gradients are scaled down; not when None.
        ways: N classes that tasks must have; None where targets are numbers, 0 for any.
        device: to compute on.
    """

    def __init__(
        self,
        name: str,
        system: torch.nn.Module,
        settings: Paced,
        *,
        anneal_over: int = 0,
        largest_norm: float | None = None,
        ways: int | None = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self.name = name
        self._system: torch.nn.Module = system.to(device)
        self._episodic: Episodic = system  # type: ignore[assignment]
        self._settings, self._ways, self._device, self._steps = settings, ways, device, 0
        self._anneal_over = anneal_over
        self._adam = Adam.of(system, settings.step_size, largest_norm=largest_norm)

    @property
    def system(self) -> torch.nn.Module:
        """What is trained."""
        return self._system

    def meta_step(self, batch: TaskBatch, key: Key) -> Metrics:
        """Descend the loss of a batch once."""
        batch = entered(batch, self._ways, self._device)
        loss, prediction = self._episodic.loss(batch, torch_generator((*key, Stream.CHOICES)))
        gradient = gradient_of(loss, dict(self._system.named_parameters()))
        value, norm = loss_and_norm(loss, gradient)
        halvings = self._steps // self._settings.halve_after if self._settings.halve_after else 0
        self._adam.rate = self._settings.step_size * 0.5**halvings * annealed(self._steps, self._anneal_over)
        self._adam.step(gradient)
        self._steps += 1
        return {"loss": value, "gradient_norm": norm, **judged_means(prediction, batch.query)}

    def predict(self, batch: TaskBatch, key: Key) -> Prediction:
        """Tell the queries of new tasks."""
        with torch.no_grad():
            return self._episodic.predict(
                entered(batch, self._ways, self._device), torch_generator((*key, Stream.CHOICES))
            )

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
