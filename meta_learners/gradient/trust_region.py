"""One step of trust-region optimisation (TRPO, Schulman et al. 2015, arXiv:1502.05477), of any loss and divergence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from environments.settings import Bounds, check_bounds
from meta_learners.gradient.bilevel import flatten, hessian_vector_products, outer_gradient, unflatten
from meta_learners.networks.policies import Parameters

Objective = Callable[[Parameters], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRegion:
    """How far, and how carefully, a step goes."""

    divergence: Annotated[float, Bounds(1e-9, 1e3)] = 0.01  # the radius, in nats
    iterations: Annotated[int, Bounds(1, 1000)] = 10  # of conjugate gradients
    damping: Annotated[float, Bounds(0, 1e3)] = 1e-5
    backtracks: Annotated[int, Bounds(1, 1000)] = 15
    shrink: Annotated[float, Bounds(0.01, 0.99)] = 0.8  # of the step at each of them

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True, slots=True)
class Step:
    """What a step did."""

    parameters: Parameters
    loss_before: float
    loss_after: float
    divergence: float
    accepted: bool  # if not, the parameters are as before


def conjugate_gradients(product: Callable[[Tensor], Tensor], target: Tensor, iterations: int) -> Tensor:
    """Solve A x = target (P,) for a positive definite A, given as v -> A v; stays on the device."""
    solution, residual = torch.zeros_like(target), target.clone()
    direction, square = residual.clone(), residual @ residual
    for _ in range(iterations):
        image = product(direction)
        # Where the residual has vanished both fractions are 0/0: stand still instead.
        length = torch.nan_to_num(square / (direction @ image), nan=0.0, posinf=0.0, neginf=0.0)
        solution = solution + length * direction
        residual = residual - length * image
        smaller = residual @ residual
        direction = residual + torch.nan_to_num(smaller / square, nan=0.0, posinf=0.0) * direction
        square = smaller
    return solution


def trust_region_step(
    settings: TrustRegion,
    loss: Objective,
    divergence: Objective,
    parameters: Mapping[str, Tensor],
    curvature_of: Objective | None = None,
) -> Step:
    """Descend the loss within the trust region about the parameters, where the divergence is 0.

    The first candidate has the largest step that the divergence's second order allows along the natural gradient;
    it shrinks until the loss has fallen and the divergence itself lies within the radius. The second order may be that
    of `curvature_of` instead, such as a cheaper estimate over a part of the data.
    """
    before, gradient = outer_gradient(loss, parameters)
    slope = flatten(gradient)
    curvature = hessian_vector_products(curvature_of or divergence, parameters)
    direction = conjugate_gradients(lambda v: curvature(v) + settings.damping * v, -slope, settings.iterations)
    sharpness = direction @ curvature(direction)
    start, first, steepness = flatten(parameters), float(before), float(sharpness)
    if steepness <= 0:  # a loss without slope, or rounding about one
        return Step(dict(parameters), first, first, 0.0, accepted=False)
    longest = direction * (2 * settings.divergence / steepness) ** 0.5
    after, moved = first, 0.0
    for backtrack in range(settings.backtracks):
        candidate = unflatten(start + settings.shrink**backtrack * longest, parameters)
        # Adapting differentiates inside, so gradients are on; nothing is kept.
        after, moved = torch.stack([loss(candidate), divergence(candidate)]).detach().tolist()
        if after < first and moved <= settings.divergence:
            return Step(candidate, first, after, moved, accepted=True)
    return Step(dict(parameters), first, after, moved, accepted=False)
