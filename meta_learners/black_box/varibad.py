"""VariBAD (Zintgraf et al. 2020, arXiv:1910.08348): a policy that is told a belief over tasks, inferred while it acts.

A recurrent encoder tells, after every step, a normal distribution over what the task is. It learns, with a decoder, to
tell the rewards and the next observations of the whole trial, past and to come: the evidence lower bound, whose prior
is the belief of the step before. The policy learns as RL² does (`trials.py`) but reads the belief beside the
observation, and its gradients stop there. The paper keeps old trials to infer from; here each meta-step's are used.
What a task is like shows in how rewards bend over places and actions, so encoder and decoder begin with layers that do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch.nn import functional

from environments.settings import Bounds, check_bounds
from meta_learners.acting import Head, Rollout
from meta_learners.black_box.trials import LOSSES, TrialLearner, TrialSettings, improve, losses
from meta_learners.families.family import TaskFamily
from meta_learners.keys import Stream, torch_generator
from meta_learners.learner import LearnerKind
from meta_learners.networks.embedding import seeded
from meta_learners.networks.heads import choice_unread, head_of
from meta_learners.networks.recurrent import INPUT_GAIN, head_layers, hold, input_size, inputs_of

__all__ = ["LEARNER", "BeliefPolicy", "VariBADSettings", "bound"]

FIRST = 0.01  # of the last weights of the actor
LEAST_DEVIATION = 0.01  # of rewards and observations as they are told
NARROWEST, WIDEST = -8.0, 2.0  # log variances of beliefs
# Of beliefs: the noise of wide ones drowns means that tell little yet, and the decoder learns to ignore both.
FIRST_LOG_VARIANCE, FIRST_MEANS = -4.0, 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VariBADSettings(TrialSettings):
    """How it learns; the defaults suit walkers."""

    steps: Annotated[int, Bounds(0, 0)] = 0  # trials are whole: each is told to its end
    window: Annotated[int, Bounds(0, 10**6)] = 50  # steps that gradients go back through; 0 for the whole trial
    minibatches: Annotated[int, Bounds(1, 10_000)] = 16
    step_size: Annotated[float, Bounds(0, 1)] = 1e-3  # of Adam
    units: Annotated[int, Bounds(1, 4096)] = 64  # of the encoder, and of the decoder's two layers
    memory: Annotated[int, Bounds(1, 10**6)] = 500  # steps that the encoder can hold something for, to begin with
    latent: Annotated[int, Bounds(1, 1024)] = 5  # numbers of a belief's mean
    hidden: Annotated[int, Bounds(1, 4096)] = 64  # units in each of the two layers of policy and values
    divergence: Annotated[float, Bounds(0, 1e6)] = 0.1  # weight of the divergence between beliefs
    observations: bool = True  # whether next observations are told, too, as where tasks differ in more than rewards
    beliefs: Annotated[int, Bounds(1, 10**4)] = 8  # of every trial, from which it is told in one step
    told: Annotated[int, Bounds(1, 10**6)] = 50  # steps of every trial that are told from each
    inferences: Annotated[int, Bounds(1, 1000)] = 8  # steps of inference in a meta-step
    alone: Annotated[int, Bounds(0, 10**6)] = 0  # meta-steps, the first, that only infer: beliefs that move mislead
    inference_rate: Annotated[float, Bounds(1e-3, 1e3)] = 3.0  # step size of inference, in that of the policy's

    def __post_init__(self) -> None:
        check_bounds(self)


class BeliefPolicy(nn.Module):
    """A policy with its encoder and decoder: a `TrialPolicy`. What it remembers is the encoder's hidden state."""

    products = False

    def __init__(
        self, observations: int, actions: int, numbers: int, settings: VariBADSettings, deviations: Sequence[float]
    ) -> None:
        super().__init__()
        self.actions, self._seen = actions, observations
        # Sums of places and rewards tell nothing of where something is earned, and more than sums a near-linear unit
        # does not see.
        self.embed = nn.Sequential(nn.Linear(input_size(observations, actions, False), settings.units), nn.ReLU())
        self.unit = nn.GRU(settings.units, settings.units)
        for gate in self.unit.get_parameter("weight_ih_l0").data.chunk(3):
            nn.init.orthogonal_(gate, INPUT_GAIN)
        hold(self.unit, settings.memory)
        self.describe = nn.Linear(settings.units, 2 * settings.latent)
        self.describe.weight.data[: settings.latent] *= FIRST_MEANS
        self.describe.bias.data[settings.latent :] += FIRST_LOG_VARIANCE
        self.actor = head_layers(2 * settings.latent + observations, settings.hidden, numbers - len(deviations))
        self.critic = head_layers(2 * settings.latent + observations, settings.hidden, 1)
        for parameter in self.actor.get_submodule("4").parameters():
            parameter.data *= FIRST
        # Rewards may depend on where a step led, next observations may not. Layers of tanh stay near linear for long.
        told = settings.latent + observations + actions
        self.of_rewards = head_layers(told + observations, settings.units, 1, nn.ReLU)
        self.of_observations = (
            head_layers(told, settings.units, observations, nn.ReLU) if settings.observations else None
        )
        self._spread = len(deviations)
        if deviations:
            self.log_deviations = nn.Parameter(torch.tensor(deviations).log())

    def initial(self, count: int, *, learning: bool = False) -> Tensor:
        """Give the hidden state (n, h) with which a trial begins."""
        return self.describe.weight.new_zeros(count, self.unit.hidden_size)

    def tidy(self, memory: Tensor) -> Tensor:
        """Give the same memory: nothing of it is waste."""
        return memory

    def encode(self, inputs: Tensor, before: Tensor | None = None) -> Tensor:
        """Give hidden states (T, n, h) after inputs (T, n, i), from those (n, h) of the step before."""
        found: Tensor = self.unit(self.embed(inputs), None if before is None else before[None].contiguous())[0]
        return found

    def believe(self, hidden: Tensor) -> Tensor:
        """Give beliefs (..., 2 l), means and log variances, by hidden states (..., h)."""
        mean, log_variance = self.describe(hidden).chunk(2, -1)
        return torch.cat([mean, log_variance.clamp(NARROWEST, WIDEST)], -1)

    def forward(self, inputs: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Act through inputs (T, n, i) from hidden (n, h): numbers (T, n, k), the last hidden."""
        found = self.encode(inputs, hidden)
        return self.read(self.believe(found), inputs)[0], found[-1]

    def remember(self, inputs: Tensor, before: tuple[Tensor, ...] = ()) -> Tensor:
        """Give beliefs (T, n, 2 l) after inputs (T, n, i), for the policy: without gradients."""
        with torch.no_grad():
            return self.believe(self.encode(inputs, *before))

    def in_windows(self, inputs: Tensor, window: int) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Give beliefs (T, n, 2 l), and hidden states (W n, h) before each window."""
        found = self.encode(inputs)
        before = functional.pad(found[window - 1 : -1 : window], (0, 0, 0, 0, 1, 0))
        return self.believe(found), (before.flatten(0, 1),)

    def memory_at(self, inputs: Tensor, steps: Tensor) -> Tensor:
        """Give the hidden states (n, h) after the inputs before a step, steps (n,), at least 1."""
        return self.encode(inputs)[steps - 1, torch.arange(len(steps), device=steps.device)]

    def read(self, beliefs: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Give numbers (T, n, k) and values (T, n) by beliefs (T, n, 2 l) at inputs (T, n, i)."""
        mean, log_variance = beliefs.chunk(2, -1)
        heard = torch.cat([mean, log_variance / -NARROWEST, inputs[..., : self._seen]], -1)
        numbers: Tensor = self.actor(heard)
        if self._spread:
            numbers = torch.cat([numbers, self.log_deviations.expand(*numbers.shape[:-1], -1)], -1)
        return numbers, self.critic(heard)[..., 0]

    def tell(self, task: Tensor, here: Tensor, done: Tensor, there: Tensor) -> Tensor:
        """Tell rewards and, where it does, next observations (..., 1 + o), by latent (..., l), place, action, place."""
        rewards: Tensor = self.of_rewards(torch.cat([task, here, done, there], -1))
        if self.of_observations is not None:
            # What changes is told, for most of an observation stays.
            rewards = torch.cat([rewards, here + self.of_observations(torch.cat([task, here, done], -1))], -1)
        return rewards


def bound(policy: BeliefPolicy, trials: Rollout, settings: VariBADSettings, generator: torch.Generator) -> Tensor:
    """Estimate the evidence lower bound of trials, a trial's mean over its beliefs: ().

    Beliefs, and the steps that are told from each, are drawn; their log likelihood is scaled to all steps.
    """
    inputs = inputs_of(trials, policy.actions)
    count = inputs.shape[1]
    valid = trials.valid.transpose(0, 1).flatten(1).T.float()  # (n, T)
    chances = functional.pad(valid, (1, 0), value=1.0).cpu()
    at = torch.multinomial(chances, settings.beliefs, True, generator=generator).to(inputs.device)  # after `at` steps
    which = torch.multinomial(valid.cpu(), settings.told, True, generator=generator).to(inputs.device)
    noise = torch.randn(count, settings.beliefs, settings.latent, generator=generator).to(inputs.device)
    beliefs = policy.believe(policy.encode(inputs)).transpose(0, 1)  # (n, T + 1, 2 l)
    before = functional.pad(beliefs, (0, 0, 1, 0))[:, :-1]  # before anything is seen: mean 0, log variance 0
    now, then = (_normal(each.gather(1, at[..., None].expand(-1, -1, each.shape[2]))) for each in (beliefs, before))
    task = now.mean + now.stddev * noise
    observed = trials.observations.transpose(1, 2).flatten(0, 1)  # (n, T + 1, o)
    done = trials.actions.transpose(1, 2).flatten(0, 1)
    if not done.is_floating_point():
        done = functional.one_hot(done, policy.actions).to(inputs.dtype)
    rewards = trials.rewards.transpose(1, 2).flatten(0, 1)[..., None]
    place, action, led, paid = (
        each.gather(1, where[..., None].expand(-1, -1, each.shape[2]))[:, None].expand(-1, settings.beliefs, -1, -1)
        for each, where in ((observed, which), (done, which), (observed, which + 1), (rewards, which))
    )
    told = policy.tell(task[:, :, None].expand(-1, -1, settings.told, -1), place, action, led)
    wanted = torch.cat([paid, led], -1)[..., : told.shape[-1]]
    # The deviation that is likeliest, as in Rybkin et al. 2021 (arXiv:2006.13202): rewards are of any scale.
    deviation = (told - wanted).square().mean((0, 1, 2)).sqrt().detach().clamp(min=LEAST_DEVIATION)
    each_step: Tensor = Normal(told, deviation, validate_args=False).log_prob(wanted).sum(-1)  # type: ignore[no-untyped-call]
    likelihood = each_step.mean(-1) * valid.sum(1, keepdim=True)  # (n, beliefs)
    evidence: Tensor = (likelihood - settings.divergence * kl_divergence(now, then).sum(-1)).mean()
    return evidence


def _normal(belief: Tensor) -> Normal:
    mean, log_variance = belief.chunk(2, -1)
    return Normal(mean, (0.5 * log_variance).exp(), validate_args=False)


def improve_both(
    policy: BeliefPolicy,
    head: Head,
    optimiser: torch.optim.Optimizer,
    windows: Mapping[str, Tensor],
    rollout: Rollout,
    settings: VariBADSettings,
    generator: torch.Generator,
    done: int,
) -> dict[str, Tensor]:
    """Take the policy's steps, under beliefs that stay, and then those of inference; these alone in the first ones."""
    if done < settings.alone:
        with torch.no_grad():
            figures = dict(zip(LOSSES, losses(policy, head, windows, settings.clip), strict=True))
    else:
        figures = improve(policy, head, optimiser, windows, rollout, settings, generator)
    for group in optimiser.param_groups:
        group["lr"] *= settings.inference_rate  # until the next meta-step
    found = []
    for _ in range(settings.inferences):
        evidence = bound(policy, rollout, settings, generator)
        optimiser.zero_grad()
        (-evidence).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        found.append(evidence.detach())
    return {**figures, "evidence": torch.stack(found).mean()}


def _make(name: str, family: TaskFamily[Any], settings: VariBADSettings, *, seed: int, device: str) -> TrialLearner:
    head = head_of(family.actions)
    with seeded(torch_generator((seed, Stream.PARAMETERS))):
        policy = BeliefPolicy(
            family.observation_size,
            family.actions.size,
            head.numbers,
            settings,
            [settings.deviation] * head.spread,
        )
    return TrialLearner(name, policy, head, settings, device=device, by=improve_both)


def _unread(name: str, family: TaskFamily[Any], settings: VariBADSettings) -> frozenset[str]:
    return choice_unread(name, family, settings) | {"steps"}


# Trials are long: with more worlds than one of each task there is a meta-step only every hundred thousand steps.
LEARNER = LearnerKind(settings=VariBADSettings, make=_make, copies=1, unread=_unread)
