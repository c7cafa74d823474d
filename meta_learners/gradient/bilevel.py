"""The bilevel core: adapt parameters to every task at once, and differentiate through it.

The inner loop is gradient descent on each task's own loss (MAML, Finn et al.
2017, arXiv:1703.03400). Its members differ in three facts, which `Inner` holds:
whether the outer derivative sees the inner one (first-order MAML does not),
which parameters adapt (ANIL, Raghu et al. 2020, arXiv:1909.09157: the last
layer), and whether the rates are learned (Meta-SGD, Li et al. 2017,
arXiv:1707.09835). Losses are any function of stacked parameters and a batch, of
supervised learning or of reinforcement learning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from meta_learners.networks.policies import Parameters, stack

B = TypeVar("B")
Name = TypeVar("Name", str, int)
Loss = Callable[[Parameters, B], Tensor]
"""From parameters stacked over M tasks and their batch to every task's loss (M,)."""

RATE = "rate."  # begins the names of learned rates, which lie among the meta-parameters
MASK = "mask."  # likewise, before a layer's name, of masks (M, outputs) by which its slopes are multiplied
CURVATURE = "curvature."  # likewise of learned curvatures: `in.` and `out.` of a weight's name, or a bias's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    """How parameters adapt to a task."""

    steps: int = 1  # in training
    rate: float = 0.1
    second_order: bool = True
    learned_rates: bool = False  # one a parameter, starting at `rate`
    adapted: frozenset[str] | None = None  # names; all when None
    # Meta-Curvature (Park and Oliva 2019, arXiv:1902.03356): slopes are first multiplied by a learned matrix in each of
    # a weight's two directions, and by a number for each bias; all begin as the identity.
    curvature: bool = False
    # MT-net (Lee and Choi 2018, arXiv:1801.05558): only some units of each layer adapt to a task. The caller draws the
    # masks and lays them among the meta-parameters.
    masked: bool = False
    largest_norm: float | None = None  # to which each task's slopes, all together, are scaled down; not when None

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"inner steps are {self.steps}; they must be 0 or more")
        if not self.rate > 0:
            raise ValueError(f"the inner rate is {self.rate}; it must be above 0")

    def names(self, parameters: Iterable[str]) -> list[str]:
        """List the parameters that adapt.

        Raises:
            ValueError: one that should does not exist.
        """
        if self.adapted is None:
            return list(parameters)
        chosen = [name for name in parameters if name in self.adapted]
        if len(chosen) != len(self.adapted):
            raise ValueError(f"{sorted(self.adapted - set(chosen))} should adapt, but there are {list(parameters)}")
        return chosen

    def meta_parameters(self, initial: Mapping[str, Tensor]) -> Parameters:
        """Lay out what the outer loop learns: the initial parameters, and the rates if they are learned."""
        rates = {RATE + name: torch.full_like(initial[name], self.rate) for name in self.names(initial)}
        curved = _identities(initial, self.names(initial)) if self.curvature else {}
        return {**initial, **(rates if self.learned_rates else {}), **curved}


def _identities(initial: Mapping[str, Tensor], names: Sequence[str]) -> Parameters:
    found: Parameters = {}
    for name in names:
        each = initial[name]
        if each.dim() == 2:
            for way, size in zip(("in.", "out."), each.shape, strict=True):
                found[CURVATURE + way + name] = torch.eye(size, dtype=each.dtype, device=each.device)
        else:
            found[CURVATURE + name] = torch.ones_like(each)
    return found


def _curved(meta: Mapping[str, Tensor], name: str, slope: Tensor) -> Tensor:
    """Multiply a slope, stacked over tasks, by what was learned of its curvature."""
    if slope.dim() == 3:
        return meta[f"{CURVATURE}in.{name}"] @ slope @ meta[f"{CURVATURE}out.{name}"]
    return meta[CURVATURE + name] * slope


def _masked(mask: Tensor, slope: Tensor) -> Tensor:
    """Multiply what each unit (M, outputs) adapts by its mask: of its weights (M, inputs, outputs), or its bias."""
    return slope * (mask[:, None] if slope.dim() == 3 else mask)


def initial_of(meta: Mapping[str, Tensor]) -> Parameters:
    """Leave the learned rates, curvatures and masks out of the meta-parameters."""
    return {name: each for name, each in meta.items() if not name.startswith((RATE, CURVATURE, MASK))}


def adapt(inner: Inner, loss: Loss[B], meta: Mapping[str, Tensor], batches: Sequence[B], tasks: int) -> Parameters:
    """Take one inner step on each batch, from the shared initial parameters.

    Args:
        inner: how.
        loss: of stacked parameters and a batch.
        meta: shared meta-parameters. Where they require gradients, the result can be differentiated by them.
        batches: one a step.
        tasks: M.

    Returns:
        Parameters stacked over the tasks.
    """
    parameters = stack(initial_of(meta), tasks)
    for batch in batches:
        parameters = inner_step(inner, loss, meta, parameters, batch)
    return parameters


def inner_step(inner: Inner, loss: Loss[B], meta: Mapping[str, Tensor], parameters: Parameters, batch: B) -> Parameters:
    """Descend once on every task's own loss, from stacked parameters; otherwise as `adapt`."""
    names = inner.names(parameters)

    # A sum of losses has each task's own gradient in its own rows: tasks share no stacked parameter.
    def total(places: Parameters) -> Tensor:
        return loss({**parameters, **places}, batch).sum()

    slopes = _slopes(total, {name: parameters[name] for name in names}, inner.second_order, meta)
    if inner.masked:
        slopes = {name: _masked(meta[MASK + name.partition(".")[0]], each) for name, each in slopes.items()}
    if inner.curvature:
        slopes = {name: _curved(meta, name, each) for name, each in slopes.items()}
    if inner.largest_norm is not None:
        slopes = bounded(slopes, inner.largest_norm)
    stepped = {
        name: parameters[name] - (meta[RATE + name] if inner.learned_rates else inner.rate) * slopes[name]
        for name in names
    }
    return {**parameters, **stepped}


def bounded(slopes: Mapping[Name, Tensor], largest_norm: float) -> dict[Name, Tensor]:
    """Scale each task's slopes, stacked over tasks, down to a norm of all of them together; shorter ones stay."""
    squares = torch.stack([each.flatten(1).square().sum(1) for each in slopes.values()]).sum(0)
    factor = (largest_norm / squares.clamp(min=largest_norm**2).sqrt()).clamp(max=1)
    return {name: each * factor.reshape(-1, *(1,) * (each.dim() - 1)) for name, each in slopes.items()}


def _slopes(
    total: Callable[[Parameters], Tensor], at: Parameters, second_order: bool, meta: Mapping[str, Tensor]
) -> Parameters:
    """Differentiate the inner loss; the result can be differentiated again where the outer loop asks for it."""
    if torch.compiler.is_compiling():
        # Compiled code is differentiated twice by torch.func alone; uncompiled, autograd takes half its time.
        slopes = torch.func.grad(total)(at)
        return slopes if second_order else {name: each.detach() for name, each in slopes.items()}
    outer = any(each.requires_grad for each in (*meta.values(), *at.values()))
    with torch.enable_grad():
        places = {name: each if each.requires_grad else _leaf(each) for name, each in at.items()}
        slopes = torch.autograd.grad(total(places), list(places.values()), create_graph=outer and second_order)
    return dict(zip(places, slopes, strict=True))


def _leaf(parameter: Tensor) -> Tensor:
    return parameter.detach().requires_grad_()


def outer_gradient(objective: Callable[[Parameters], Tensor], meta: Mapping[str, Tensor]) -> tuple[Tensor, Parameters]:
    """Differentiate a scalar function of the meta-parameters: its value, and the gradient of each."""
    if torch.compiler.is_compiling():
        gradient, value = torch.func.grad_and_value(objective)(dict(meta))
        return value, gradient
    leaves = {name: _leaf(each) for name, each in meta.items()}
    value = objective(leaves)
    gradients = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
    filled = (torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves.values(), gradients, strict=True))
    return value.detach(), dict(zip(leaves, filled, strict=True))


def reptile_gradient(meta: Mapping[str, Tensor], adapted: Mapping[str, Tensor]) -> Parameters:
    """Point from the mean of the adapted parameters to the initial ones (Nichol et al. 2018, arXiv:1803.02999)."""
    return {name: each - adapted[name].mean(0) for name, each in meta.items()}


def flatten(parameters: Mapping[str, Tensor]) -> Tensor:
    """Lay all parameters behind one another: (P,)."""
    return torch.cat([each.reshape(-1) for each in parameters.values()])


def unflatten(vector: Tensor, like: Mapping[str, Tensor]) -> Parameters:
    """Undo `flatten`."""
    pieces = torch.split(vector, [each.numel() for each in like.values()])
    return {name: piece.view_as(each) for (name, each), piece in zip(like.items(), pieces, strict=True)}


def hessian_vector_products(
    function: Callable[[Parameters], Tensor], at: Mapping[str, Tensor]
) -> Callable[[Tensor], Tensor]:
    """Give v -> H v, (P,) to (P,), for the Hessian H of a scalar function; the function is evaluated once.

    Raises:
        ValueError: the function does not depend on the parameters.
    """
    point = flatten(at).detach().requires_grad_()
    value = function(unflatten(point, at))
    if not value.requires_grad:
        raise ValueError("the function does not depend on the parameters; its Hessian is nowhere defined")
    (slope,) = torch.autograd.grad(value, point, create_graph=True)

    def product(vector: Tensor) -> Tensor:
        (result,) = torch.autograd.grad(slope, point, vector, retain_graph=True)
        return result.detach()

    return product
