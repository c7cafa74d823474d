"""The optimisers that people use, each with its rate tuned over a grid: what a learned one must beat.

PyTorch's rules (momentum .9, RMSprop's mean .99, Adam's .9 and .999), here for all tasks and all rates of the grid side
by side. The rate that is chosen is the one whose loss after the last step, in the mean over the tasks of training, is
least; a rate that diverges on one task is not chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from meta_learners.episodes import Examples, TaskBatch
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.learned_optimisers.optimisee import Optimisee, flat, slopes_of, unflat
from meta_learners.networks.policies import Parameters
from meta_learners.predictions import Prediction

__all__ = ["NAMES", "RATES", "best_rate", "descend", "tuned"]

NAMES = ("sgd", "momentum", "nesterov", "rmsprop", "adam")
RATES = tuple(float(10 ** (power / 6)) for power in range(-24, 7))  # six a decade, .0001 to 10
KEPT, MEAN_SQUARE, ADAM_SQUARE, LEAST = 0.9, 0.99, 0.999, 1e-8


def descend(
    name: str, optimisee: Optimisee, start: Parameters, support: Examples, rates: Tensor, steps: int
) -> tuple[Parameters, Tensor]:
    """Take steps of an optimiser.

    Args:
        name: one of `NAMES`.
        optimisee: what is descended.
        start: parameters stacked over M tasks.
        support: their examples.
        rates: one for each task (M,).
        steps: how many.

    Returns:
        Parameters, and the losses after 0, 1, ... steps (M, steps + 1).
    """
    parameters, way, rate = start, [], rates[:, None]
    first = second = torch.zeros_like(flat(start))
    for step in range(1, steps + 1):
        parameters = {name: each.detach().requires_grad_() for name, each in parameters.items()}
        with torch.enable_grad():
            losses = optimisee.losses(parameters, support)
            slope = flat(slopes_of(losses, parameters))
        way.append(losses.detach())
        if name == "sgd":
            move = slope
        elif name in ("momentum", "nesterov"):
            first = KEPT * first + slope
            move = slope + KEPT * first if name == "nesterov" else first
        elif name == "rmsprop":
            second = MEAN_SQUARE * second + (1 - MEAN_SQUARE) * slope.square()
            move = slope / (second.sqrt() + LEAST)
        else:
            first = KEPT * first + (1 - KEPT) * slope
            second = ADAM_SQUARE * second + (1 - ADAM_SQUARE) * slope.square()
            move = first / (1 - KEPT**step) / ((second / (1 - ADAM_SQUARE**step)).sqrt() + LEAST)
        parameters = unflat(flat(parameters).detach() - rate * move, start)
    with torch.no_grad():
        way.append(optimisee.losses(parameters, support))
    return parameters, torch.stack(way, 1)


def best_rate(
    name: str, optimisee: Optimisee, start: Parameters, support: Examples, steps: int, rates: tuple[float, ...] = RATES
) -> float:
    """Choose the rate of a grid whose mean loss over M tasks after the last step is least."""
    tasks, number = len(support.inputs), len(rates)

    def repeated(each: Tensor) -> Tensor:
        return each.repeat(number, *(1,) * (each.dim() - 1))

    every = Examples(repeated(support.inputs), repeated(support.targets), repeated(support.present))
    grid = torch.tensor(rates, device=support.inputs.device).repeat_interleave(tasks)
    begun = {place: repeated(each) for place, each in start.items()}
    last = descend(name, optimisee, begun, every, grid, steps)[1][:, -1].reshape(number, tasks).mean(1)
    return rates[int(torch.where(last.isfinite(), last, torch.inf).argmin())]


def tuned(
    optimisee: Optimisee, known: TaskBatch, steps: int, key: Key
) -> Callable[[TaskBatch, Key], Mapping[str, Prediction]]:
    """Tune every optimiser's rate to known tasks, and give what predicts by each from drawn starts."""
    start = optimisee.start(known.tasks, torch_generator((*key, Stream.CHOICES)), known.support.inputs.device)
    rates = {name: best_rate(name, optimisee, start, known.support, steps) for name in NAMES}

    def predict(batch: TaskBatch, key: Key) -> dict[str, Prediction]:
        batch = batch.to(known.support.inputs.device)
        begun = optimisee.start(batch.tasks, torch_generator((*key, Stream.CHOICES)), batch.support.inputs.device)
        found: dict[str, Prediction] = {}
        for name, rate in rates.items():
            ended = descend(
                name, optimisee, begun, batch.support, torch.full((batch.tasks,), rate).to(batch.support.inputs), steps
            )[0]
            with torch.no_grad():
                found[f"{name}, rate {rate:.2g}"] = optimisee.told(ended, batch.query)
        return found

    return predict
