"""Gradient-based meta-reinforcement learning: the bilevel core over experience, with TRPO or PPO outside.

A meta-step plays every task with the initial policy, adapts, plays again with
the adapted ones, and improves the initial parameters by differentiating what
the adapted policies did through the adaptation. The learners are rows of
`variants.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Annotated, TypeVar

import torch
from torch import Tensor

from environments.settings import Bounds, check_bounds
from meta_learners.adam import Adam
from meta_learners.bilevel import Inner, adapt, initial_of, inner_step, outer_gradient, reptile_gradient
from meta_learners.experience import (
    Experience,
    clipped_loss,
    divergence,
    experience,
    likelihood_loss,
    ratio_loss,
)
from meta_learners.heads import head_of
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.learner import LossError, Metrics, State
from meta_learners.policies import Parameters, Policy, PolicyActor, stack
from meta_learners.sampling import Rollout, Sampler
from meta_learners.tasks import Actions
from meta_learners.trust_region import TrustRegion, trust_region_step
from meta_learners.variants import variant

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    """Everything about a learner of policies but its name and the sizes of its tasks."""

    hidden: tuple[int, ...] = (64, 64)  # units of each layer
    deviation: Annotated[float, Bounds(1e-3, 100)] = 1.0  # of continuous actions, to begin with
    discount: Annotated[float, Bounds(0, 1)] = 0.99
    trace: Annotated[float, Bounds(0, 1)] = 1.0  # lambda of GAE
    steps: Annotated[int | None, Bounds(1, 10**6)] = None  # of each world in a phase, episodes following on; or else
    episodes: Annotated[int, Bounds(1, 10**4)] = 1  # whole ones of each world in a phase
    inner_steps: Annotated[int, Bounds(1, 100)] = 1
    inner_rate: Annotated[float, Bounds(1e-9, 1e9)] = 0.1
    outer: str | None = None  # "trpo" or "ppo"; the learner's own when None
    trust_region: TrustRegion = field(default_factory=TrustRegion)
    curvature_tasks: Annotated[int | None, Bounds(1, 10**4)] = None  # whose divergence shapes TRPO's steps; None: all
    meta_rate: Annotated[float, Bounds(0, 1)] = 1e-3  # of Adam under PPO; Reptile's share of the way
    epochs: Annotated[int, Bounds(1, 100)] = 5  # of PPO
    clip: Annotated[float, Bounds(0, 10)] = 0.3  # of PPO
    inner_divergence: Annotated[float, Bounds(0, 1e6)] = 5e-4  # weight of ProMP's KL before adapting, under PPO
    largest_norm: Annotated[float | None, Bounds(0, 1e9)] = None  # of gradients under PPO

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.outer not in (None, "trpo", "ppo"):
            raise ValueError(f"outer is {self.outer!r}; it must be trpo or ppo")


class PolicyLearner:
    """A `Learner` of policies by gradients, named as in `variants.py`.

    Args:
        name: such as "maml".
        observation_size: of the tasks.
        actions: of the tasks.
        settings: the rest.
        seed: of the initial parameters.
        device: where the policy is computed; the sampler's.

    Raises:
        ValueError: there is no such learner.
    """

    def __init__(
        self,
        name: str,
        observation_size: int,
        actions: Actions,
        settings: PolicySettings,
        *,
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self.name, self.settings, self._variant = name, settings, variant(name)
        self.policy = Policy.make(observation_size, head_of(actions), settings.hidden, deviation=settings.deviation)
        self._outer = settings.outer or self._variant.outer
        self._inner = Inner(
            steps=settings.inner_steps,
            rate=settings.inner_rate,
            second_order=self._variant.second_order,
            learned_rates=self._variant.learned_rates,
            adapted=self.policy.last_layer if self._variant.last_layer_only else None,
        )
        initial = self.policy.initial(torch_generator((seed, Stream.PARAMETERS)))
        self._adam = Adam(
            self._inner.meta_parameters(initial), settings.meta_rate, device=device, largest_norm=settings.largest_norm
        )
        loss = ratio_loss if self._variant.likelihood_ratio else likelihood_loss
        self._inner_loss: Callable[[Parameters, Experience], Tensor] = partial(loss, self.policy)

    @property
    def meta_parameters(self) -> Parameters:
        """What the outer loop has learned so far."""
        return self._adam.parameters

    def meta_step(self, sampler: Sampler[T], tasks: Sequence[T], key: Key) -> Metrics:
        """Play the tasks before and after adapting, and take one outer step.

        Raises:
            LossError: something is not finite; nothing has changed.
        """
        phases, rollouts = self._play(sampler, tasks, key)
        if self._variant.reptile:
            metrics = self._reptile(phases)
        elif self._outer == "trpo":
            metrics = self._trust_region(phases, rollouts)
        else:
            metrics = self._ppo(phases, rollouts)
        before, after = (_mean_return(each) for each in (rollouts[0], rollouts[-1]))
        diverged = float(sum(each.diverged for each in rollouts))
        return {"return_before": before, "return_after": after, "diverged": diverged, **metrics}

    def adapt(self, sampler: Sampler[T], tasks: Sequence[T], episodes: int, key: Key) -> PolicyActor:
        """Adapt to each task by so many episodes in every one of its worlds, pooled.

        There are as many inner steps as in training, each on its share of the episodes, or fewer if there are fewer
        episodes than that.
        """
        meta = self.meta_parameters
        parameters = stack(initial_of(meta), len(tasks))
        steps = self._inner.steps
        for step in range(steps):
            share = episodes * (step + 1) // steps - episodes * step // steps
            if share:
                rollout = sampler.play(tasks, self.policy.actor(parameters), (*key, step), episodes=share)
                parameters = inner_step(self._inner, self._inner_loss, meta, parameters, self._learn_from(rollout))
        return self.policy.actor(parameters)

    def state(self) -> State:
        """Give all that `load` needs; the facts also rebuild the learner."""
        return State(self._adam.tensors(), {"learner": self.name, "settings": asdict(self.settings)})

    def load(self, state: State) -> None:
        """Go on from a state.

        Raises:
            ValueError: it is another learner's, or of other sizes.
        """
        if state.facts.get("learner") != self.name:
            raise ValueError(f"the state is of learner {state.facts.get('learner')!r}; this one is {self.name!r}")
        self._adam.load(state.tensors)

    def _play(self, sampler: Sampler[T], tasks: Sequence[T], key: Key) -> tuple[list[Experience], list[Rollout]]:
        meta, limits = self.meta_parameters, {"steps": self.settings.steps}
        if self.settings.steps is None:
            limits = {"episodes": self.settings.episodes}
        parameters = stack(initial_of(meta), len(tasks))
        phases: list[Experience] = []
        rollouts = []
        for phase in range(self._inner.steps + 1):
            if phase:
                parameters = inner_step(self._inner, self._inner_loss, meta, parameters, phases[-1])
            rollouts.append(sampler.play(tasks, self.policy.actor(parameters), (*key, phase), **limits))
            phases.append(self._learn_from(rollouts[-1]))
        return phases, rollouts

    def _learn_from(self, rollout: Rollout) -> Experience:
        return experience(rollout, self.policy.head, discount=self.settings.discount, trace=self.settings.trace)

    def _adapted(self, meta: Parameters, phases: Sequence[Experience], tasks: int) -> Parameters:
        return adapt(self._inner, self._inner_loss, meta, phases, tasks)

    def _exploration(self, meta: Parameters, first: Experience, last: Rollout) -> Tensor:
        """Give E-MAML's term: what was explored is as good as what the adapted policy then achieved (its eq. 8)."""
        achieved = _task_returns(last)
        credit = (achieved - achieved.mean()) / (achieved.std() + 1e-8)
        # Over the adapted policy's standardised advantages, so that both terms are of one scale.
        explored = Experience(
            first.observations,
            first.actions,
            first.numbers,
            first.log_probabilities,
            credit[:, None].expand_as(first.advantages),
            first.weights,
        )
        return ratio_loss(self.policy, stack(initial_of(meta), len(credit)), explored).mean()

    def _trust_region(self, phases: Sequence[Experience], rollouts: Sequence[Rollout]) -> Metrics:
        *before, last = phases

        def loss(meta: Parameters) -> Tensor:
            value = ratio_loss(self.policy, self._adapted(meta, before, last.tasks), last).mean()
            if self._variant.exploration:
                value = value + self._exploration(meta, phases[0], rollouts[-1])
            return value

        def moved(meta: Parameters, some: int | None = None) -> Tensor:
            first = [data.of_first(some) for data in (*before, last)]
            return divergence(self.policy, self._adapted(meta, first[:-1], first[-1].tasks), first[-1]).mean()

        shape = partial(moved, some=self.settings.curvature_tasks)
        step = trust_region_step(self.settings.trust_region, loss, moved, self.meta_parameters, shape)
        figures = {"loss": step.loss_before, "loss_after": step.loss_after, "divergence": step.divergence}
        _require_finite(figures)
        for name, each in self.meta_parameters.items():
            each.copy_(step.parameters[name])
        return {**figures, "accepted": float(step.accepted)}

    def _ppo(self, phases: Sequence[Experience], rollouts: Sequence[Rollout]) -> Metrics:
        *before, last = phases

        def objective(meta: Parameters) -> Tensor:
            adapted = stack(initial_of(meta), last.tasks)
            value = last.weights.new_zeros(())
            for data in before:
                if self._variant.likelihood_ratio:
                    near = divergence(self.policy, adapted, data).mean()
                    value = value + self.settings.inner_divergence * near
                adapted = inner_step(self._inner, self._inner_loss, meta, adapted, data)
            value = value + clipped_loss(self.policy, adapted, last, self.settings.clip).mean()
            if self._variant.exploration:
                value = value + self._exploration(meta, phases[0], rollouts[-1])
            return value

        kept = self._adam.tensors()
        losses = []
        for _ in range(self.settings.epochs):
            loss, gradient = outer_gradient(objective, self.meta_parameters)
            norm = torch.stack([each.norm() for each in gradient.values()]).norm()
            losses.append(torch.stack([loss, norm]))
            self._adam.step(gradient)
        first, norm = losses[0].tolist()
        figures = {"loss": first, "loss_after": float(losses[-1][0]), "gradient_norm": norm}
        try:
            _require_finite({**figures, "sum of all": float(torch.stack(losses).sum())})
        except LossError:
            self._adam.load(kept)
            raise
        return figures

    def _reptile(self, phases: Sequence[Experience]) -> Metrics:
        meta = self.meta_parameters
        adapted = self._adapted(meta, phases, phases[0].tasks)
        gradient = reptile_gradient(meta, adapted)
        norm = float(torch.stack([each.norm() for each in gradient.values()]).norm())
        _require_finite({"distance": norm})
        for name, each in meta.items():
            each.sub_(self.settings.meta_rate * gradient[name])
        return {"distance": norm}


def _require_finite(figures: Metrics) -> None:
    for name, value in figures.items():
        if not torch.tensor(value).isfinite():
            raise LossError(f"{name} is {value}; the learner is as it was before this step. Lower the rates.")


def _task_returns(rollout: Rollout) -> Tensor:
    """Give the mean return of each task's episodes (M,), those cut by the end of the rollout included."""
    count = (rollout.ends.sum((1, 2)) + (rollout.valid[:, -1] & ~rollout.ends[:, -1]).sum(1)).clamp(min=1)
    return rollout.rewards.sum((1, 2)) / count


def _mean_return(rollout: Rollout) -> float:
    return float(_task_returns(rollout).mean())
