"""WarpGrad: layers that warp the slopes of those between them, learned at every point that adapting visits.

A task's steps move the task layers; warps, here a matrix after each layer, as T-net has, stay (Flennerhag et al. 2020,
arXiv:1909.00025, algorithm 1). Their loss is the query's after one step from each visited point, which is held fixed:
nothing is differentiated through the way there, so there can be many steps. The start is learned apart: as Reptile
does, by Leap (Flennerhag et al. 2019, arXiv:1812.01054), which shortens the way over the loss's surface, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, TypeVar

import torch
from torch import Tensor

from environments.settings import Bounds
from meta_learners.episodes import EpisodeFamily, Examples, TaskBatch, outputs_of
from meta_learners.few_shot.parameter_learner import ParameterLearner, Step, descent
from meta_learners.gradient.bilevel import Inner, Loss, inner_step
from meta_learners.gradient.few_shot import AdaptedSettings, task_losses
from meta_learners.learner import CLASSES, NUMBERS, FewShotKind
from meta_learners.networks.adaptable import Adaptable, network_of, network_unread
from meta_learners.networks.policies import Parameters, stack
from meta_learners.predictions import Logits, Numbers, Prediction

__all__ = ["LEARNER", "WarpSettings", "Warped", "start_gradient", "visited", "warp_loss"]

B = TypeVar("B")
STARTS = ("leap", "reptile", "fixed")


@dataclass(frozen=True, slots=True, kw_only=True)
class WarpSettings(AdaptedSettings):
    """How it learns."""

    inner_rate: Annotated[float, Bounds(1e-9, 1e3)] = 0.01
    inner_steps: Annotated[int, Bounds(1, 1000)] = 10
    inner_norm: Annotated[float, Bounds(1e-6, 1e9)] = 10.0  # to which the slopes of an inner step are scaled down
    start: str = "leap"  # how the start is learned: leap, reptile or fixed

    def __post_init__(self) -> None:
        super(WarpSettings, self).__post_init__()
        if self.start not in STARTS:
            raise ValueError(f"start is {self.start!r}; it must be {', '.join(STARTS)}")


def visited(inner: Inner, loss: Loss[B], start: Parameters, support: B, tasks: int) -> list[Parameters]:
    """List the points, stacked over tasks, that adapting visits from a shared start, with both ends; all detached."""
    points = [{name: each.detach() for name, each in stack(start, tasks).items()}]
    for _ in range(inner.steps):
        found = inner_step(inner, loss, points[-1], points[-1], support)
        points.append({name: each.detach() for name, each in found.items()})
    return points


def warp_loss(
    inner: Inner, loss: Loss[B], warps: Parameters, points: Sequence[Parameters], support: B, query: B
) -> Tensor:
    """Give the mean query loss after one step from each point, in the warps' layers as they are given.

    Args:
        inner: how a step is taken; it names the task layers.
        loss: of stacked parameters and a batch.
        warps: shared, by which the result can be differentiated.
        points: visited ones, stacked over tasks.
        support: that steps descend.
        query: that judges them.
    """
    tasks = len(next(iter(points[0].values())))
    found = [
        loss(inner_step(inner, loss, warps, {**point, **stack(warps, tasks)}, support), query).mean()
        for point in points
    ]
    return torch.stack(found).mean()


def start_gradient(
    loss: Callable[[Parameters], Tensor], points: Sequence[Parameters], names: Sequence[str], *, leap: bool
) -> Parameters:
    """Point away from where the start should go: Reptile's way to the end, or Leap's along all of it.

    Leap's energy of a way is the sum of squared steps, in parameters and in the loss; a step's ends are held fixed.
    """
    pull = {name: points[0][name] - points[-1][name] for name in names}
    for here, there in pairwise(points) if leap else ():
        with torch.enable_grad():
            leaves = {name: here[name].detach().requires_grad_() for name in names}
            losses = loss({**here, **leaves})
            slopes = torch.autograd.grad(losses.sum(), list(leaves.values()))
        with torch.no_grad():
            fall = (loss(there) - losses).abs()  # a step that rises is taken for one that falls, as in the paper
        for name, slope in zip(names, slopes, strict=True):
            pull[name] = pull[name] + fall.reshape(-1, *(1,) * (slope.dim() - 1)) * slope
    return {name: each.mean(0) for name, each in pull.items()}


class Warped:
    """The system; `meta_learners.few_shot.parameter_learner.System`."""

    def __init__(self, network: Adaptable, ways: int | None, settings: WarpSettings) -> None:
        self._network, self._ways, self._settings = network, ways, settings
        self._inner = Inner(
            steps=settings.inner_steps,
            rate=settings.inner_rate,
            adapted=network.layers,
            largest_norm=settings.inner_norm,
        )

    def initial(self, generator: torch.Generator) -> Parameters:
        return self._network.initial(generator)

    def step(self, meta: Parameters, batch: TaskBatch, generator: torch.Generator) -> Step:
        points = visited(self._inner, self._losses, meta, batch.support, batch.tasks)
        warps = {name: each for name, each in meta.items() if name not in self._network.layers}
        prediction = self._tell(points[-1], batch)

        def loss(leaves: Parameters) -> tuple[Tensor, Prediction]:
            told = warp_loss(self._inner, self._losses, leaves, points[:-1], batch.support, batch.query)
            return told, prediction

        found = descent(loss, warps)
        if self._settings.start != "fixed":
            found.gradient.update(
                start_gradient(
                    lambda parameters: self._losses(parameters, batch.support),
                    points,
                    sorted(self._network.layers),
                    leap=self._settings.start == "leap",
                )
            )
        return found

    def predict(self, meta: Parameters, batch: TaskBatch, generator: torch.Generator) -> Prediction:
        return self._tell(visited(self._inner, self._losses, meta, batch.support, batch.tasks)[-1], batch)

    def _losses(self, parameters: Parameters, examples: Examples) -> Tensor:
        return task_losses(self._network, self._ways, parameters, examples)

    def _tell(self, parameters: Parameters, batch: TaskBatch) -> Prediction:
        with torch.no_grad():
            told = self._network(parameters, batch.query.inputs.flatten(2))
        return Numbers.of(told) if self._ways is None else Logits(told)


def _make(name: str, family: EpisodeFamily, settings: WarpSettings, *, seed: int, device: str) -> ParameterLearner:
    outputs = outputs_of(family)
    system = Warped(network_of(settings, family.input_shape, outputs, transformed=True), family.ways, settings)
    return ParameterLearner(name, system, family.ways, rate=settings.step_size, seed=seed, device=device)


LEARNER = FewShotKind(
    settings=WarpSettings,
    make=_make,
    takes=frozenset({CLASSES, NUMBERS}),
    fixed_ways=True,
    unread=network_unread,
)
