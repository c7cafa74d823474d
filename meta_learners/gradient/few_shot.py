"""Learners by gradients that are given examples: a few steps on a task's support, from a learned start.

| name | rule | source |
|---|---|---|
| meta-curvature | as MAML; slopes are first multiplied by learned matrices | Park and Oliva 2019, arXiv:1902.03356 |
| t-net | as MAML, with a learned matrix after each layer, which does not adapt | Lee and Choi 2018, arXiv:1801.05558 |
| mt-net | as T-net; a learned mask says which units adapt | the same |

These, MAML, first-order MAML, Reptile, ANIL and Meta-SGD, by the bilevel core. E-MAML and ProMP change how MAML
accounts for the data that a policy collects; with given data there is nothing to change.

Reptile has no query: it takes its inner steps on all of a task's examples, some at a time, and what makes it generalise
is that steps on different ones agree (Nichol et al. 2018, arXiv:1803.02999, section 5). So it trains on support and
query by turns, and what is told of its queries in training is of examples that it has seen. On the support alone it
learned to fit that, while what queries of niches cost rose above what chance costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from environments.settings import Bounds
from meta_learners.episodes import EpisodeFamily, Examples, TaskBatch, outputs_of
from meta_learners.few_shot.losses import task_losses
from meta_learners.few_shot.outer import entered, judged_means, loss_and_norm
from meta_learners.gradient.bilevel import MASK, Inner, adapt, initial_of, outer_gradient, reptile_gradient
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.learner import CLASSES, NUMBERS, FewShotKind, Metrics, State
from meta_learners.networks.adam import Adam
from meta_learners.networks.adaptable import NetworkSettings, network_of, network_unread
from meta_learners.networks.policies import Parameters
from meta_learners.predictions import Logits, Numbers, Prediction

__all__ = ["FEW_SHOT", "AdaptedSettings", "GradientFewShot", "GradientSettings", "masks", "task_losses"]

INNER = {
    "maml": {},
    "fomaml": {"second_order": False},
    "reptile": {"second_order": False},
    "anil": {},
    "meta-sgd": {"learned_rates": True},
    "meta-curvature": {"curvature": True},
    "t-net": {},
    "mt-net": {"masked": True},
}
TRANSFORMED = ("t-net", "mt-net")
TEMPERATURE = 1.0  # of the draws of masks


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptedSettings(NetworkSettings):
    """How a learner that takes inner steps learns."""

    inner_rate: Annotated[float, Bounds(1e-9, 1e3)] = 0.01
    inner_steps: Annotated[int, Bounds(1, 1000)] = 1
    step_size: Annotated[float, Bounds(0, 1)] = 1e-3  # of Adam


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientSettings(AdaptedSettings):
    """How such a learner learns."""

    reptile_rate: Annotated[float, Bounds(0, 1)] = 0.1  # share of the way to the adapted parameters


class GradientFewShot:
    """The learner; meets `meta_learners.learner.FewShotLearner`.

    Args:
        name: one of `INNER`.
        shape: of an input.
        outputs: how many a target has, or N.
        ways: N classes, or None where targets are numbers.
        settings: how to learn.
        seed: of the initial weights.
        device: to compute on.
    """

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        outputs: int,
        ways: int | None,
        settings: GradientSettings,
        *,
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self.name, self._settings, self._ways, self._device = name, settings, ways, device
        self._network = network_of(settings, shape, outputs, transformed=name in TRANSFORMED)
        adapted = {"anil": self._network.last_layer} | dict.fromkeys(TRANSFORMED, self._network.layers)
        self._inner = Inner(
            steps=settings.inner_steps, rate=settings.inner_rate, adapted=adapted.get(name), **INNER[name]
        )
        initial = self._network.initial(torch_generator((seed, Stream.PARAMETERS)))
        meta = self._inner.meta_parameters(initial)
        if self._inner.masked:
            meta |= {
                f"{MASK}layer{number}": torch.zeros(size) for number, size in enumerate(self._network.sizes[1:])
            }  # logits
        self._adam = Adam(meta, settings.step_size, device=device)

    def loss(self, parameters: Parameters, examples: Examples) -> Tensor:
        """Give every task's mean loss (M,): squared errors, or cross-entropies."""
        return task_losses(self._network, self._ways, parameters, examples)

    def meta_step(self, batch: TaskBatch, key: Key) -> Metrics:
        """Adapt to the supports, and descend the loss of the queries."""
        batch = entered(batch, self._ways, self._device)
        meta = self._adam.parameters
        supports: Sequence[Examples] = [batch.support] * self._inner.steps
        adapted: Parameters = {}
        if self.name == "reptile":
            # One step alone would be the descent of all tasks' loss at once (Nichol et al., section 5.1).
            turns = [(batch.support, batch.query)[step % 2] for step in range(max(self._inner.steps, 2))]
            adapted = adapt(self._inner, self.loss, meta, turns, batch.tasks)
            loss, gradient = self.loss(adapted, batch.query).mean(), reptile_gradient(meta, adapted)
        else:

            def objective(leaves: Parameters) -> Tensor:
                nonlocal adapted
                chosen = self._with_masks(leaves, batch.tasks, key)
                adapted = adapt(self._inner, self.loss, chosen, supports, batch.tasks)
                return self.loss(adapted, batch.query).mean()

            loss, gradient = outer_gradient(objective, meta)
        value, norm = loss_and_norm(loss, gradient)
        means = judged_means(self._told(adapted, batch), batch.query)
        if self.name == "reptile":
            for name, each in meta.items():
                each.sub_(self._settings.reptile_rate * gradient[name])
        else:
            self._adam.step(gradient)
        return {"loss": value, "gradient_norm": norm, **means}

    def predict(self, batch: TaskBatch, key: Key) -> Prediction:
        """Take the inner steps on each support, and tell the queries."""
        batch = entered(batch, self._ways, self._device)
        meta = {name: each.detach() for name, each in self._adam.parameters.items()}
        chosen = self._with_masks(meta, batch.tasks, key)
        return self._told(
            adapt(self._inner, self.loss, chosen, [batch.support] * self._inner.steps, batch.tasks), batch
        )

    def _told(self, adapted: Parameters, batch: TaskBatch) -> Prediction:
        with torch.no_grad():
            told = self._network(adapted, batch.query.inputs.flatten(2))
        return Numbers.of(told) if self._ways is None else Logits(told)

    def _with_masks(self, meta: Parameters, tasks: int, key: Key) -> Parameters:
        """Draw each task's masks from their logits, once for all its steps."""
        if not self._inner.masked:
            return meta
        generator = torch_generator((*key, Stream.CHOICES))
        return {name: masks(each, tasks, generator) if name.startswith(MASK) else each for name, each in meta.items()}

    @property
    def start(self) -> Parameters:
        """The parameters that adapting begins with."""
        return initial_of(self._adam.parameters)

    def state(self) -> State:
        """Give all that `load` needs."""
        return State(self._adam.tensors())

    def load(self, state: State) -> None:
        """Go on from a state.

        Raises:
            ValueError: it is another network's, or of other settings.
        """
        self._adam.load(state.tensors)


def masks(logits: Tensor, tasks: int, generator: torch.Generator) -> Tensor:
    """Draw masks of 0 and 1 (M, units); slopes pass as through the probabilities that were rounded."""
    chance = torch.rand(tasks, *logits.shape, generator=generator).clamp(1e-6, 1 - 1e-6).to(logits)
    soft = ((logits + chance.logit()) / TEMPERATURE).sigmoid()  # a difference of two Gumbel draws is logistic
    return (soft >= 0.5).to(soft) + soft - soft.detach()


def _make(name: str, family: EpisodeFamily, settings: GradientSettings, *, seed: int, device: str) -> GradientFewShot:
    if name not in INNER:
        raise ValueError(f"learner {name!r} is MAML where examples are given; take maml")
    outputs = outputs_of(family)
    return GradientFewShot(name, family.input_shape, outputs, family.ways, settings, seed=seed, device=device)


def _unread(name: str, family: EpisodeFamily, settings: GradientSettings) -> frozenset[str]:
    return network_unread(name, family, settings) | {"step_size" if name == "reptile" else "reptile_rate"}


FEW_SHOT = FewShotKind(
    settings=GradientSettings,
    make=_make,
    takes=frozenset({CLASSES, NUMBERS}),
    fixed_ways=True,
    unread=_unread,
)
"""Of every name in `INNER`."""
