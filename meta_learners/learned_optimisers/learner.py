"""How a rule of optimising is learned, and how it adapts to a task: by descending the loss of the support.

A rule is a module that is given a task's slopes and gives the next parameters. It is trained by truncated
back-propagation through its own steps; the slopes themselves count as given, as in Andrychowicz et al. 2016
(arXiv:1606.04474, section 2.1). A task's prediction is the network's after the last step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import torch
from torch import Tensor, nn

from environments.settings import Bounds
from meta_learners.episodes import EpisodeFamily, TaskBatch
from meta_learners.few_shot.outer import entered, gradient_of, judged_means, loss_and_norm
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.learned_optimisers.classical import tuned
from meta_learners.learned_optimisers.optimisee import Optimisee, slopes_of
from meta_learners.learner import CLASSES, NUMBERS, FewShotKind, LossError, Metrics, State
from meta_learners.networks.adam import Adam, decayed
from meta_learners.networks.adaptable import NetworkSettings, network_unread
from meta_learners.networks.embedding import seeded
from meta_learners.networks.policies import Parameters
from meta_learners.predictions import Prediction

__all__ = ["LearnedOptimiser", "OptimiserSettings", "Rule", "kind_of"]

Kept = dict[str, Tensor]
"""What a rule remembers of the steps before: named tensors, tasks first."""

OBJECTIVES = ("sum", "log", "query")
LEAST = 1e-12  # of losses whose logarithm is taken


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiserSettings(NetworkSettings):
    """What is optimised, and how the rule is learned."""

    hidden: tuple[int, ...] = (20,)  # units of the layers; without any they are a linear map that begins at 0
    width: Annotated[int, Bounds(1, 4096)] = 8  # filters of each block of convolutions: each weight has a state
    summed: bool = False  # whether its loss is a sum over examples, as of quadratics in the paper, or their mean
    steps: Annotated[int, Bounds(1, 100_000)] = 100  # of a task
    objective: str = "sum"  # what a rule descends: sum or log of the losses on the way, or a window's last query loss
    window: Annotated[int, Bounds(1, 100_000)] = 20  # steps that gradients go back through
    step_size: Annotated[float, Bounds(0, 1)] = 3e-3  # of Adam, which learns the rule
    largest_norm: Annotated[float, Bounds(1e-6, 1e6)] = 1.0  # to which the rule's gradients are scaled down
    decay: Annotated[int, Bounds(0, 10**9)] = 0  # meta-steps until the step size is 0; 0 for never

    def __post_init__(self) -> None:
        NetworkSettings.__post_init__(self)
        if self.objective not in OBJECTIVES:
            raise ValueError(f"objective is {self.objective!r}; it must be {', '.join(OBJECTIVES)}")


class Rule(Protocol):
    """A rule of optimising; an `nn.Module`."""

    def start(self, tasks: int, generator: torch.Generator, device: str | torch.device) -> Parameters:
        """Give where each task begins: parameters stacked over M tasks."""
        ...

    def begin(self, parameters: Parameters, generator: torch.Generator) -> Kept:
        """Give what is remembered before the first step."""
        ...

    def step(self, parameters: Parameters, slopes: Parameters, losses: Tensor, kept: Kept) -> tuple[Parameters, Kept]:
        """Give the next parameters, by the slopes at these and the losses (M,), and what is remembered then."""
        ...


class LearnedOptimiser:
    """The learner; meets `meta_learners.learner.FewShotLearner`.

    Args:
        name: of the learner.
        optimisee: what is descended.
        rule: what is learned.
        settings: how.
        device: to compute on.
    """

    def __init__(
        self,
        name: str,
        optimisee: Optimisee,
        rule: nn.Module,
        settings: OptimiserSettings,
        *,
        device: str | torch.device = "cpu",
    ) -> None:
        self.name, self._optimisee, self._settings, self._device = name, optimisee, settings, device
        self._rule: Rule = rule.to(device)  # type: ignore[assignment]
        self._named: Callable[[], dict[str, Tensor]] = lambda: dict(rule.named_parameters())
        self._adam = Adam.of(rule, settings.step_size, largest_norm=settings.largest_norm)
        self._steps = 0  # meta-steps taken

    def meta_step(self, batch: TaskBatch, key: Key) -> Metrics:
        """Descend the supports once, and improve the rule after each window of steps."""
        batch, before = entered(batch, self._optimisee.ways, self._device), self._adam.tensors()
        generator = torch_generator((*key, Stream.CHOICES))
        parameters = self._rule.start(batch.tasks, generator, self._device)
        kept = self._rule.begin(parameters, generator)
        figures: list[tuple[float, float]] = []
        self._adam.rate = decayed(self._settings.step_size, self._steps, self._settings.decay)
        for first in range(0, self._settings.steps, self._settings.window):
            steps = min(self._settings.window, self._settings.steps - first)
            objective, parameters, kept = self._window(batch, parameters, kept, steps)
            gradient = gradient_of(objective, self._named())
            try:
                figures.append(loss_and_norm(objective, gradient, "objective"))
            except LossError:
                self._adam.load(before)
                raise
            self._adam.step(gradient)
            parameters = {name: each.detach() for name, each in parameters.items()}
            kept = {name: each.detach() for name, each in kept.items()}
        self._steps += 1
        with torch.no_grad():
            last = self._optimisee.losses(parameters, batch.support).mean()
            means = judged_means(self._optimisee.told(parameters, batch.query), batch.query)
        sums = [sum(each) / len(figures) for each in zip(*figures, strict=True)]
        return {"loss": float(last), "objective": sums[0], "gradient_norm": sums[1], **means}

    def _window(
        self, batch: TaskBatch, parameters: Parameters, kept: Kept, steps: int
    ) -> tuple[Tensor, Parameters, Kept]:
        """Take some steps that can be differentiated: what to descend, and where they end."""
        parameters = {name: each if each.requires_grad else each.requires_grad_() for name, each in parameters.items()}
        losses = []
        for _ in range(steps):
            losses.append(self._optimisee.losses(parameters, batch.support))
            slopes = slopes_of(losses[-1], parameters, keep=True)
            parameters, kept = self._rule.step(parameters, slopes, losses[-1].detach(), kept)
        losses.append(self._optimisee.losses(parameters, batch.support))
        way = torch.stack(losses)  # (steps + 1, M)
        if self._settings.objective == "query":
            return self._optimisee.losses(parameters, batch.query).mean(), parameters, kept
        if self._settings.objective == "log":
            return way.clamp(min=LEAST).log().mean(), parameters, kept
        return way.sum(0).mean(), parameters, kept

    def predict(self, batch: TaskBatch, key: Key) -> Prediction:
        """Descend each support, and tell the queries."""
        batch = entered(batch, self._optimisee.ways, self._device)
        parameters = self._descend(batch, key, self._settings.steps)[0]
        with torch.no_grad():
            return self._optimisee.told(parameters, batch.query)

    def curve(self, batch: TaskBatch, key: Key, steps: int) -> Tensor:
        """Give the losses of the supports after 0, 1, ... steps (M, steps + 1)."""
        return self._descend(entered(batch, self._optimisee.ways, self._device), key, steps)[1]

    def _descend(self, batch: TaskBatch, key: Key, steps: int) -> tuple[Parameters, Tensor]:
        generator, way = torch_generator((*key, Stream.CHOICES)), []
        with torch.no_grad():
            parameters = self._rule.start(batch.tasks, generator, self._device)
            kept = self._rule.begin(parameters, generator)
            for _ in range(steps):
                with torch.enable_grad():
                    parameters = {name: each.detach().requires_grad_() for name, each in parameters.items()}
                    losses = self._optimisee.losses(parameters, batch.support)
                    slopes = slopes_of(losses, parameters)
                way.append(losses.detach())
                parameters, kept = self._rule.step(parameters, slopes, losses.detach(), kept)
            way.append(self._optimisee.losses(parameters, batch.support))
        return parameters, torch.stack(way, 1)

    def rivals(self, known: TaskBatch, key: Key) -> Callable[[TaskBatch, Key], Mapping[str, Prediction]]:
        """Tune the optimisers that people use to tasks of training; give what predicts by each of them."""
        return tuned(self._optimisee, known.to(self._device), self._settings.steps, key)

    def state(self) -> State:
        """Give all that `load` needs."""
        return State(self._adam.tensors(), {"steps": self._steps})

    def load(self, state: State) -> None:
        """Go on from a state.

        Raises:
            ValueError: it is another learner's, or of other settings.
        """
        steps = state.facts.get("steps", 0)  # trainings of old kept none, and none of theirs decays
        if not isinstance(steps, int):
            raise ValueError(f"the state has done {steps!r} steps, which is no number of them")
        self._adam.load(state.tensors)
        self._steps = steps


def kind_of(rule: Callable[[Optimisee, Any], nn.Module], of: type[OptimiserSettings]) -> FewShotKind:
    """Make the kind of a learner of a `Rule`, whose first weights come from PyTorch's own generator."""

    def make(
        name: str, family: EpisodeFamily, settings: OptimiserSettings, *, seed: int, device: str
    ) -> LearnedOptimiser:
        optimisee = Optimisee.of(family, settings, summed=settings.summed)
        with seeded(torch_generator((seed, Stream.PARAMETERS))):
            made = rule(optimisee, settings)
        return LearnedOptimiser(name, optimisee, made, settings, device=device)

    return FewShotKind(
        settings=of, make=make, takes=frozenset({CLASSES, NUMBERS}), fixed_ways=True, unread=network_unread
    )
