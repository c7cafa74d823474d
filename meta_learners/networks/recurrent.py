"""A policy that remembers: a gated recurrent unit (Cho et al. 2014, arXiv:1406.1078), heads for actions and values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from meta_learners.acting import Head, Rollout, Seen

REWARD_BOUND = 10.0  # of rewards as they are seen: a fall's -100 would drown all else
INPUT_GAIN = 3.0  # of the unit's input weights: so large that gates react to what was done where, and what it brought
PRODUCT_GAIN = 0.3  # of them where the unit begins with products, which tell it that already
OPENING = 3.0  # how far a product opens the update gate of the unit that begins with it
WHISPER = 0.1  # how loud memory is at first beside the observation: what it holds then means nothing yet
READING = 5.0  # how much memory is enlarged for a hypernetwork: a unit that seldom writes holds small numbers


class RecurrentPolicy(nn.Module):
    """Numbers of an action's distribution, and values, from everything seen since the trial began.

    With `products` the unit also sees the outer product of what was observed before with the action that answered it,
    and that times the reward: what was done where, and what it brought, as numbers that it can add up without having to
    learn to multiply. With `hypernetwork` memory gives the weights of heads that are linear in the observation, as
    in Beck et al. 2023 (arXiv:2309.14970), instead of the numbers themselves. With `reflex` the heads read the
    observation beside memory, through two layers of their own: units that hold for hundreds of steps what a task is
    like are too slow to keep a walker on its feet.

    Args:
        observations: size of an observation.
        actions: numbers of an action, or choices.
        numbers: that describe a distribution of actions.
        hidden: units.
        memory: steps; the units forget at rates between once in one step and once in so many.
        generator: of the initial weights.
        products: whether the unit sees them.
        hypernetwork: whether heads are one.
        reflex: units in each of the heads' two layers; 0 for heads that are linear in memory.
        critic_memory: whether values have a unit of their own, which acting does without.
        deviations: of first actions; their logarithms are the last of the numbers, and depend on nothing that is seen.
    """

    def __init__(
        self,
        observations: int,
        actions: int,
        numbers: int,
        hidden: int,
        memory: int,
        generator: torch.Generator,
        *,
        products: bool = False,
        hypernetwork: bool = False,
        reflex: int = 0,
        critic_memory: bool = False,
        deviations: Sequence[float] = (),
    ) -> None:
        super().__init__()
        self.actions = actions
        self.products = products
        self._seen = observations if hypernetwork else 0  # numbers of an observation that the heads are linear in
        self._beside = observations if reflex else 0  # that they read beside memory
        self.unit = nn.GRU(input_size(observations, actions, products), hidden)
        numbers -= len(deviations)
        self.actor = head_layers(hidden + self._beside, reflex, numbers * max(self._seen, 1))
        self.critic = head_layers(hidden + self._beside, reflex, max(self._seen, 1))
        self.critic_unit = nn.GRU(self.unit.input_size, hidden) if critic_memory else None
        last = "actor.4.weight" if reflex else "actor.weight"
        for name, parameter in self.named_parameters():
            if "bias" in name:
                nn.init.zeros_(parameter)
                continue
            # Near-uniform or near-zero first actions; the unit's gates are orthogonal one by one.
            rows = hidden if "unit." in name else len(parameter)
            gain = {last: 0.01, "unit.weight_ih_l0": PRODUCT_GAIN if products else INPUT_GAIN}
            for gate in torch.split(parameter.data, rows):
                nn.init.orthogonal_(gate, gain.get(name.removeprefix("critic_"), 1.0), generator=generator)
        if reflex:
            for head in (self.actor, self.critic):
                head.get_parameter("0.weight").data[:, :hidden] *= WHISPER
        self._spread = len(deviations)
        if deviations:
            self.log_deviations = nn.Parameter(torch.tensor(deviations).log())
        for unit in self._units():
            hold(unit, memory, generator)
            if products:
                _give_products(unit, observations * actions)

    def _units(self) -> list[nn.GRU]:
        return [self.unit] if self.critic_unit is None else [self.unit, self.critic_unit]

    def initial(self, count: int, *, learning: bool = False) -> Tensor:
        """Give the hidden state (count, h) with which a trial begins; (count, H) for one that is learnt from."""
        units = len(self._units()) if learning else 1
        return next(self.parameters()).new_zeros(count, units * self.unit.hidden_size)

    def forward(self, inputs: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Act through inputs (T, n, i) from hidden (n, h) or (n, H): numbers (T, n, k), the last hidden."""
        units = self._units()[: hidden.shape[1] // self.unit.hidden_size]
        begun = hidden.chunk(len(units), -1)
        gone = [unit(inputs, each[None].contiguous()) for unit, each in zip(units, begun, strict=True)]
        return self._described(self._heard(gone[0][0], inputs), inputs), torch.cat([last[0] for _, last in gone], -1)

    def tidy(self, memory: Tensor) -> Tensor:
        """Give the same memory: nothing of it is waste."""
        return memory

    def remember(self, inputs: Tensor, before: tuple[Tensor, ...] = ()) -> Tensor:
        """Go through inputs (T, n, i): what the unit remembers after each, then the critic's where it has its own.

        Args:
            inputs: from a trial's beginning, or from the middle of it.
            before: one tensor (n, H), of the step before, in the middle.

        Returns:
            (T, n, H), H = h, or 2h where the critic has a unit of its own.
        """
        units = self._units()
        begun = [each[None].contiguous() for each in before[0].chunk(len(units), -1)] if before else [None] * len(units)
        return torch.cat([unit(inputs, each)[0] for unit, each in zip(units, begun, strict=True)], -1)

    def in_windows(self, inputs: Tensor, window: int) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Go through inputs window by window: what is remembered after each step, and memory before each window.

        Returns:
            (T, n, H), and (W n, H), the first window of all trials first.
        """
        remembered = self.remember(inputs)
        before = functional.pad(remembered[window - 1 : -1 : window], (0, 0, 0, 0, 1, 0))
        return remembered, (before.flatten(0, 1),)

    def memory_at(self, inputs: Tensor, steps: Tensor) -> Tensor:
        """Give what each trial remembers after the inputs before a step, steps (n,), at least 1: (n, h)."""
        remembered: Tensor = self.unit(inputs)[0]
        return remembered[steps - 1, torch.arange(len(steps), device=steps.device)]

    def read(self, remembered: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Give numbers (T, n, k) and values (T, n) by what is remembered (T, n, H) at inputs (T, n, i)."""
        heard = [self._heard(each, inputs) for each in remembered.chunk(len(self._units()), -1)]
        return self._described(heard[0], inputs), self._numbers(self.critic, heard[-1], inputs)[..., 0]

    def _described(self, heard: Tensor, inputs: Tensor) -> Tensor:
        numbers = self._numbers(self.actor, heard, inputs)
        if self._spread:
            numbers = torch.cat([numbers, self.log_deviations.expand(*numbers.shape[:-1], -1)], -1)
        return numbers

    def _heard(self, remembered: Tensor, inputs: Tensor) -> Tensor:
        if self._seen:
            remembered = remembered * READING
        return torch.cat([remembered, inputs[..., : self._beside]], -1) if self._beside else remembered

    def _numbers(self, head: nn.Module, read: Tensor, inputs: Tensor) -> Tensor:
        found: Tensor = head(read)
        if not self._seen:
            return found
        weights = found.reshape(*found.shape[:-1], -1, self._seen)
        return torch.sum(weights * inputs[..., None, : self._seen], -1)


def hold(unit: nn.GRU, memory: int, generator: torch.Generator | None = None) -> None:
    """Let cells begin by keeping what they hold, for 1 to so many steps (Tallec and Ollivier 2018, arXiv:1804.11188).

    At the usual biases of 0 half of it is gone after every step, and nothing is learnt from one episode for the next.
    """
    hidden = unit.hidden_size
    lifetimes = 1 + (memory - 1) * torch.rand(hidden, generator=generator)
    unit.get_parameter("bias_ih_l0").data[hidden : 2 * hidden] = lifetimes.log()


def _give_products(unit: nn.GRU, count: int) -> None:
    """Let cells begin with one product each, first those with the reward: a cell writes where it is not zero."""
    weights = unit.get_parameter("weight_ih_l0").data
    hidden, inputs = unit.hidden_size, weights.shape[1]
    for cell in range(min(hidden, 2 * count)):
        done = inputs - 2 * count + cell % count
        brought = done + count
        weights[hidden + cell, done] -= OPENING
        weights[2 * hidden + cell, brought if cell < count else done] += 1.0


def head_layers(inputs: int, units: int, outputs: int, bend: type[nn.Module] = nn.Tanh) -> nn.Module:
    """Give a head: one linear layer, or two of so many units before it, with something that bends after each."""
    if not units:
        return nn.Linear(inputs, outputs)
    return nn.Sequential(nn.Linear(inputs, units), bend(), nn.Linear(units, units), bend(), nn.Linear(units, outputs))


def input_size(observations: int, actions: int, products: bool) -> int:
    """Give how many numbers a policy sees before a step."""
    return observations + actions + 2 + products * 2 * observations * actions


def inputs_of(rollout: Rollout, actions: int, products: bool = False) -> Tensor:
    """Give what a policy saw before every step, and after the last one: (T + 1, M N, i).

    Args:
        rollout: of M tasks in N worlds over T steps.
        actions: numbers of an action, or choices.
        products: whether it saw them.
    """
    chosen = rollout.actions
    if not chosen.is_floating_point():
        chosen = functional.one_hot(chosen, actions).float()
    before = torch.cat([chosen, rollout.rewards[..., None], rollout.ends[..., None].float()], -1)
    # The action of a step that only begins an episode is nobody's.
    before = functional.pad(before * rollout.valid[..., None], (0, 0, 0, 0, 1, 0))
    places = functional.pad(rollout.observations[:, :-1], (0, 0, 0, 0, 1, 0)) if products else None
    if rollout.begun is not None:
        seen = rollout.begun.seen
        before[:, 0] = torch.cat([seen.actions, seen.rewards[..., None], seen.ends[..., None]], -1)
        if places is not None:
            places[:, 0] = seen.places
    return _joined(rollout.observations, before, places).transpose(0, 1).flatten(1, 2)


def _joined(observations: Tensor, before: Tensor, places: Tensor | None) -> Tensor:
    action, reward, end = before[..., :-2], before[..., -2:-1].clamp(-REWARD_BOUND, REWARD_BOUND), before[..., -1:]
    parts = [observations, action, reward, end]
    if places is not None:
        done = (places[..., :, None] * action[..., None, :]).flatten(-2)
        parts += [done, done * reward]
    return torch.cat(parts, -1)


class Remembers(Protocol):
    """A policy that plays step by step; what it remembers is its own affair."""

    products: bool

    def initial(self, count: int) -> Any:
        """Give what is remembered when trials begin."""
        ...

    def tidy(self, memory: Any) -> Any:
        """Leave out what no trial remembers any more."""
        ...

    def __call__(self, inputs: Tensor, memory: Any) -> tuple[Tensor, Any]:
        """Act through inputs (T, n, i): numbers (T, n, k), the last memory."""
        ...


@dataclass(frozen=True)
class RecurrentActor:
    """A policy that plays and remembers: an `Actor`. `memory` (M N, ...) is of a trial that goes on."""

    policy: Remembers
    head: Head
    memory: Any = None
    deterministic: bool = False

    def greedy(self) -> RecurrentActor:
        """Give the same, but choosing the likeliest actions."""
        return replace(self, deterministic=True)

    def begin(self, tasks: int, copies: int) -> Any:
        """Begin trials, or go on with those that are remembered."""
        return self.policy.initial(tasks * copies) if self.memory is None else self.memory

    def act(self, seen: Seen, noise: Tensor, memory: Any) -> tuple[Tensor, Tensor, Any]:
        """Choose actions (M, N, ...) by numbers (M, N, k)."""
        before = torch.cat([seen.actions, seen.rewards[..., None], seen.ends[..., None]], -1)
        inputs = _joined(seen.observations, before, seen.places if self.policy.products else None)
        numbers, memory = self.policy(inputs.flatten(0, 1)[None], memory)
        numbers = numbers[0].reshape(*seen.ends.shape, -1)
        actions = self.head.best(numbers) if self.deterministic else self.head.act(numbers, noise)
        return actions, numbers, memory
