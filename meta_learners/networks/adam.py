"""Adam over named parameters, whose whole state is a flat dict of tensors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

MOMENTS = ("exp_avg", "exp_avg_sq", "step")  # PyTorch's own names


def decayed(step_size: float, done: int, decay: int) -> float:
    """Lower a step size evenly, to 0 after `decay` meta-steps; never where that is 0."""
    return step_size * (max(1 - done / decay, 0.0) if decay else 1.0)


def annealed(done: int, over: int) -> float:
    """Give the part of a step size that a cosine leaves, 0 after `over` meta-steps; all of it where that is 0."""
    return 0.5 + 0.5 * math.cos(math.pi * min(done / over, 1.0)) if over else 1.0


class Adam:
    """PyTorch's Adam, of which parameters and state can be saved by name.

    Args:
        parameters: where to begin; copied.
        rate: the step size.
        device: where they live; where they were when None.
        largest_norm: gradients are scaled down to this norm, all together; not when None.
        stacked: whether parameters have a leading axis of tasks, which do not meet.

    Raises:
        ValueError: stacked parameters have a largest norm.
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        rate: float,
        *,
        device: str | torch.device | None = None,
        largest_norm: float | None = None,
        stacked: bool = False,
    ) -> None:
        self.parameters = {name: each.detach().clone().to(device) for name, each in parameters.items()}
        if stacked and largest_norm is not None:
            raise ValueError(f"largest_norm is {largest_norm}; parameters of tasks that do not meet can have none")
        self.largest_norm = largest_norm
        self._stacked = stacked
        self._adam = torch.optim.Adam(list(self.parameters.values()), lr=rate, foreach=True)

    @staticmethod
    def of(module: torch.nn.Module, rate: float, *, largest_norm: float | None = None) -> Adam:
        """Make one of a module's parameters, in one storage: its steps are the module's."""
        adam = Adam(dict(module.named_parameters()), rate, largest_norm=largest_norm)
        for name, parameter in module.named_parameters():
            parameter.data = adam.parameters[name]
        return adam

    @property
    def rate(self) -> float:
        """The step size."""
        return float(self._adam.param_groups[0]["lr"])

    @rate.setter
    def rate(self, rate: float) -> None:
        self._adam.param_groups[0]["lr"] = rate

    def step(self, gradients: Mapping[str, Tensor]) -> None:
        """Descend once."""
        for name, parameter in self.parameters.items():
            parameter.grad = gradients[name]
        if self.largest_norm is not None:
            torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), self.largest_norm)
        self._adam.step()
        self._adam.zero_grad()

    @property
    def size(self) -> int:
        """How many numbers a row has, see `rows`: all of a task's, or of all tasks' where they share them."""
        return sum(each[0].numel() if self._stacked else each.numel() for each in self.parameters.values())

    @contextmanager
    def rows(self, order: Sequence[str]) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Lay everything out for whoever descends by other means, and take it back after that.

        Args:
            order: of the parameters' names, within a row.

        Yields:
            Parameters and both moments, (M, n), a row for each task that parameters are stacked over or one for all;
            and the count of steps, (). What is written to them is kept, unless an exception ends the context.

        Raises:
            ValueError: the order has not all names.
        """
        if set(order) != set(self.parameters):
            raise ValueError(f"order has {', '.join(order)}; it must have all of {', '.join(self.parameters)}")
        leaves = [self.parameters[name] for name in order]
        states = [self._adam.state.get(leaf, {}) for leaf in leaves]
        tasks = len(leaves[0]) if self._stacked else 1
        parts = [leaves]
        for moment in MOMENTS[:2]:
            both = zip(leaves, states, strict=True)
            parts.append([state[moment] if state else torch.zeros_like(leaf) for leaf, state in both])
        steps = states[0]["step"].clone() if states[0] else torch.zeros(())
        laid = [torch.cat([each.reshape(tasks, -1) for each in part], 1) for part in parts]
        yield laid[0], laid[1], laid[2], steps
        cuts = [torch.split(each, [leaf.numel() // tasks for leaf in leaves], 1) for each in laid]
        for leaf, *found in zip(leaves, *cuts, strict=True):
            parameter, first, second = (each.reshape(leaf.shape).clone() for each in found)
            leaf.copy_(parameter)
            self._adam.state[leaf] = dict(zip(MOMENTS, (first, second, steps.clone()), strict=True))

    def tensors(self) -> dict[str, Tensor]:
        """Copy out the parameters and, once a step was taken, the moments."""
        found = {f"parameter.{name}": each.clone() for name, each in self.parameters.items()}
        for name, parameter in self.parameters.items():
            for moment, value in self._adam.state.get(parameter, {}).items():
                found[f"adam.{moment}.{name}"] = value.clone()
        return found

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy in what `tensors` gave.

        Raises:
            ValueError: names or shapes are not those of these parameters.
        """
        wanted = {f"parameter.{name}": each.shape for name, each in self.parameters.items()}
        found = {name: each.shape for name, each in tensors.items() if name.startswith("parameter.")}
        if found != wanted:
            raise ValueError(f"the state holds parameters {_shapes(found)}; this learner has {_shapes(wanted)}")
        begun = any(name.startswith("adam.") for name in tensors)
        expected = {f"adam.{moment}.{name}" for name in self.parameters for moment in MOMENTS} if begun else set()
        if missing := expected - set(tensors):
            raise ValueError(f"the state lacks {', '.join(sorted(missing))}")
        for name in sorted(expected):
            _, moment, of = name.split(".", 2)
            shape = torch.Size() if moment == "step" else self.parameters[of].shape
            if tensors[name].shape != shape:
                raise ValueError(f"{name} has shape {tuple(tensors[name].shape)}; it must be {tuple(shape)}")
        for name, parameter in self.parameters.items():
            with torch.no_grad():
                parameter.copy_(tensors[f"parameter.{name}"])
            kept = {moment: tensors[f"adam.{moment}.{name}"].clone() for moment in MOMENTS} if begun else {}
            # Adam counts its steps on the CPU wherever the parameters are.
            self._adam.state[parameter] = {
                moment: value if moment == "step" else value.to(parameter.device) for moment, value in kept.items()
            }


def _shapes(shapes: Mapping[str, torch.Size]) -> str:
    return ", ".join(f"{name.removeprefix('parameter.')} {tuple(shape)}" for name, shape in sorted(shapes.items()))
