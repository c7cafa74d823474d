"""Implicit MAML: the meta-gradient without a way back through the inner steps (Rajeswaran et al. 2019).

Adapting (arXiv:1909.04630, equation 3) descends the support's loss plus lambda/2 times the squared distance from the
start. Where that is at its end, the meta-gradient is (I + H / lambda)^-1 times the query's slope, H being the Hessian
of the support's loss there, without the proximal term (lemma 1). Conjugate gradients solve that for all tasks side by
side; with as many steps as there are parameters they are exact. The authors' code pulls back once at the end and adds
damping instead; this is the paper's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from environments.settings import Bounds
from meta_learners.episodes import EpisodeFamily, Examples, TaskBatch, outputs_of
from meta_learners.few_shot.losses import task_losses
from meta_learners.few_shot.outer import entered, judged_means, loss_and_norm
from meta_learners.gradient.few_shot import AdaptedSettings
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.learner import CLASSES, NUMBERS, FewShotKind, Metrics, State
from meta_learners.networks.adam import Adam
from meta_learners.networks.adaptable import network_of, network_unread
from meta_learners.networks.policies import Parameters, stack
from meta_learners.predictions import Logits, Numbers, Prediction

__all__ = ["LEARNER", "ImplicitMAML", "ImplicitSettings", "implicit_gradient", "proximal"]

Losses = Callable[[Parameters], Tensor]
"""From parameters stacked over M tasks to every task's loss (M,)."""

FLAT = 0.1  # curvature of the loss and the proximal term, in units of lambda, under which conjugate gradients end


@dataclass(frozen=True, slots=True, kw_only=True)
class ImplicitSettings(AdaptedSettings):
    """How it learns."""

    inner_rate: Annotated[float, Bounds(1e-9, 1e3)] = 0.05
    inner_steps: Annotated[int, Bounds(1, 1000)] = 16
    proximity: Annotated[float, Bounds(1e-6, 1e6)] = 2.0  # lambda
    conjugate_steps: Annotated[int, Bounds(1, 10_000)] = 5


def proximal(losses: Losses, start: Mapping[str, Tensor], tasks: int, settings: ImplicitSettings) -> Parameters:
    """Descend each task's loss, held near the start: parameters stacked over the tasks.

    A step that would not lessen loss and proximal term is not taken, and that task's next ones are half as long. Else,
    where the loss bends more than the rate allows, steps overshoot for ever, and come near no end that the
    meta-gradient could be of.
    """
    centre = {name: each.detach() for name, each in stack(start, tasks).items()}

    def held(at: Parameters, sloped: bool = True) -> tuple[Tensor, Parameters]:
        value, slopes = _valued(losses, at) if sloped else (losses(at).detach(), at)
        gaps = {name: each - centre[name] for name, each in at.items()}
        proximal = 0.5 * settings.proximity * _products(gaps, gaps)
        return value + proximal, _moved(slopes, gaps, torch.full_like(value, settings.proximity))

    found = centre
    least, slopes = held(found)
    rate = torch.full_like(least, settings.inner_rate)
    for step in range(settings.inner_steps):
        tried = _moved(found, slopes, -rate)
        value, after = held(tried, sloped=step + 1 < settings.inner_steps)
        better = value < least
        found, slopes = _chosen(better, tried, found), _chosen(better, after, slopes)
        least, rate = torch.where(better, value, least), torch.where(better, rate, rate / 2)
    return found


def implicit_gradient(
    support: Losses, query: Losses, adapted: Parameters, proximity: float, steps: int
) -> tuple[Tensor, Parameters]:
    """Differentiate the mean query loss by the start that was adapted from.

    Args:
        support: every task's loss of its support.
        query: likewise of its query.
        adapted: where adapting ended, stacked over M tasks.
        proximity: lambda.
        steps: of conjugate gradients.

    Returns:
        The mean query loss, and its gradient by each shared parameter.
    """
    with torch.enable_grad():
        leaves = {name: each.detach().requires_grad_() for name, each in adapted.items()}
        losses = query(leaves)
        wanted = dict(zip(leaves, torch.autograd.grad(losses.sum(), list(leaves.values())), strict=True))
        slopes = torch.autograd.grad(support(leaves).sum(), list(leaves.values()), create_graph=True)

    def product(vector: Parameters) -> Parameters:
        curved = torch.autograd.grad(
            slopes, list(leaves.values()), list(vector.values()), retain_graph=True, allow_unused=True
        )
        return {
            name: each if bent is None else each + bent / proximity
            for (name, each), bent in zip(vector.items(), curved, strict=True)
        }

    solved = _conjugate_gradients(product, wanted, steps)
    return losses.detach().mean(), {name: each.mean(0) for name, each in solved.items()}


def _conjugate_gradients(product: Callable[[Parameters], Parameters], wanted: Parameters, steps: int) -> Parameters:
    """Solve a system for each task, side by side; a task that is solved stays as it is.

    So does one whose system turns out flat or bent down, which at the least loss it is not: one of which that shows at
    first keeps what is wanted, the plain slope.
    """
    found = {name: torch.zeros_like(each) for name, each in wanted.items()}
    rest, way = dict(wanted), dict(wanted)
    size = _products(rest, rest)
    going = size > 0
    for step in range(steps):
        turned = product(way)
        steepness = _products(way, turned)
        going = going & (steepness > FLAT * _products(way, way))
        length = torch.where(going, size / steepness, 0 if step else 1)
        found = _moved(found, way, length)
        rest = _moved(rest, turned, -length)
        left = _products(rest, rest)
        way = _moved(rest, way, torch.where(going, left / size, 0))
        size = left
    return found


def _products(one: Parameters, other: Parameters) -> Tensor:
    """Give each task's inner product (M,)."""
    return torch.stack([(each * other[name]).flatten(1).sum(1) for name, each in one.items()]).sum(0)


def _moved(one: Parameters, other: Parameters, by: Tensor) -> Parameters:
    return {name: each + by.reshape(-1, *(1,) * (each.dim() - 1)) * other[name] for name, each in one.items()}


def _chosen(first: Tensor, one: Parameters, other: Parameters) -> Parameters:
    """Take each task's parameters from one where `first` (M,) says so, else from the other."""

    def of(each: Tensor, rest: Tensor) -> Tensor:
        return torch.where(first.reshape(-1, *(1,) * (each.dim() - 1)), each, rest)

    return {name: of(each, other[name]) for name, each in one.items()}


def _valued(losses: Losses, at: Parameters) -> tuple[Tensor, Parameters]:
    """Give every task's loss, and its slopes."""
    with torch.enable_grad():
        leaves = {name: each.detach().requires_grad_() for name, each in at.items()}
        values = losses(leaves)
        slopes = torch.autograd.grad(values.sum(), list(leaves.values()))
    return values.detach(), dict(zip(leaves, slopes, strict=True))


class ImplicitMAML:
    """The learner; meets `meta_learners.learner.FewShotLearner`. Arguments are those of `GradientFewShot`."""

    name = "imaml"

    def __init__(
        self,
        shape: tuple[int, ...],
        outputs: int,
        ways: int | None,
        settings: ImplicitSettings,
        *,
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self._settings, self._ways, self._device = settings, ways, device
        self._network = network_of(settings, shape, outputs)
        initial = self._network.initial(torch_generator((seed, Stream.PARAMETERS)))
        self._adam = Adam(initial, settings.step_size, device=device)

    def _losses(self, examples: Examples) -> Losses:
        return lambda parameters: task_losses(self._network, self._ways, parameters, examples)

    def meta_step(self, batch: TaskBatch, key: Key) -> Metrics:
        """Adapt to the supports, and descend the loss of the queries."""
        batch = entered(batch, self._ways, self._device)
        support, query = self._losses(batch.support), self._losses(batch.query)
        adapted = proximal(support, self._adam.parameters, batch.tasks, self._settings)
        loss, gradient = implicit_gradient(
            support, query, adapted, self._settings.proximity, self._settings.conjugate_steps
        )
        value, norm = loss_and_norm(loss, gradient)
        means = judged_means(self._told(adapted, batch), batch.query)
        self._adam.step(gradient)
        return {"loss": value, "gradient_norm": norm, **means}

    def predict(self, batch: TaskBatch, key: Key) -> Prediction:
        """Adapt to each support, and tell the queries."""
        batch = entered(batch, self._ways, self._device)
        adapted = proximal(self._losses(batch.support), self._adam.parameters, batch.tasks, self._settings)
        return self._told(adapted, batch)

    def _told(self, adapted: Parameters, batch: TaskBatch) -> Prediction:
        with torch.no_grad():
            told = self._network(adapted, batch.query.inputs.flatten(2))
        return Numbers.of(told) if self._ways is None else Logits(told)

    def state(self) -> State:
        """Give all that `load` needs."""
        return State(self._adam.tensors())

    def load(self, state: State) -> None:
        """Go on from a state.

        Raises:
            ValueError: it is another network's.
        """
        self._adam.load(state.tensors)


def _make(name: str, family: EpisodeFamily, settings: ImplicitSettings, *, seed: int, device: str) -> ImplicitMAML:
    outputs = outputs_of(family)
    return ImplicitMAML(family.input_shape, outputs, family.ways, settings, seed=seed, device=device)


LEARNER = FewShotKind(
    settings=ImplicitSettings,
    make=_make,
    takes=frozenset({CLASSES, NUMBERS}),
    fixed_ways=True,
    unread=network_unread,
)
