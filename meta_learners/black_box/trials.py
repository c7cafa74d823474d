"""Learning to act over trials by a policy that remembers: what RL², SNAIL and the transformer share.

A trial is several episodes on one task; memory is kept across its episodes and begins anew with every trial. The
policy sees the observation, its previous action, the reward that it brought and whether it ended an episode. The outer
loop is proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347) through whole trials, or through windows
of them: memory then goes on from window to window as it was when the trial was played, and gradients do not. On long
episodes that is several times as fast. Long trials run on from meta-step to meta-step, so that there are as many of
these as of episodes that are cut.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from environments.settings import Bounds, check_bounds
from meta_learners.acting import Head, Rollout
from meta_learners.black_box.windows import MEMORY, Noting, TrialPolicy, laid_out, laid_out_running
from meta_learners.experience.proximal import all_finite, clipped_surrogate, minibatches
from meta_learners.experience.sampling import Sampler
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.learner import LossError, Metrics, State
from meta_learners.networks.adam import decayed
from meta_learners.networks.recurrent import RecurrentActor, inputs_of

T = TypeVar("T")

LOSSES = "loss", "value_loss", "entropy"  # as `losses` gives them


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSettings:
    """How a policy learns over trials; the defaults suit walkers."""

    episodes: Annotated[int, Bounds(1, 1000)] = 2  # of a trial
    steps: Annotated[int, Bounds(0, 10**6)] = 128  # of every world in a meta-step, trials running on; 0: whole trials
    window: Annotated[int, Bounds(0, 10**6)] = 32  # steps that gradients go back through; 0 for the whole trial
    deviation: Annotated[float, Bounds(1e-3, 100)] = 0.6  # of the first actions, where they are continuous
    discount: Annotated[float, Bounds(0, 1)] = 0.99  # across the episodes of a trial
    trace: Annotated[float, Bounds(0, 1)] = 0.95  # lambda of generalised advantage estimation
    clip: Annotated[float, Bounds(0, 10)] = 0.2
    entropy: Annotated[float, Bounds(0, 100)] = 0.0
    value: Annotated[float, Bounds(0, 100)] = 0.5  # weight of the values' loss
    reward_scale: Annotated[float, Bounds(1e-6, 1e6)] = 0.05  # of what values predict
    epochs: Annotated[int, Bounds(1, 100)] = 6
    minibatches: Annotated[int, Bounds(1, 10_000)] = 8
    step_size: Annotated[float, Bounds(0, 1)] = 5e-4  # of Adam
    decay: Annotated[int, Bounds(0, 10**9)] = 0  # meta-steps until the step size is 0; 0 for never
    gradient_norm: Annotated[float, Bounds(0, 1e9)] = 0.5  # at most

    def __post_init__(self) -> None:
        check_bounds(self)


class Improve(Protocol):
    """Learns from a rollout of trials."""

    def __call__(
        self,
        policy: Any,
        head: Head,
        optimiser: torch.optim.Optimizer,
        windows: Mapping[str, Tensor],
        rollout: Rollout,
        settings: Any,
        generator: torch.Generator,
        done: int,
    ) -> dict[str, Tensor]:
        """Take the steps on a rollout and the windows that `windows.py` made of it, after so many done meta-steps.

        Gives means by name: the surrogate's `loss`, `value_loss`, `entropy`, perhaps more.
        """
        ...


class TrialLearner:
    """The learner; meets `meta_learners.learner.Learner`.

    Args:
        name: of the learner.
        policy: a `torch.nn.Module` that is a `TrialPolicy`.
        head: the distribution of its actions.
        settings: how to learn.
        device: of the policy; the sampler's.
        by: what learns from a rollout; `improve` when None.
    """

    def __init__(
        self,
        name: str,
        policy: nn.Module,
        head: Head,
        settings: TrialSettings,
        *,
        device: str | torch.device = "cpu",
        by: Improve | None = None,
    ) -> None:
        self.name, self.settings, self._head, self._improve = name, settings, head, by or improve
        self._module: nn.Module = policy.to(device)
        self._policy: TrialPolicy = policy  # type: ignore[assignment]
        self._optimiser = torch.optim.Adam(self._module.parameters(), lr=settings.step_size, eps=1e-5)
        self._steps = 0  # meta-steps taken

    def meta_step(self, sampler: Sampler[T], tasks: Sequence[T], key: Key) -> Metrics:
        """Play one trial in every world, or some steps of trials that run on, and improve the policy.

        Raises:
            LossError: a loss is not finite; nothing has changed.
        """
        settings = self.settings
        rollout, windows = self._played(sampler, tasks, key)
        before = {name: each.clone() for name, each in self.state().tensors.items()}
        for group in self._optimiser.param_groups:
            group["lr"] = decayed(settings.step_size, self._steps, settings.decay)
        shuffling = torch_generator((*key, Stream.BATCHES))
        figures = self._improve(
            self._policy, self._head, self._optimiser, windows, rollout, settings, shuffling, self._steps
        )
        if rollout.begun is None:
            returns = rollout.episode_returns(settings.episodes).mean((0, 1))
        else:
            returns = rollout.mean_returns(rollout.begun)
        metrics = {
            "return_before": returns[0],
            "return_after": returns[-1],
            "return_trial": returns.sum(),
            "falls": rollout.falls,
            **figures,
        }
        # One reading for all: each makes the processor wait for the device.
        finite, *values = torch.stack(
            [all_finite((*figures.values(), *self._module.parameters())), *metrics.values()]
        ).tolist()
        told = dict(zip(metrics, values, strict=True))
        unknown = [name for name in metrics if name not in figures and math.isnan(told[name])]  # no such episode ended
        if not finite:
            self.load(State(before, {"steps": self._steps}))
            raise LossError(f"the loss is {told['loss']}, the values' loss {told['value_loss']}")
        self._steps += 1
        if unknown and rollout.begun is not None and not rollout.most_ended:
            unknown.append("falls")
        return {name: value for name, value in told.items() if name not in unknown}

    def _played(self, sampler: Sampler[T], tasks: Sequence[T], key: Key) -> tuple[Rollout, Mapping[str, Tensor]]:
        """Play, and lay out what is learnt from."""
        settings, policy, head = self.settings, self._policy, self._head
        if not settings.steps:
            rollout = sampler.play(tasks, self.actor(), key, episodes=settings.episodes)
            return rollout, laid_out(policy, head, rollout, settings)
        first = policy.initial(sampler.tasks * sampler.copies, learning=True)
        actor = Noting(RecurrentActor(policy, head, first), min(settings.window or settings.steps, settings.steps))
        rollout = sampler.play(tasks, actor, key, steps=settings.steps, go_on=True, trial=settings.episodes)
        return rollout, laid_out_running(policy, head, rollout, actor, settings)

    def actor(self) -> RecurrentActor:
        """Give what plays, with nothing to remember yet."""
        return RecurrentActor(self._policy, self._head)

    def adapt(self, sampler: Sampler[T], tasks: Sequence[T], episodes: int, key: Key) -> RecurrentActor:
        """Live through so many episodes in every world; what comes back remembers them, each world its own."""
        if episodes == 0:
            return self.actor()
        rollout = sampler.play(tasks, self.actor(), key, episodes=episodes)
        inputs = inputs_of(rollout, self._policy.actions, self._policy.products)
        valid = rollout.valid.transpose(0, 1).flatten(1)
        steps = torch.arange(len(valid), device=valid.device)[:, None]
        last = torch.where(valid, steps, 0).amax(0)
        with torch.no_grad():
            # The input after an episode's last step brings its reward and its end.
            memory = self._policy.memory_at(inputs, last + 2)
        return RecurrentActor(self._policy, self._head, memory)

    def state(self) -> State:
        """Give all that `load` needs."""
        tensors = {f"policy.{name}": each.detach().clone() for name, each in self._module.state_dict().items()}
        for number, moments in self._optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{number}.{name}": each.clone() for name, each in moments.items()}
        return State(tensors, {"steps": self._steps})

    def load(self, state: State) -> None:
        """Go on from a state.

        Raises:
            ValueError: it is another learner's, or of other sizes.
        """
        parts: dict[str, dict[str, Tensor]] = {"policy": {}, "adam": {}}
        for name, each in state.tensors.items():
            part, _, rest = name.partition(".")
            parts.setdefault(part, {})[rest] = each
        try:
            self._module.load_state_dict(parts["policy"])
        except RuntimeError as error:
            raise ValueError(
                "this is not the state of such a learner: its tensors have other names or sizes, as another version "
                "or other settings make them"
            ) from error
        moments: dict[int, dict[str, Tensor]] = {}
        for name, each in parts["adam"].items():
            number, _, moment = name.partition(".")
            moments.setdefault(int(number), {})[moment] = each.clone()
        _check_moments(moments, list(self._module.parameters()))
        self._optimiser.load_state_dict({**self._optimiser.state_dict(), "state": moments})
        steps = state.facts.get("steps")
        if not isinstance(steps, int):
            raise ValueError(f"the state has done {steps!r} steps, which is no number of them")
        self._steps = steps


def _check_moments(moments: Mapping[int, Mapping[str, Tensor]], parameters: Sequence[Tensor]) -> None:
    """Raise ValueError unless an optimiser's state is empty, or has moments of every parameter's shape."""
    if moments and set(moments) != set(range(len(parameters))):
        raise ValueError(f"the state has moments of parameters {sorted(moments)}; there are {len(parameters)}")
    for number, of in moments.items():
        for moment in ("exp_avg", "exp_avg_sq"):
            if moment not in of or of[moment].shape != parameters[number].shape:
                raise ValueError(f"the state has no {moment} of the shape of parameter {number}")


def improve(
    policy: TrialPolicy,
    head: Head,
    optimiser: torch.optim.Optimizer,
    trials: Mapping[str, Tensor],
    rollout: Rollout,
    settings: TrialSettings,
    generator: torch.Generator,
    done: int = 0,
) -> dict[str, Tensor]:
    """Take proximal policy optimisation's steps on windows of trials; gives means of its losses and the entropy."""
    count = trials["valid"].shape[1]
    found = []
    for at in minibatches(count, settings.epochs, settings.minibatches, generator, trials["valid"].device):
        parts = losses(policy, head, {name: each[:, at] for name, each in trials.items()}, settings.clip)
        loss = parts[0] + settings.value * parts[1] - settings.entropy * parts[2]
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(
            [each for group in optimiser.param_groups for each in group["params"]], settings.gradient_norm
        )
        optimiser.step()
        found.append(parts.detach())
    return dict(zip(LOSSES, torch.stack(found).mean(0), strict=True))


def losses(policy: TrialPolicy, head: Head, trials: Mapping[str, Tensor], clip: float) -> Tensor:
    """Give the clipped surrogate's loss, the values' and the entropy: (3,), means over valid steps."""
    inputs, valid, gains = trials["inputs"], trials["valid"], trials["gains"]
    before = tuple(each[0] for name, each in trials.items() if name.startswith(MEMORY))
    numbers, values = policy.read(policy.remember(inputs, before), inputs)
    log_ratio = head.log_probability(numbers, trials["actions"]) - trials["log_probabilities"]
    surrogate = clipped_surrogate(log_ratio, gains, clip)
    misses = (values - trials["targets"]).square()
    return torch.stack([(each * valid).sum() for each in (-surrogate, misses, head.entropy(numbers))]) / valid.sum()
