"""Follow the meta-leader: MAML where tasks come one after another (Finn et al. 2019, arXiv:1902.08438).

A meta-step is a round (algorithm 1): the learner adapts to the new tasks and is judged, as it is; then it keeps them;
then it goes on towards the start that is best, after adapting, on all that it has kept. So the figures of a round are
from before it learned of the round's tasks, and their sum over rounds is what regret is measured by. Every task is
kept: the state grows with the rounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from environments.settings import Bounds
from meta_learners.episodes import EpisodeFamily, Examples, TaskBatch, outputs_of
from meta_learners.few_shot.losses import task_losses
from meta_learners.few_shot.outer import entered, judged_means
from meta_learners.gradient.bilevel import Inner, adapt, outer_gradient
from meta_learners.gradient.few_shot import AdaptedSettings
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.learner import CLASSES, NUMBERS, FewShotKind, LossError, Metrics, State
from meta_learners.networks.adam import Adam
from meta_learners.networks.adaptable import network_of, network_unread
from meta_learners.networks.policies import Parameters
from meta_learners.predictions import Logits, Numbers, Prediction

__all__ = ["LEARNER", "FollowTheMetaLeader", "OnlineSettings", "regret_of_quadratics"]

HALVES = ("support", "query")
PARTS = ("inputs", "targets", "present")
KEPT = "kept."  # begins the names of past tasks' tensors in the state
PAST = {f"{KEPT}{half}.{part}" for half in HALVES for part in PARTS}


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineSettings(AdaptedSettings):
    """How it learns."""

    updates: Annotated[int, Bounds(1, 10**6)] = 20  # of the start, in a round
    sampled: Annotated[int, Bounds(0, 10**6)] = 25  # past tasks of an update; all of them when 0
    joint: bool = False  # the rival: trained on past tasks without adapting, and adapts only when it is judged


def regret_of_quadratics(rounds: int, rate: float, variance: float, dimensions: int) -> float:
    """Give the expected regret of who follows the leader exactly, where round t costs |w - c_t|²/2 after one step.

    For c_t of independent normal coordinates: (1 - rate)²/2 times dimensions, variance and 1 + H of the rounds before.
    """
    harmonic = sum(1 / number for number in range(1, rounds))
    return (1 - rate) ** 2 / 2 * dimensions * variance * (1 + harmonic)


class FollowTheMetaLeader:
    """The learner; meets `meta_learners.learner.FewShotLearner`. Arguments are those of `GradientFewShot`."""

    name = "ftml"

    def __init__(
        self,
        shape: tuple[int, ...],
        outputs: int,
        ways: int | None,
        settings: OnlineSettings,
        *,
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self._settings, self._ways, self._device = settings, ways, device
        self._network = network_of(settings, shape, outputs)
        self._inner = Inner(steps=settings.inner_steps, rate=settings.inner_rate)
        initial = self._network.initial(torch_generator((seed, Stream.PARAMETERS)))
        self._adam = Adam(initial, settings.step_size, device=device)
        self._past: dict[str, Tensor] = {}

    def meta_step(self, batch: TaskBatch, key: Key) -> Metrics:
        """Be judged on a round's tasks, keep them, and go on towards the leader of all."""
        batch = entered(batch, self._ways, self._device)
        means = judged_means(self.predict(batch, key), batch.query)
        if not torch.tensor(list(means.values())).isfinite().all():
            raise LossError(f"a new task's figures are {means}")
        before = {name: each.clone() for name, each in self._adam.tensors().items()}
        past = self._joined(batch)
        generator = torch_generator((*key, Stream.CHOICES))
        losses = torch.zeros(())
        for _ in range(self._settings.updates):
            losses, gradient = self._slope(past, generator)
            if not all(each.isfinite().all() for each in (losses, *gradient.values())):
                self._adam.load(before)
                raise LossError(f"the loss of past tasks is {float(losses)}")
            self._adam.step(gradient)
        self._past = past
        return {"loss": float(losses), "tasks_kept": float(len(past[f"{KEPT}support.inputs"])), **means}

    def predict(self, batch: TaskBatch, key: Key) -> Prediction:
        """Adapt to each support, and tell the queries."""
        batch = entered(batch, self._ways, self._device)
        supports = [batch.support] * self._inner.steps
        adapted = adapt(self._inner, self._losses, self._adam.parameters, supports, batch.tasks)
        with torch.no_grad():
            told = self._network(adapted, batch.query.inputs.flatten(2))
        return Numbers.of(told) if self._ways is None else Logits(told)

    def state(self) -> State:
        """Give all that `load` needs: the past tasks, too."""
        return State({**self._adam.tensors(), **{name: each.clone() for name, each in self._past.items()}})

    def load(self, state: State) -> None:
        """Go on from a state.

        Raises:
            ValueError: it is another network's, or its past tasks are not whole.
        """
        kept = {name: each for name, each in state.tensors.items() if name.startswith(KEPT)}
        self._check_past(kept)
        self._adam.load(state.tensors)
        self._past = {name: each.clone().to(self._device) for name, each in kept.items()}

    def _losses(self, parameters: Parameters, examples: Examples) -> Tensor:
        return task_losses(self._network, self._ways, parameters, examples)

    def _check_past(self, kept: Mapping[str, Tensor]) -> None:
        """Refuse past tasks that are neither none nor whole."""
        if not kept:
            return
        if set(kept) != PAST:
            raise ValueError(
                f"the state keeps {', '.join(sorted(kept))}; it must be {', '.join(sorted(PAST))}, or none"
            )
        tasks = kept[f"{KEPT}query.present"].shape[:1]
        for half in HALVES:
            shapes = {part: tuple(kept[f"{KEPT}{half}.{part}"].shape) for part in PARTS}
            examples = shapes["present"]
            fits = len(examples) == 2 and examples[:1] == tuple(tasks)
            sizes = {"inputs": self._network.sizes[0], "targets": self._network.sizes[-1]}
            for part, size in sizes.items():
                classes = part == "targets" and self._ways is not None
                rest = shapes[part][2:]
                fits &= shapes[part][:2] == examples and (rest == () if classes else math.prod(rest) == size)
            if not fits:
                raise ValueError(f"the {half}s of past tasks have shapes {shapes}, which do not belong together")

    def _joined(self, batch: TaskBatch) -> dict[str, Tensor]:
        """Lay a batch behind the past tasks."""
        new: dict[str, Tensor] = {}
        for half in HALVES:
            of: Examples = getattr(batch, half)
            new |= {f"{KEPT}{half}.{name}": getattr(of, name) for name in ("inputs", "targets")}
            new[f"{KEPT}{half}.present"] = of.present
        return {name: torch.cat([self._past[name], each]) if self._past else each for name, each in new.items()}

    def _slope(self, past: dict[str, Tensor], generator: torch.Generator) -> tuple[Tensor, Parameters]:
        """Differentiate the mean loss of past tasks, after adapting to each, by the start."""
        count = len(past[f"{KEPT}support.inputs"])
        sampled = self._settings.sampled
        order = torch.arange(count) if not sampled else torch.randperm(count, generator=generator)[:sampled]
        support, query = (
            Examples(*(past[f"{KEPT}{half}.{name}"][order.to(self._device)] for name in PARTS)) for half in HALVES
        )

        def objective(leaves: Parameters) -> Tensor:
            if self._settings.joint:
                adapted = adapt(self._inner, self._losses, leaves, [], len(order))
                return 0.5 * (self._losses(adapted, support) + self._losses(adapted, query)).mean()
            adapted = adapt(self._inner, self._losses, leaves, [support] * self._inner.steps, len(order))
            return self._losses(adapted, query).mean()

        return outer_gradient(objective, self._adam.parameters)


def _make(name: str, family: EpisodeFamily, settings: OnlineSettings, *, seed: int, device: str) -> FollowTheMetaLeader:
    outputs = outputs_of(family)
    return FollowTheMetaLeader(family.input_shape, outputs, family.ways, settings, seed=seed, device=device)


LEARNER = FewShotKind(
    settings=OnlineSettings,
    make=_make,
    takes=frozenset({CLASSES, NUMBERS}),
    fixed_ways=True,
    unread=network_unread,
)
