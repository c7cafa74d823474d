"""Meta-learning of supervised tasks, such as regression: the bilevel core with a given loss and Adam outside.

MAML, first-order MAML, ANIL, Meta-SGD and Reptile. E-MAML and ProMP change how
MAML accounts for the data that a policy collects; with given data both are MAML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from meta_learners.episodes import Examples
from meta_learners.gradient.bilevel import Inner, adapt, initial_of, inner_step, outer_gradient, reptile_gradient
from meta_learners.learner import LossError, Metrics, State
from meta_learners.networks.adam import Adam
from meta_learners.networks.policies import Network, Parameters, stack

__all__ = ["Examples", "SupervisedLearner"]


class SupervisedLearner:
    """Learns initial parameters from which few gradient steps fit a new task.

    Args:
        network: maps inputs to targets; the loss is the mean square error.
        initial: its shared parameters to begin with.
        inner: the inner loop.
        meta_rate: step size of Adam; for Reptile the share of the way to the adapted parameters.
        reptile: moves towards the adapted parameters instead of descending the loss of the query examples.
        device: where everything is computed.
        compile: runs the outer gradient through `torch.compile`: pays for a minute of compiling in long trainings.
    """

    def __init__(
        self,
        network: Network,
        initial: Mapping[str, Tensor],
        inner: Inner,
        *,
        meta_rate: float = 1e-3,
        reptile: bool = False,
        device: str | torch.device = "cpu",
        compile: bool = False,
    ) -> None:
        self._network, self._inner, self._reptile, self._meta_rate = network, inner, reptile, meta_rate
        self._adam = Adam(inner.meta_parameters(initial), meta_rate, device=device)
        self._differentiate = torch.compile(self._outer_gradient) if compile else self._outer_gradient

    @property
    def meta_parameters(self) -> Parameters:
        """What the outer loop has learned so far."""
        return self._adam.parameters

    def loss(self, parameters: Parameters, examples: Examples) -> Tensor:
        """Give every task's mean square error (M,)."""
        return (self._network(parameters, examples.inputs) - examples.targets).square().mean((1, 2))

    def meta_step(self, supports: Sequence[Examples], query: Examples) -> Metrics:
        """Adapt to the supports, one inner step on each, and descend the loss of the query.

        Raises:
            LossError: the loss or its gradient is not finite; nothing has changed.
        """
        tasks, meta = len(query.inputs), self.meta_parameters
        if self._reptile:
            adapted = adapt(self._inner, self.loss, meta, supports, tasks)
            loss, gradient = self.loss(adapted, query).mean(), reptile_gradient(meta, adapted)
        else:
            loss, gradient = self._differentiate(meta, supports, query)
        norm = torch.stack([each.norm() for each in gradient.values()]).norm()
        figures = torch.stack([loss, norm]).tolist()
        if not torch.tensor(figures).isfinite().all():
            raise LossError(f"the loss is {figures[0]} and its gradient's norm {figures[1]}; lower the rates")
        if self._reptile:
            for name, each in meta.items():
                each.sub_(self._meta_rate * gradient[name])
        else:
            self._adam.step(gradient)
        return {"loss": figures[0], "gradient_norm": figures[1]}

    def _outer_gradient(
        self, meta: Parameters, supports: Sequence[Examples], query: Examples
    ) -> tuple[Tensor, Parameters]:
        def objective(leaves: Parameters) -> Tensor:
            return self.loss(adapt(self._inner, self.loss, leaves, supports, len(query.inputs)), query).mean()

        return outer_gradient(objective, meta)

    def curve(self, support: Examples, query: Examples, steps: int) -> Tensor:
        """Take steps on one support: every task's query loss after 0, 1, ... of them (M, steps + 1)."""
        meta = {name: each.detach() for name, each in self.meta_parameters.items()}
        parameters = stack(initial_of(meta), len(query.inputs))
        losses = []
        for step in range(steps + 1):
            with torch.no_grad():
                losses.append(self.loss(parameters, query))
            if step < steps:
                parameters = inner_step(self._inner, self.loss, meta, parameters, support)
        return torch.stack(losses, 1)

    def state(self) -> State:
        """Give all that `load` needs."""
        return State(self._adam.tensors())

    def load(self, state: State) -> None:
        """Go on from a state.

        Raises:
            ValueError: it is another network's, or of other settings.
        """
        self._adam.load(state.tensors)
