"""Rollouts of many tasks at once, several worlds a task.

Every step is one call of the worlds and one of the actor, over all tasks
together; to and from a device goes one copy each a step. Noise is drawn ahead,
in blocks, from a keyed generator. What the rewards mean for learning is
`returns.py`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from meta_learners.families.tasks import TaskFamily
from meta_learners.keys import Key, Stream, numpy_generator, torch_generator
from meta_learners.networks.heads import Head

T = TypeVar("T")
M = TypeVar("M")  # what an actor remembers

BLOCK = 128  # steps for which noise is drawn ahead; part of what a seed means


@dataclass(frozen=True, slots=True)
class Seen:
    """What an actor sees before a step, of M tasks in N worlds each.

    All but the first are of the step before, for policies that remember; zeros at the first, and where the step before
    only began an episode.
    """

    observations: Tensor  # (M, N, o) float32
    actions: Tensor  # (M, N, a) float32; choices one-hot
    rewards: Tensor  # (M, N) float32
    ends: Tensor  # (M, N) float32: 1 where the step before ended an episode
    places: Tensor  # (M, N, o) float32: what was observed when those actions were chosen


class Actor(Protocol[M]):
    """Chooses the actions of all worlds. A recurrent one carries its memory from step to step, also across episodes."""

    @property
    def head(self) -> Head:
        """The distribution that it acts by; noise comes from there."""
        ...

    def begin(self, tasks: int, copies: int) -> M:
        """Give the memory to begin with."""
        ...

    def act(self, seen: Seen, noise: Tensor, memory: M) -> tuple[Tensor, Tensor, M]:
        """Choose: actions (M, N, ...), the numbers (M, N, k) of their distributions, and the memory for the next step.

        Called without gradients.
        """
        ...


@dataclass(frozen=True, slots=True)
class Rollout:
    """What happened, of M tasks in N worlds over T steps; all tensors on the sampler's device.

    Where `valid` is false, the step only began an episode anew, or came after the episodes that were asked for:
    it teaches nothing, and its reward is 0.
    """

    observations: Tensor  # (M, T + 1, N, o) float32; the row after an episode's last step holds its last observation
    actions: Tensor  # (M, T, N, a) float32, or choices (M, T, N) int64
    numbers: Tensor  # (M, T, N, k) float32: the distributions of the actions
    rewards: Tensor  # (M, T, N) float32
    valid: Tensor  # (M, T, N) bool
    terminated: Tensor  # (M, T, N) bool: ended for good, worth nothing after
    truncated: Tensor  # (M, T, N) bool: cut off by the limit
    diverged: int  # episodes ended by a number that was not finite

    @property
    def ends(self) -> Tensor:
        """Where an episode ended (M, T, N)."""
        return self.terminated | self.truncated

    def episode_returns(self, episodes: int) -> Tensor:
        """Sum the rewards of each world's first episodes: (M, N, episodes), NaN where one did not end."""
        ended = self.ends.long()
        number = (ended.cumsum(1) - ended).clamp(max=episodes)  # later ones share a column that is dropped
        shape = (ended.shape[0], episodes + 1, ended.shape[2])
        sums = self.rewards.new_zeros(shape).scatter_add(1, number, self.rewards)
        complete = self.rewards.new_zeros(shape).scatter_add(1, number, ended.float()) > 0
        return torch.where(complete, sums, torch.nan)[:, :episodes].transpose(1, 2)


class Sampler(Generic[T]):
    """Plays tasks of a family, a fixed number at a time.

    Args:
        family: of the tasks.
        tasks: M, played together.
        copies: N, worlds for each task.
        device: where actors compute and rollouts lie.

    Attributes:
        simulating: seconds spent in the worlds so far.
        sampling: seconds spent in `play` outside of them so far.
        steps: environment steps so far, resets not counted.
    """

    def __init__(self, family: TaskFamily[T], tasks: int, copies: int, *, device: str | torch.device = "cpu") -> None:
        self.family, self.tasks, self.copies = family, tasks, copies
        self.device = torch.device(device)
        self.worlds = family.worlds(tasks * copies)
        self.simulating = self.sampling = 0.0
        self.steps = 0
        # One staging area, and so one copy a step: observation, reward, end, and whether there was an action.
        self._staging = torch.zeros(tasks, copies, family.observation_size + 3, pin_memory=self.device.type == "cuda")

    def close(self) -> None:
        """Free the worlds."""
        self.worlds.close()

    def play(
        self, tasks: Sequence[T], actor: Actor[Any], key: Key, *, steps: int | None = None, episodes: int | None = None
    ) -> Rollout:
        """Play the tasks from fresh episodes on.

        Args:
            tasks: M of them.
            actor: chooses all actions.
            key: names the noise and the episodes' seeds.
            steps: T. With episodes, no more than these; without, exactly these, episodes following one another.
            episodes: of each world, after which the rest is not valid; ends when all have had theirs.

        Raises:
            ValueError: the number of tasks is not the sampler's, or neither steps nor episodes are given.
        """
        if len(tasks) != self.tasks:
            raise ValueError(f"there are {len(tasks)} tasks; this sampler plays {self.tasks}")
        if steps is None:
            if episodes is None:
                raise ValueError("neither steps nor episodes are given; give one")
            steps = episodes * (self.family.episode_limit + 1) - 1  # a step between episodes only resets
        started, simulating = time.perf_counter(), self.simulating
        with torch.no_grad():
            rollout = self._play(tasks, actor, key, steps, episodes)
        self.sampling += time.perf_counter() - started - (self.simulating - simulating)
        return rollout

    def _play(self, tasks: Sequence[T], actor: Actor[Any], key: Key, steps: int, episodes: int | None) -> Rollout:
        count, size = self.worlds.num_envs, self.family.observation_size
        seeds = numpy_generator((*key, Stream.EPISODES)).integers(2**31, size=count).tolist()
        generator = torch_generator((*key, Stream.ACTIONS))
        began = time.perf_counter()
        self.worlds.set_tasks([task for task in tasks for _ in range(self.copies)])
        observation = _finite(self.worlds.reset(seed=seeds)[0])
        self.simulating += time.perf_counter() - began

        diary = _Diary(count, episodes)
        staging = self._staging.view(count, size + 3).numpy()
        staging[:, size:] = 0.0
        previous = torch.zeros(self.tasks, self.copies, self.family.actions.size, device=self.device)
        place = torch.zeros(self.tasks, self.copies, size, device=self.device)
        memory = actor.begin(self.tasks, self.copies)
        seen: list[Tensor] = []
        chosen: list[tuple[Tensor, Tensor]] = []
        for step in range(steps):
            if step % BLOCK == 0:
                noise = actor.head.noise((BLOCK, self.tasks, self.copies), generator).to(self.device)
            staging[:, :size] = observation
            row = torch.empty_like(self._staging, device=self.device).copy_(self._staging, non_blocking=True)
            seen.append(row)
            acting = row[..., size + 2 :]
            sight = Seen(row[..., :size], previous * acting, row[..., size], row[..., size + 1], place * acting)
            action, numbers, memory = actor.act(sight, noise[step % BLOCK], memory)
            chosen.append((action, numbers))
            previous, place = self._as_input(action), row[..., :size]
            commands = action.flatten(0, 1).cpu().numpy()
            began = time.perf_counter()
            observation, reward, terminated, truncated, _ = self.worlds.step(commands)
            observation, reward, terminated = self._mend(observation, reward, terminated, diary, seeds)
            self.simulating += time.perf_counter() - began
            acted = ~diary.resetting
            staging[:, size:] = np.stack([reward, terminated | truncated, np.ones(count)], 1) * acted[:, None]
            if diary.write(reward, terminated, truncated):
                break
        staging[:, :size] = observation
        seen.append(self._staging.to(self.device, copy=True))
        self.steps += diary.steps
        return self._collect(seen, chosen, diary)

    def _as_input(self, action: Tensor) -> Tensor:
        if self.family.actions.discrete:
            return torch.nn.functional.one_hot(action, self.family.actions.size).float()
        return action

    def _mend(
        self, observation: Any, reward: Any, terminated: Any, diary: _Diary, seeds: Sequence[int]
    ) -> tuple[Any, Any, Any]:
        """End episodes in which a number is not finite: rewarded with 0, counted, begun anew."""
        broken = ~(np.isfinite(observation).all(1) & np.isfinite(reward))
        if not broken.any():
            return observation, reward, terminated
        diary.diverged += int(broken.sum())
        fresh, _ = self.worlds.reset(seed=seeds, options={"reset_mask": broken})
        observation = np.where(broken[:, None], _finite(fresh), observation)
        diary.began |= broken
        return observation, np.where(broken, 0.0, reward), terminated | broken

    def _collect(self, seen: list[Tensor], chosen: list[tuple[Tensor, Tensor]], diary: _Diary) -> Rollout:
        actions, numbers = zip(*chosen, strict=True)

        def arranged(rows: list[np.ndarray[Any, Any]]) -> Tensor:
            stacked = np.stack(rows).reshape(len(rows), self.tasks, self.copies).swapaxes(0, 1)
            return torch.from_numpy(np.ascontiguousarray(stacked)).to(self.device)

        return Rollout(
            observations=torch.stack(seen, 1)[..., : self.family.observation_size].contiguous(),
            actions=torch.stack(actions, 1),
            numbers=torch.stack(numbers, 1),
            rewards=arranged(diary.rewards),
            valid=arranged(diary.valid),
            terminated=arranged(diary.terminated),
            truncated=arranged(diary.truncated),
            diverged=diary.diverged,
        )


def _finite(observation: Any) -> Any:
    """Show zeros where a world begins with numbers that are not finite; its first step then ends the episode."""
    return np.nan_to_num(observation, nan=0.0, posinf=0.0, neginf=0.0)


class _Diary:
    """What the host keeps of a rollout: which steps count, and how episodes ended."""

    def __init__(self, worlds: int, episodes: int | None) -> None:
        self.episodes = episodes
        self.finished = np.zeros(worlds, dtype=np.int64)  # episodes so far
        self.resetting = np.zeros(worlds, dtype=np.bool_)  # whose coming step only begins an episode
        self.began = np.zeros(worlds, dtype=np.bool_)  # begun anew already, with no step in between
        self.rewards: list[Any] = []
        self.valid: list[Any] = []
        self.terminated: list[Any] = []
        self.truncated: list[Any] = []
        self.steps = self.diverged = 0

    def write(self, reward: Any, terminated: Any, truncated: Any) -> bool:
        """Enter a step of all worlds (n,); says whether all have had the episodes that were asked for."""
        valid = ~self.resetting
        if self.episodes is not None:
            valid &= self.finished < self.episodes
        ended = terminated | truncated
        self.rewards.append(np.where(valid, reward, 0.0).astype(np.float32))
        self.valid.append(valid)
        self.terminated.append(terminated & valid)
        self.truncated.append(truncated & ~terminated & valid)
        self.finished += ended & valid
        self.resetting = ended & ~self.began
        self.began[:] = False
        self.steps += int(valid.sum())
        return self.episodes is not None and bool((self.finished >= self.episodes).all())
