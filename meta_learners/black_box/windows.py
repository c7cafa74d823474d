"""What is learnt from over trials: their windows side by side, with what each step's action gained.

Either of whole trials, whose values know how much of a trial is left, or of a rollout through trials that run on: a
window then begins where the one before ends, where a trial begins, or with what was remembered when the rollout began.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from meta_learners.acting import Begun, Head, Rollout, Seen
from meta_learners.experience.proximal import kept_rows
from meta_learners.experience.returns import accumulated_over, running_advantages, trial_advantages
from meta_learners.experience.running import forgotten, parts_of
from meta_learners.networks.causal import aligned
from meta_learners.networks.recurrent import RecurrentActor, inputs_of

MEMORY = "memory."  # begins the names of what is remembered before a window


class TrialPolicy(Protocol):
    """A `torch.nn.Module` that remembers a trial; see `RecurrentPolicy` and `ContextPolicy`."""

    actions: int  # numbers of an action, or choices
    products: bool  # whether inputs hold products of observation, action and reward

    def initial(self, count: int, *, learning: bool = False) -> Any:
        """Give what is remembered when trials begin, with all that `remember` asks for where that is learnt from."""
        ...

    def tidy(self, memory: Any) -> Any:
        """Leave out what no trial remembers any more."""
        ...

    def __call__(self, inputs: Tensor, memory: Any) -> tuple[Tensor, Any]:
        """Act through inputs (T, n, i): numbers (T, n, k), the last memory."""
        ...

    def remember(self, inputs: Tensor, before: tuple[Tensor, ...] = ()) -> Tensor:
        """Go through inputs (T, n, i) from a trial's beginning or, with the memory there, its middle: (T, n, H)."""
        ...

    def in_windows(self, inputs: Tensor, window: int) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Go through inputs window by window: (T, n, H), and the memory (W n, ...) before each."""
        ...

    def memory_at(self, inputs: Tensor, steps: Tensor) -> Any:
        """Give what each trial remembers after the inputs before a step, steps (n,)."""
        ...

    def read(self, remembered: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Give numbers (T, n, k) and values (T, n) by what is remembered (T, n, H) at inputs (T, n, i)."""
        ...


class Learnt(Protocol):
    """What of the settings counts here; see `trials.TrialSettings`."""

    @property
    def window(self) -> int: ...
    @property
    def discount(self) -> float: ...
    @property
    def trace(self) -> float: ...
    @property
    def reward_scale(self) -> float: ...


def time_baseline(rewards: Tensor, valid: Tensor, discount: float) -> Tensor:
    """Give what other trials still bring after so many steps, for each of (T, n); the policy's values add to it.

    Most of a value is how much of the trial is left, which a recurrent unit would have to count. A trial's own return
    is no part of its baseline, which would hide what its actions gained; the mean is over the others that are still
    going on and one that brings nothing, to which few others lead without a jump.
    """
    brought = accumulated_over(valid, rewards, discount)
    return (brought.sum(1, keepdim=True) - brought) / valid.sum(1, keepdim=True).clamp(min=1)


def laid_out(policy: TrialPolicy, head: Head, rollout: Rollout, settings: Learnt) -> Mapping[str, Tensor]:
    """Lay the windows of all trials side by side, time first, with what learning needs of them.

    What each begins with is `memory.0`, `memory.1`, ... (1, n, ...). Windows after a trial's end teach nothing, and
    are left out.
    """
    valid, actions, numbers = _laid(rollout.valid), _laid(rollout.actions), _laid(rollout.numbers)
    inputs = inputs_of(rollout, policy.actions, policy.products)[:-1]
    rewards = settings.reward_scale * _laid(rollout.rewards)
    usual = time_baseline(rewards, valid, settings.discount)
    window = min(settings.window or len(inputs), len(inputs))
    with torch.no_grad():
        remembered, before = policy.in_windows(inputs, window)
        _, beyond = policy.read(remembered, inputs)
    values = usual + beyond
    gains = trial_advantages(rewards, values, valid, settings.discount, settings.trace)
    trials = {
        "inputs": inputs,
        "actions": actions,
        "log_probabilities": head.log_probability(numbers, actions),
        "gains": _standardised(gains, valid),
        "targets": gains + beyond,
        "valid": valid.float(),
    }
    windows = {name: in_windows(each, window) for name, each in trials.items()}
    return _remembering(windows, before)


def _laid(each: Tensor) -> Tensor:
    """Lay worlds (M, T, N, ...) side by side, time first: (T, M N, ...)."""
    return each.transpose(0, 1).flatten(1, 2)


def _standardised(gains: Tensor, valid: Tensor) -> Tensor:
    worth = gains[valid]
    return (gains - worth.mean()) / (worth.std() + 1e-8)


def _remembering(windows: dict[str, Tensor], before: tuple[Tensor, ...]) -> Mapping[str, Tensor]:
    """Put what each begins with beside windows (w, K, ...), and leave out those that teach nothing."""
    windows |= {f"{MEMORY}{number}": each[None] for number, each in enumerate(before)}
    return kept_rows(windows, windows["valid"].any(0), 1)


def in_windows(steps: Tensor, window: int) -> Tensor:
    """Cut trials (T, n, ...) into windows laid side by side, the first of all trials first: (W, ceil(T / W) n, ...)."""
    missing = -len(steps) % window
    padded = torch.cat([steps, steps.new_zeros(missing, *steps.shape[1:])])
    return padded.reshape(-1, window, *steps.shape[1:]).transpose(0, 1).flatten(1, 2)


class Noting:
    """An actor over trials that run on, and what it remembered before every so many steps of a rollout: an `Actor`.

    Attributes:
        notes: tuples of tensors (n, ...), one for every window.
        last: after the rollout.
    """

    def __init__(self, actor: RecurrentActor, every: int) -> None:
        self._actor, self._every, self._step = actor, every, 0
        self.head = actor.head
        self.notes: list[tuple[Tensor, ...]] = []
        self.last: tuple[Tensor, ...] = ()

    def greedy(self) -> Noting:
        """Give the same, but choosing the likeliest actions."""
        return Noting(self._actor.greedy(), self._every)

    def begin(self, tasks: int, copies: int) -> Any:
        """Begin trials."""
        return self._actor.begin(tasks, copies)

    def act(self, seen: Seen, noise: Tensor, memory: Any) -> tuple[Tensor, Tensor, Any]:
        """Choose actions."""
        if self._step % self._every == 0:
            memory = self._actor.policy.tidy(memory)
            self.notes.append(parts_of(memory))
        self._step += 1
        actions, numbers, memory = self._actor.act(seen, noise, memory)
        self.last = parts_of(memory)
        return actions, numbers, memory


@dataclass(frozen=True, slots=True)
class Pieces:
    """K windows of a rollout of T steps in n worlds, none with a trial's beginning but at its own."""

    rows: Tensor  # (w, K) int64: steps, repeated beyond a piece's own
    worlds: Tensor  # (K,) int64
    own: Tensor  # (w, K) bool: which of the steps are a piece's

    @staticmethod
    def of(begins: Tensor, window: int) -> Pieces:
        """Cut a rollout every so many steps, and where trials begin (T, n)."""
        steps, device = len(begins), begins.device
        cuts = begins | (torch.arange(steps, device=device) % window == 0)[:, None]
        worlds, first = cuts.T.nonzero().unbind(1)
        same = worlds[1:] == worlds[:-1]
        until = torch.cat([torch.where(same, first[1:], steps), torch.full_like(first[:1], steps)])
        rows = first + torch.arange(window, device=device)[:, None]
        return Pieces(rows.clamp(max=steps - 1), worlds, rows < until)

    def cut(self, steps: Tensor) -> Tensor:
        """Lay the pieces of steps (T, n, ...) side by side: (w, K, ...)."""
        return steps[self.rows, self.worlds]

    def joined(self, pieces: Tensor, steps: int, worlds: int) -> Tensor:
        """Put pieces (w, K) together again: (T, n)."""
        whole = pieces.new_zeros(steps, worlds)
        whole[self.rows[self.own], self.worlds.expand_as(self.own)[self.own]] = pieces[self.own]
        return whole


def trial_bounds(valid: Tensor, ends: Tensor, begun: Begun) -> tuple[Tensor, Tensor]:
    """Say which steps end a trial, and which are a trial's first though others came before, all (T, n)."""
    count = ends.long().cumsum(0)
    before = count - ends.long()
    lived = begun.lived.flatten()
    over = ends & ((lived + count) % begun.episodes == 0)
    known = functional.pad(torch.where(valid, before, 0).cummax(0).values, (0, 0, 1, 0))[:-1]
    return over, valid & (before > known) & ((lived + before) % begun.episodes == 0)


def laid_out_running(
    policy: Any, head: Head, rollout: Rollout, acted: Noting, settings: Learnt
) -> Mapping[str, Tensor]:
    """Do what `laid_out` does for a rollout through trials that run on; values beyond its end are the critic's."""
    assert rollout.begun is not None
    valid, actions, numbers = _laid(rollout.valid), _laid(rollout.actions), _laid(rollout.numbers)
    steps, worlds = valid.shape
    over, begins = trial_bounds(valid, _laid(rollout.ends), rollout.begun)
    inputs = inputs_of(rollout, policy.actions, policy.products)
    window = min(settings.window or steps, steps)
    pieces = Pieces.of(begins, window)
    first = pieces.rows[0]
    noted = tuple(each[first // window * worlds + pieces.worlds] for each in aligned(acted.notes))
    before = forgotten(noted, first % window == 0)
    with torch.no_grad():
        cut = pieces.cut(inputs)
        values = pieces.joined(policy.read(policy.remember(cut, before), cut)[1], steps, worlds)
        beyond = policy.read(policy.remember(inputs[-1:], acted.last), inputs[-1:])[1]
    rewards = settings.reward_scale * _laid(rollout.rewards)
    values = torch.cat([values, beyond])
    gains = running_advantages(
        rewards, values, valid, over, _laid(rollout.terminated), settings.discount, settings.trace
    )
    trials = {
        "inputs": inputs[:-1],
        "actions": actions,
        "log_probabilities": head.log_probability(numbers, actions),
        "gains": _standardised(gains, valid),
        "targets": gains + values[:-1],
    }
    windows = {name: pieces.cut(each) for name, each in trials.items()}
    windows["valid"] = (pieces.cut(valid) & pieces.own).float()
    return _remembering(windows, before)
