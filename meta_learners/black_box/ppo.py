"""One policy for all tasks, learnt as if they were one, and fine-tuned to each: what meta-learners must beat.

Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347) with generalised advantage estimation. Without a
meta-step taken, fine-tuning it is training from scratch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from environments.settings import Bounds, check_bounds
from evolution import proximal
from meta_learners.acting import Rollout
from meta_learners.experience.proximal import (
    all_finite,
    clipped_surrogate,
    kept_rows,
    minibatches,
    standardised,
)
from meta_learners.experience.returns import advantages
from meta_learners.experience.sampling import Sampler
from meta_learners.families.family import TaskFamily
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.learner import LearnerKind, LossError, Metrics, State
from meta_learners.networks.adam import Adam, decayed
from meta_learners.networks.heads import Normal, choice_unread, head_of
from meta_learners.networks.policies import Network, Parameters, Policy, PolicyActor, stack

T = TypeVar("T")
VALUE = "value."  # begins the names of the value network's parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class PPOSettings:
    """How the policy learns, and how it is fine-tuned."""

    hidden: Annotated[int, Bounds(1, 4096)] = 64  # units in each of two layers
    steps: Annotated[int, Bounds(1, 10**6)] = 128  # of every world in a meta-step, episodes following one another
    run_on: bool = True  # whether worlds go on between meta-steps; if not, each begins with new episodes
    discount: Annotated[float, Bounds(0, 1)] = 0.99
    trace: Annotated[float, Bounds(0, 1)] = 0.95  # lambda of generalised advantage estimation
    clip: Annotated[float, Bounds(0, 10)] = 0.2
    entropy: Annotated[float, Bounds(0, 100)] = 0.0
    deviation: Annotated[float, Bounds(1e-3, 100)] = 0.6  # of the first actions, where they are continuous
    reward_scale: Annotated[float, Bounds(1e-6, 1e6)] = 0.05  # of what values predict
    epochs: Annotated[int, Bounds(1, 100)] = 10
    minibatches: Annotated[int, Bounds(1, 10_000)] = 8
    step_size: Annotated[float, Bounds(0, 1)] = 5e-4  # of Adam
    decay: Annotated[int, Bounds(0, 10**9)] = 0  # meta-steps until the step size is 0; 0 for never
    adaptation_step_size: Annotated[float, Bounds(0, 1)] = 3e-4  # of Adam, which begins anew on every task

    def __post_init__(self) -> None:
        check_bounds(self)


class PPO:
    """The learner; meets `meta_learners.learner.Learner`.

    Args:
        family: whose observations and actions the policy is for.
        settings: how to learn.
        seed: of the initial weights.
        device: of the policy; the sampler's.
    """

    name = "ppo"

    def __init__(
        self,
        family: TaskFamily[Any],
        settings: PPOSettings,
        *,
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self.settings = settings
        self._steps = 0  # meta-steps taken
        self._device = device
        sizes = (settings.hidden, settings.hidden)
        self._policy = Policy.make(
            family.observation_size, head_of(family.actions), sizes, deviation=settings.deviation
        )
        self._value = Network((family.observation_size, *sizes, 1))
        networks = self._policy.network, self._value
        self._controllers = networks[0].controller, networks[1].controller
        generator = torch_generator((seed, Stream.PARAMETERS))
        values = {VALUE + name: each for name, each in self._value.initial(generator).items()}
        # As the core lays them out: the policy's layers, the values', and how far actions deviate.
        self._order = (*networks[0].order, *(VALUE + name for name in networks[1].order), "log_deviation")
        self._adam = Adam(
            {**self._policy.initial(generator), **values}, settings.step_size, device=device, largest_norm=0.5
        )

    def meta_step(self, sampler: Sampler[T], tasks: Sequence[T], key: Key) -> Metrics:
        """Play all tasks and improve the one policy.

        Raises:
            LossError: a loss is not finite; nothing has changed.
        """
        before = self._adam.tensors()
        actor = self._policy.actor(self._adam.parameters)
        rollout = sampler.play(tasks, actor, key, steps=self.settings.steps, go_on=self.settings.run_on)
        self._adam.rate = decayed(self.settings.step_size, self._steps, self.settings.decay)
        losses = self._improve(self._adam, _merged(self._data(self._adam.parameters, rollout)), key)
        sound = all_finite((losses, *self._adam.parameters.values()))
        # One reading for all: each makes the processor wait for the device.
        told = torch.stack([sound, *losses, rollout.mean_return(), rollout.falls]).tolist()
        finite, policy_loss, value_loss, entropy, mean, falls = told
        if not finite:
            self._adam.load(before)
            raise LossError(
                f"the losses of policy and values are {policy_loss} and {value_loss}, "
                "and they or the parameters after them are not finite"
            )
        self._steps += 1
        figures = {"loss": policy_loss, "value_loss": value_loss, "entropy": entropy}
        if math.isnan(mean):  # no episode ended: there is no return to tell
            return figures
        return {"return_before": mean, "falls": falls, **figures}

    def adapt(self, sampler: Sampler[T], tasks: Sequence[T], episodes: int, key: Key) -> PolicyActor:
        """Fine-tune a copy of the policy to each task: one update after every episode."""
        if episodes == 0:
            return self._policy.actor(self._adam.parameters)
        shared = stack(self._adam.parameters, len(tasks))
        adam = Adam(shared, self.settings.adaptation_step_size, device=self._device, stacked=True)
        for episode in range(episodes):
            here = (*key, episode)
            rollout = sampler.play(tasks, self._policy.actor(adam.parameters), here, episodes=1)
            self._improve(adam, self._data(adam.parameters, rollout), here)
        return self._policy.actor(adam.parameters)

    def gains(self, rollout: Rollout) -> Tensor:
        """Give the advantages (M, T, N) of a rollout's steps, by the values of now."""
        return self._gains(self._adam.parameters, rollout)[0]

    def state(self) -> State:
        """Give all that `load` needs."""
        return State(self._adam.tensors(), {"steps": self._steps})

    def load(self, state: State) -> None:
        """Go on from a state.

        Raises:
            ValueError: it is another learner's, or of other sizes.
        """
        steps = state.facts.get("steps", 0)  # trainings of old kept none, and none of theirs decays
        if not isinstance(steps, int):
            raise ValueError(f"the state has done {steps!r} steps, which is no number of them")
        self._adam.load(state.tensors)
        self._steps = steps

    def _values(self, parameters: Mapping[str, Tensor], observations: Tensor) -> Tensor:
        own = {name.removeprefix(VALUE): each for name, each in parameters.items() if name.startswith(VALUE)}
        return self._value(own, observations)[..., 0]

    def _gains(self, parameters: Parameters, rollout: Rollout) -> tuple[Tensor, Tensor]:
        """Give advantages (M, T, N) and values (M, T + 1, N)."""
        settings = self.settings
        with torch.no_grad():
            shape = rollout.observations.shape[:3]
            values = self._values(parameters, rollout.observations.flatten(1, 2)).view(shape)
        scaled = replace(rollout, rewards=settings.reward_scale * rollout.rewards)
        return advantages(scaled, values, discount=settings.discount, trace=settings.trace), values

    def _data(self, parameters: Parameters, rollout: Rollout) -> dict[str, Tensor]:
        """Lay out each task's steps, (M, T N, ...), with what learning needs of them."""
        gains, values = self._gains(parameters, rollout)
        laid = {
            "observations": rollout.observations[:, :-1],
            "actions": rollout.actions,
            "log_probabilities": self._policy.head.log_probability(rollout.numbers, rollout.actions),
            "gains": gains,
            "targets": gains + values[:, :-1],
            "weights": rollout.valid.float(),
        }
        return {name: each.flatten(1, 2) for name, each in laid.items()}

    def _improve(self, adam: Adam, data: Mapping[str, Tensor], key: Key) -> Tensor:
        """Take the steps, for every task's parameters by itself; gives the mean losses and the entropy: (3,)."""
        generator = torch_generator((*key, Stream.BATCHES))
        data = {**data, "gains": standardised(data["gains"], data["weights"])}
        self._bound(adam)
        climb = self._by_core if self._for_core(adam, data) else self._by_torch
        return climb(adam, data, generator)

    def _for_core(self, adam: Adam, data: Mapping[str, Tensor]) -> bool:
        """Whether the core can take the steps: normal actions, single precision, and some step that teaches."""
        plain = all(each.device.type == "cpu" and each.dtype == torch.float32 for each in adam.parameters.values())
        normal = isinstance(self._policy.head, Normal)
        return normal and plain and data["gains"].numel() > 0 and proximal.problem() is None

    def _by_core(self, adam: Adam, data: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
        """Take the steps in C++, a task at a time: (3,) as `_improve` gives."""
        settings = self.settings
        count = data["gains"].shape[1]
        most = -(-count // settings.minibatches)
        how = proximal.Descent(
            clip=settings.clip,
            step_size=adam.rate,
            entropy=settings.entropy,
            largest_norm=adam.largest_norm or 0.0,
            groups=((0, adam.size),),
            least_log_deviation=math.log(self._policy.least_deviation),
        )
        steps = [
            proximal.Steps(**{name: each[task].contiguous().numpy() for name, each in data.items()})
            for task in range(len(data["gains"]))
        ]
        told = []
        with adam.rows(self._order) as (parameters, first, second, done):
            rows = zip(parameters.numpy(), first.numpy(), second.numpy(), strict=True)
            climbers = [proximal.Learner(*row, updates=int(done)) for row in rows]
            for _ in range(settings.epochs):
                order = torch.randperm(count, generator=generator).numpy()
                for climber, shown in zip(climbers, steps, strict=True):
                    told.append(proximal.descend(*self._controllers, climber, shown, order, most, how)[:3])
            done.fill_(climbers[0].updates)
        return torch.from_numpy(np.mean(told, 0)).float()

    def _by_torch(self, adam: Adam, data: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
        """Do what `_by_core` does, to rounding, on any device and with any actions."""
        settings = self.settings
        count, device = data["gains"].shape[1], data["gains"].device
        found = []
        for at in minibatches(count, settings.epochs, settings.minibatches, generator, device):
            leaves = {name: each.detach().requires_grad_() for name, each in adam.parameters.items()}
            losses = self._losses(leaves, {name: each[:, at] for name, each in data.items()})
            loss = losses[0] + 0.5 * losses[1] - settings.entropy * losses[2]
            slopes = torch.autograd.grad(loss.sum(), list(leaves.values()))
            adam.step(dict(zip(leaves, slopes, strict=True)))
            self._bound(adam)
            found.append(losses.detach().mean(1))
        return torch.stack(found).mean(0)

    def _bound(self, adam: Adam) -> None:
        """Keep deviations where the policy reads them."""
        if (spread := adam.parameters.get("log_deviation")) is not None:
            spread.clamp_(min=math.log(self._policy.least_deviation))

    def _losses(self, parameters: Parameters, batch: Mapping[str, Tensor]) -> Tensor:
        """Give the surrogate's loss, the values' and the entropy of every task: (3, M)."""
        head, clip = self._policy.head, self.settings.clip
        numbers = self._policy(parameters, batch["observations"])
        log_ratio = head.log_probability(numbers, batch["actions"]) - batch["log_probabilities"]
        surrogate = clipped_surrogate(log_ratio, batch["gains"], clip)
        misses = (self._values(parameters, batch["observations"]) - batch["targets"]).square()
        weights = batch["weights"]
        each = torch.stack([-surrogate, misses, head.entropy(numbers)])
        return (each * weights).sum(-1) / weights.sum(-1).clamp(min=1)


def _merged(data: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Make the valid steps of all tasks those of one."""
    rows = kept_rows({name: each.flatten(0, 1) for name, each in data.items()}, data["weights"].flatten() > 0, 0)
    return {name: each[None] for name, each in rows.items()}


def _make(name: str, family: TaskFamily[Any], settings: PPOSettings, *, seed: int, device: str) -> PPO:
    return PPO(family, settings, seed=seed, device=device)


LEARNER = LearnerKind(
    settings=PPOSettings,
    make=_make,
    horizon=lambda settings: None if settings.run_on else settings.steps,
    unread=choice_unread,
)
