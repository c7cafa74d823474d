"""Rollouts of worlds that live on the learner's device: nothing is copied, and no step waits for the device.

What `Sampler` does with worlds of the processor, step by step and draw by draw, so that a rollout is the same by the
bit wherever the worlds are. What the host has to know of a rollout it reads once, at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from environments.domain import Outcome
from meta_learners.acting import Actor, Rollout, Seen
from meta_learners.experience.running import LARGEST_SEED, RunningWorlds
from meta_learners.families.family import Step, TaskFamily
from meta_learners.keys import Key, Stream, numpy_generator, torch_generator

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

BLOCK = 128  # steps for which noise is drawn ahead; part of what a seed means
LOOK = 16  # steps between two looks whether all worlds have had their episodes


class TensorWorlds(Protocol[T_contra]):
    """As `Worlds`, of tensors on a device. An episode that cannot go on ends as diverged; all numbers are finite."""

    num_envs: int

    def set_tasks(self, tasks: Sequence[T_contra]) -> None:
        """Give every world its task (num_envs,), from the next episode on."""
        ...

    def reset(self, *, seed: Sequence[int], options: dict[str, Any] | None = None) -> tuple[Tensor, dict[str, Any]]:
        """Start anew: observations (n, o); only some worlds where `options["reset_mask"]`, bool (n,), is given."""
        ...

    def step(
        self, actions: Tensor, *, seeds: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """Act: observations (n, o), rewards (n,), terminations (n,), truncations (n,); waits for nothing.

        Episodes that begin do so by `seeds`, int64 (n,), or else by each world's own next.
        """
        ...

    def close(self) -> None:
        """Free what the worlds hold."""
        ...


class Ashore(Generic[T]):
    """Worlds of a device as `Worlds` of arrays, for what is done once in a rollout, or over trials."""

    def __init__(self, worlds: TensorWorlds[T], device: torch.device) -> None:
        self._worlds, self._device = worlds, device
        self.num_envs = worlds.num_envs
        self.set_tasks, self.close = worlds.set_tasks, worlds.close

    def reset(
        self, *, seed: Sequence[int], options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start anew."""
        observations, infos = self._worlds.reset(seed=seed, options=options)
        return observations.cpu().numpy(), infos

    def step(self, actions: NDArray[Any]) -> Step:
        """Act."""
        *told, infos = self._worlds.step(torch.from_numpy(actions).to(self._device))
        observations, rewards, terminations, truncations = (each.cpu().numpy() for each in told)
        infos = {name: each.cpu().numpy() if isinstance(each, Tensor) else each for name, each in infos.items()}
        return observations, rewards, terminations, truncations, infos


class DevicePlayer(Generic[T]):
    """Plays what a `Sampler` is asked to, in worlds on its device.

    Args:
        worlds: M N of them.
        family: of their tasks.
        running: their episodes that go on, over `Ashore`.
        tasks: M.
        device: where the worlds and the actors are.
    """

    def __init__(
        self,
        worlds: TensorWorlds[T],
        family: TaskFamily[T],
        running: RunningWorlds[T],
        tasks: int,
        device: torch.device,
    ) -> None:
        self._worlds, self._family, self._running = worlds, family, running
        self._shape = (tasks, worlds.num_envs // tasks)
        self._device = device
        self._actions: Tensor | None = None  # (n, limit, a) of the episodes that go on

    def play(
        self,
        listed: list[T],
        actor: Actor[Any],
        key: Key,
        steps: int,
        episodes: int | None,
        go_on: bool,
        of_fall: float,
    ) -> tuple[Rollout, int]:
        """Play as `Sampler.play` says; gives how many steps were taken, too.

        Args:
            listed: the task of each world (n,).
            actor: chooses.
            key: names the chances.
            steps: at most.
            episodes: of each world, or None.
            go_on: goes on with the episodes under way.
            of_fall: what is added to the score of a step that falls, for a reward.
        """
        worlds, count = self._worlds, self._worlds.num_envs
        luck = numpy_generator((*key, Stream.EPISODES))
        generator = torch_generator((*key, Stream.ACTIONS))
        going = _GoingOn(self, listed, luck, steps) if go_on else None
        if going is None:
            self._running.stop()
            seeds = luck.integers(2**31, size=count).tolist()
            worlds.set_tasks(listed)
            observation = worlds.reset(seed=seeds)[0]
        else:
            observation = going.seen
        carried = torch.tensor(self._running.scores, dtype=torch.float32).view(self._shape)

        diary = _Diary(count, episodes, self._device)
        told = torch.zeros(count, 3, device=self._device)  # reward, end, and whether there was an action
        previous = torch.zeros(*self._shape, self._family.actions.size, device=self._device)
        place = torch.zeros(*self._shape, observation.shape[1], device=self._device)
        memory = actor.begin(*self._shape)
        seen, chosen = [], []
        for step in range(steps):
            if step % BLOCK == 0:
                noise = actor.head.noise((BLOCK, *self._shape), generator).to(self._device)
            here, before = observation.view(*self._shape, -1), told.view(*self._shape, -1)
            acting = before[..., 2:]
            seen.append(here)
            sight = Seen(here, previous * acting, before[..., 0], before[..., 1], place * acting)
            action, numbers, memory = actor.act(sight, noise[step % BLOCK], memory)
            chosen.append((action, numbers))
            previous, place = action, here
            commands = action.flatten(0, 1)
            resetting = diary.resetting
            row = None if going is None else going.seeds(resetting)
            observation, score, terminated, truncated, infos = worlds.step(commands, seeds=row)
            if going is not None:
                going.write(commands, score, resetting, row)
            fell = terminated & (infos["outcome"] == int(Outcome.FELL))
            reward = score + of_fall * fell
            ended = (terminated | truncated).double()
            told = torch.stack([reward, ended, torch.ones_like(ended)], 1).mul(~resetting[:, None]).float()
            diary.write(reward, score, terminated, truncated, fell)
            if step % LOOK == LOOK - 1 and diary.is_full():
                break
        seen.append(observation.view(*self._shape, -1))
        facts = diary.read()
        if going is not None:
            going.leave(observation, diary.resetting)
        return self._collect(seen, chosen, diary, facts, carried), facts.steps

    def _collect(self, seen: list[Tensor], chosen: list[Any], diary: _Diary, facts: _Facts, carried: Tensor) -> Rollout:
        length = facts.length
        actions, numbers = zip(*chosen, strict=True)

        def arranged(rows: list[Tensor]) -> Tensor:
            return torch.stack(rows[:length]).view(length, *self._shape).transpose(0, 1).contiguous()

        return Rollout(
            observations=torch.stack(seen[: length + 1], 1),
            actions=torch.stack(actions[:length], 1),
            numbers=torch.stack(numbers[:length], 1),
            rewards=arranged(diary.rewards),
            scores=arranged(diary.scores),
            valid=arranged(diary.valid),
            terminated=arranged(diary.terminated),
            truncated=arranged(diary.truncated),
            fell=arranged(diary.fell),
            carried=carried.to(self._device),
            diverged=0,
            most_ended=facts.most_ended,
        )


class _GoingOn(Generic[T]):
    """The episodes of worlds that run on, through one rollout on a device; see `RunningWorlds`."""

    def __init__(self, player: DevicePlayer[T], listed: list[T], luck: np.random.Generator, steps: int) -> None:
        self._player, self._running, self._device = player, player._running, player._device
        running, count = self._running, player._worlds.num_envs
        self.seen = self._sent(running.resume(listed, luck))
        player._worlds.set_tasks(listed)  # of everyone's next episode
        # Whenever worlds begin, one row of seeds is drawn for all; the device knows how many that were.
        self._rows = self._sent(luck.integers(LARGEST_SEED, size=(steps, count)))
        self._drawn = torch.zeros(1, dtype=torch.int64, device=self._device)
        self._pool = [*running.tasks, *listed]
        self._task = torch.arange(count, device=self._device)
        self._world = torch.arange(count, device=self._device)
        self._seeds, self._lengths = self._sent(running.seeds), self._sent(running.lengths)
        self._scores = self._sent(running.scores)
        if player._actions is None or running.actions is not None:
            assert running.actions is not None
            player._actions = self._sent(running.actions)
        self._actions: Tensor = player._actions

    def _sent(self, array: NDArray[Any]) -> Tensor:
        return torch.tensor(array, device=self._device)

    def seeds(self, beginning: Tensor) -> Tensor:
        """Draw the seeds of worlds that begin with this step (n,)."""
        row = self._rows.index_select(0, self._drawn)[0]
        self._drawn = self._drawn + beginning.any()
        return row

    def write(self, actions: Tensor, scores: Tensor, beginning: Tensor, seeds: Tensor | None) -> None:
        """Keep what was done in a step, and what began with it."""
        assert seeds is not None
        at = self._world, self._lengths.clamp(max=self._actions.shape[1] - 1)
        kept = beginning[(..., *[None] * (actions.ndim - 1))]
        self._actions[at] = torch.where(kept, self._actions[at], actions)
        self._lengths = torch.where(beginning, 0, self._lengths + 1)
        self._scores = torch.where(beginning, 0.0, self._scores + scores)
        self._seeds = torch.where(beginning, seeds, self._seeds)
        self._task = torch.where(beginning, self._world + len(self._world), self._task)

    def leave(self, seen: Tensor, over: Tensor) -> None:
        """Tell the host how the episodes stand."""
        places, seeds, lengths = torch.stack([self._task, self._seeds, self._lengths]).cpu().numpy()
        tasks, actions = [self._pool[place] for place in places], self._actions
        scores = self._scores.cpu().numpy().copy()
        self._running.arrive(tasks, seeds.copy(), lengths.copy(), scores, lambda: actions.cpu().numpy().copy())
        self._running.leave(seen.cpu().numpy(), over.cpu().numpy())


class _Facts:
    """What the host has to know of a rollout."""

    def __init__(self, full: list[bool], valid: list[int], most_ended: int) -> None:
        self.length = full.index(True) + 1 if True in full else len(full)  # steps before all had their episodes
        self.steps = sum(valid[: self.length])
        self.most_ended = most_ended


class _Diary:
    """Which steps of a rollout count, and how episodes ended, as tensors; see `sampling._Diary`."""

    def __init__(self, worlds: int, episodes: int | None, device: torch.device) -> None:
        self.episodes = episodes
        self.finished = torch.zeros(worlds, dtype=torch.int64, device=device)
        self.resetting = torch.zeros(worlds, dtype=torch.bool, device=device)
        self.rewards: list[Tensor] = []
        self.scores: list[Tensor] = []
        self.valid: list[Tensor] = []
        self.terminated: list[Tensor] = []
        self.truncated: list[Tensor] = []
        self.fell: list[Tensor] = []
        self._full: list[Tensor] = []
        self._answer: tuple[Tensor, Any] | None = None

    def write(self, reward: Tensor, score: Tensor, terminated: Tensor, truncated: Tensor, fell: Tensor) -> None:
        """Enter a step of all worlds (n,)."""
        valid = ~self.resetting
        if self.episodes is not None:
            valid = valid & (self.finished < self.episodes)
        ended = terminated | truncated
        self.rewards.append(torch.where(valid, reward, 0.0).float())
        self.scores.append(torch.where(valid, score, 0.0).float())
        self.valid.append(valid)
        self.terminated.append(terminated & valid)
        self.truncated.append(truncated & ~terminated & valid)
        self.fell.append(fell & valid)
        self.finished = self.finished + (ended & valid)
        self.resetting = ended
        if self.episodes is not None:
            self._full.append((self.finished >= self.episodes).all())

    def is_full(self) -> bool:
        """Say whether all worlds had had their episodes some steps ago, without waiting for the device."""
        if self.episodes is None:
            return False
        answer, newest = self._answer, self._full[-1]
        if not newest.is_cuda:
            return bool(newest)
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        landed = torch.empty((), dtype=torch.bool, pin_memory=True).copy_(newest, non_blocking=True)
        event.record()
        self._answer = landed, event
        return answer is not None and answer[1].query() and bool(answer[0])

    def read(self) -> _Facts:
        """Wait for the device, once."""
        valid = torch.stack(self.valid).sum(1)
        full = torch.stack(self._full) if self._full else torch.zeros_like(valid)
        told = torch.cat([valid, full.long(), self.finished.max()[None]]).tolist()
        steps = len(self.valid)
        return _Facts([bool(each) for each in told[steps : 2 * steps]], told[:steps], told[-1])
