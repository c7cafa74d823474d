"""Gradient-based meta-reinforcement learning: the bilevel core over experience, with TRPO or PPO outside.

A meta-step plays every task with the initial policy, adapts, plays again with
the adapted ones, and improves the initial parameters by differentiating what
the adapted policies did through the adaptation. The learners are rows of
`variants.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, TypeVar

import torch
from torch import Tensor

from environments.settings import Bounds, check_bounds
from meta_learners.acting import Actions, Rollout
from meta_learners.experience.batches import Experience, experience
from meta_learners.experience.sampling import Sampler
from meta_learners.families.family import TaskFamily
from meta_learners.gradient.bilevel import Inner, flatten, initial_of, inner_step, reptile_gradient
from meta_learners.gradient.few_shot import FEW_SHOT
from meta_learners.gradient.surrogate import Collected, Surrogate
from meta_learners.gradient.trust_region import TrustRegion, trust_region_step
from meta_learners.gradient.variants import variant
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.learner import LearnerKind, LossError, Metrics, State
from meta_learners.networks.adam import Adam
from meta_learners.networks.heads import choice_unread, head_of
from meta_learners.networks.policies import PRECISIONS, Parameters, Policy, PolicyActor, stack

T = TypeVar("T")

LARGEST_LAYER = 4096  # units


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
    curvature_tasks: Annotated[int | None, Bounds(1, 10**4)] = 8  # whose divergence shapes TRPO's steps; None: all
    meta_rate: Annotated[float, Bounds(0, 1)] = 1e-3  # of Adam under PPO; Reptile's share of the way
    epochs: Annotated[int, Bounds(1, 100)] = 5  # of PPO
    clip: Annotated[float, Bounds(0, 10)] = 0.3  # of PPO
    inner_divergence: Annotated[float, Bounds(0, 1e6)] = 5e-4  # weight of ProMP's KL before adapting, under PPO
    compile: bool = False  # PPO's gradient by torch.compile: a minute at the start, faster steps
    precision: str = "float32"  # of matrix products; or "bfloat16"
    largest_norm: Annotated[float | None, Bounds(0, 1e9)] = None  # of gradients under PPO

    def __post_init__(self) -> None:
        check_bounds(self)
        if not all(1 <= units <= LARGEST_LAYER for units in self.hidden):
            raise ValueError(f"hidden is {list(self.hidden)}; every layer must be in [1, {LARGEST_LAYER}]")
        if self.outer not in (None, "trpo", "ppo"):
            raise ValueError(f"outer is {self.outer!r}; it must be trpo or ppo")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision is {self.precision!r}; it must be {' or '.join(PRECISIONS)}")


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
        self.policy = Policy.make(
            observation_size,
            head_of(actions),
            settings.hidden,
            deviation=settings.deviation,
            precision=settings.precision,
        )
        self._outer = settings.outer or self._variant.outer
        inner = Inner(
            steps=settings.inner_steps,
            rate=settings.inner_rate,
            second_order=self._variant.second_order,
            learned_rates=self._variant.learned_rates,
            adapted=self.policy.last_layer if self._variant.last_layer_only else None,
        )
        initial = self.policy.initial(torch_generator((seed, Stream.PARAMETERS)))
        self._adam = Adam(
            inner.meta_parameters(initial), settings.meta_rate, device=device, largest_norm=settings.largest_norm
        )
        self._surrogate = Surrogate(
            self.policy, inner, self._variant.likelihood_ratio, settings.clip, settings.inner_divergence
        )
        gradient = self._surrogate.clipped_gradient
        self._clipped_gradient = torch.compile(gradient) if settings.compile else gradient

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
        before, after = (_task_means(each, each.scores) for each in (rollouts[0], rollouts[-1]))
        credit = _task_means(rollouts[-1], rollouts[-1].rewards)
        standard = (credit - credit.mean()) / (credit.std(correction=0) + 1e-8) if self._variant.exploration else None
        seen = Collected(tuple(phases[:-1]), phases[-1], standard)
        if self._variant.reptile:
            metrics = self._reptile(phases)
        else:
            metrics = self._trust_region(seen) if self._outer == "trpo" else self._ppo(seen)
        means = torch.stack([before, after]).mean(1)
        told = torch.cat([means, rollouts[-1].falls[None]]).tolist()  # one reading for all
        return {
            "return_before": told[0],
            "return_after": told[1],
            "diverged": float(sum(each.diverged for each in rollouts)),
            "falls": told[2],
            **metrics,
        }

    def adapt(self, sampler: Sampler[T], tasks: Sequence[T], episodes: int, key: Key) -> PolicyActor:
        """Adapt to each task by so many episodes in every one of its worlds, pooled.

        There are as many inner steps as in training, each on its share of the episodes, or fewer if there are fewer
        episodes than that.
        """
        parameters = stack(initial_of(self.meta_parameters), len(tasks))
        steps = self.settings.inner_steps
        for step in range(steps):
            share = episodes * (step + 1) // steps - episodes * step // steps
            if share:
                rollout = sampler.play(tasks, self.policy.actor(parameters), (*key, step), episodes=share)
                parameters = self._inner_step(parameters, self._learn_from(rollout))
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
        steps = self.settings.steps
        episodes = self.settings.episodes if steps is None else None
        parameters = stack(initial_of(self.meta_parameters), len(tasks))
        phases: list[Experience] = []
        rollouts = []
        for phase in range(self.settings.inner_steps + 1):
            if phase:
                parameters = self._inner_step(parameters, phases[-1])
            rollouts.append(
                sampler.play(tasks, self.policy.actor(parameters), (*key, phase), steps=steps, episodes=episodes)
            )
            phases.append(self._learn_from(rollouts[-1]))
        return phases, rollouts

    def _inner_step(self, parameters: Parameters, data: Experience) -> Parameters:
        surrogate = self._surrogate
        return inner_step(surrogate.inner, surrogate.inner_loss, self.meta_parameters, parameters, data)

    def _learn_from(self, rollout: Rollout) -> Experience:
        return experience(rollout, self.policy.head, discount=self.settings.discount, trace=self.settings.trace)

    def _trust_region(self, seen: Collected) -> Metrics:
        few = seen.of_first(self.settings.curvature_tasks)
        step = trust_region_step(
            self.settings.trust_region,
            lambda meta: self._surrogate.ratio(meta, seen),
            lambda meta: self._surrogate.moved(meta, seen),
            self.meta_parameters,
            lambda meta: self._surrogate.moved(meta, few),
        )
        figures = {"loss": step.loss_before, "loss_after": step.loss_after, "divergence": step.divergence}
        _require_finite(figures)
        for name, each in self.meta_parameters.items():
            each.copy_(step.parameters[name])
        return {**figures, "accepted": float(step.accepted)}

    def _ppo(self, seen: Collected) -> Metrics:
        kept = self._adam.tensors()
        rows = []
        for _ in range(self.settings.epochs):
            loss, gradient = self._clipped_gradient(self.meta_parameters, seen)
            rows.append(torch.stack([loss, _norm(gradient)]))
            self._adam.step(gradient)
        losses, norms = torch.stack(rows, 1).tolist()
        try:
            _require_finite({"loss": sum(losses), "the gradient's norm": sum(norms)})
        except LossError:
            self._adam.load(kept)
            raise
        return {"loss": losses[0], "loss_after": losses[-1], "gradient_norm": norms[0]}

    def _reptile(self, phases: Sequence[Experience]) -> Metrics:
        meta = self.meta_parameters
        gradient = reptile_gradient(meta, self._surrogate.adapted(meta, phases, phases[0].tasks))
        distance = float(_norm(gradient))
        _require_finite({"distance": distance})
        for name, each in meta.items():
            each.sub_(self.settings.meta_rate * gradient[name])
        return {"distance": distance}


def _norm(gradient: Parameters) -> Tensor:
    return flatten(gradient).square().sum().sqrt()


def _require_finite(figures: Metrics) -> None:
    for name, value in figures.items():
        if not torch.tensor(value).isfinite():
            raise LossError(f"{name} is {value}; the learner is as it was before this step")


def _task_means(rollout: Rollout, gains: Tensor) -> Tensor:
    """Give the mean sum of gains (M, T, N) of each task's episodes (M,), those cut by the rollout's end included."""
    count = (rollout.ends.sum((1, 2)) + (rollout.valid[:, -1] & ~rollout.ends[:, -1]).sum(1)).clamp(min=1)
    return gains.sum((1, 2)) / count


def _make(name: str, family: TaskFamily[Any], settings: PolicySettings, *, seed: int, device: str) -> PolicyLearner:
    return PolicyLearner(name, family.observation_size, family.actions, settings, seed=seed, device=device)


OF_TRPO = frozenset({"trust_region", "curvature_tasks"})
OF_PPO = frozenset({"epochs", "clip", "compile", "largest_norm"})


def _unread(name: str, family: TaskFamily[Any], settings: PolicySettings) -> frozenset[str]:
    kind, found = variant(name), choice_unread(name, family, settings)
    if settings.steps is not None:
        found |= {"episodes"}
    if kind.reptile:
        return found | OF_TRPO | OF_PPO | {"outer", "inner_divergence"}
    if (settings.outer or kind.outer) == "trpo":
        return found | OF_PPO | {"meta_rate", "inner_divergence"}
    return found | OF_TRPO | (frozenset() if kind.likelihood_ratio else {"inner_divergence"})


LEARNER = LearnerKind(
    settings=PolicySettings,
    make=_make,
    horizon=lambda settings: settings.steps,
    few_shot=FEW_SHOT,
    unread=_unread,
)
"""Of every name in `variants.py`."""
