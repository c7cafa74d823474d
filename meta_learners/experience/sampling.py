"""Rollouts of many tasks at once, several worlds a task.

Every step is one call of the worlds and one of the actor, over all tasks
together; to and from a device goes one copy each a step. Noise is drawn ahead,
in blocks, from a keyed generator. What the rewards mean for learning is
`returns.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from environments.domain import Outcome
from meta_learners.acting import Actor, Begun, Rollout, Seen
from meta_learners.experience.device import BLOCK, Ashore, DevicePlayer
from meta_learners.experience.running import Booleans, RunningWorlds, forgotten, parts_of
from meta_learners.families.family import TaskFamily, Worlds
from meta_learners.keys import Key, Stream, numpy_generator, torch_generator

T = TypeVar("T")

MEMORY = "memory."  # begins the names of what an actor remembers
_NOBODY = np.False_  # where worlds do not tell of falls


Listener = Callable[[Rollout, Sequence[T], Sequence[T]], None]
"""Hears a rollout, and the tasks of each world's first and later episodes, both (n,)."""

Begin = Callable[[Booleans], NDArray[np.float32]]
"""Begins episodes anew in some worlds; gives observations (n, o), of which the others' rows mean nothing."""


class Sampler(Generic[T]):
    """Plays tasks of a family, a fixed number at a time.

    Args:
        family: of the tasks.
        tasks: M, played together.
        copies: N, worlds for each task.
        device: where actors compute and rollouts lie, and worlds too where the family has `worlds_on` for it.
        fall_reward: what learners see of a fall instead of the family's `fall_return`; scores keep that.

    Attributes:
        simulating: seconds spent in the worlds so far; not told apart from sampling where these are on the device.
        sampling: seconds spent in `play` outside of them so far.
        steps: environment steps so far, resets not counted.
        running: the episodes that `play` with `go_on` left under way.
        listeners: are told of every rollout.

    Raises:
        ValueError: there is a fall reward, and the family knows nothing of falls.
    """

    def __init__(
        self,
        family: TaskFamily[T],
        tasks: int,
        copies: int,
        *,
        device: str | torch.device = "cpu",
        fall_reward: float | None = None,
    ) -> None:
        self._of_fall = 0.0
        if fall_reward is not None:
            usual = getattr(family, "fall_return", None)
            if usual is None:
                raise ValueError(f"fall_reward is {fall_reward}; in {family.name} nobody falls, so there can be none")
            self._of_fall = fall_reward - usual
        self.family, self.tasks, self.copies = family, tasks, copies
        self.device = torch.device(device)
        make: Any = getattr(family, "worlds_on", None)
        there = None if make is None else make(tasks * copies, self.device)
        self.worlds: Worlds[T] = family.worlds(tasks * copies) if there is None else Ashore(there, self.device)
        self.running = RunningWorlds(self.worlds, family)
        self._player = None if there is None else DevicePlayer(there, family, self.running, tasks, self.device)
        self.simulating = self.sampling = 0.0
        self.steps = 0
        self.listeners: list[Listener[T]] = []
        # One staging area, and so one copy a step: observation, reward, end, and whether there was an action.
        self._staging = torch.zeros(tasks, copies, family.observation_size + 3, pin_memory=self.device.type == "cuda")

    def close(self) -> None:
        """Free the worlds."""
        self.worlds.close()

    def play(
        self,
        tasks: Sequence[T],
        actor: Actor[Any],
        key: Key,
        *,
        steps: int | None = None,
        episodes: int | None = None,
        go_on: bool = False,
        trial: int = 0,
    ) -> Rollout:
        """Play the tasks from fresh episodes on, or go on where the last call left the worlds.

        Args:
            tasks: M of them.
            actor: chooses all actions.
            key: names the noise and the episodes' seeds.
            steps: T. With episodes, no more than these; without, exactly these, episodes following one another.
            episodes: of each world, after which the rest is not valid; ends when all have had theirs.
            go_on: goes on with the episodes that the last such call left under way, each with its own task to its end.
                Worlds take the new tasks with their next episodes, or trials.
            trial: episodes of a trial where those go on, too; 0 where actors remember nothing. What is remembered is a
                tensor (M N, ...), or a tuple of them, in which rows of 0 are nothing: a trial begins with those. Worlds
                of a device are then stepped from the processor.

        Raises:
            ValueError: the number of tasks is not the sampler's, neither steps nor episodes are given, or episodes are
                counted that go on, or trials go on in worlds that do not.
        """
        if len(tasks) != self.tasks:
            raise ValueError(f"there are {len(tasks)} tasks; this sampler plays {self.tasks}")
        if go_on and episodes is not None:
            raise ValueError("episodes are counted in worlds that begin anew; give steps to worlds that go on")
        if trial and not go_on:
            raise ValueError(f"trial is {trial} where worlds begin anew; give episodes instead")
        if steps is None:
            if episodes is None:
                raise ValueError("neither steps nor episodes are given; give one")
            steps = episodes * (self.family.episode_limit + 1) - 1  # a step between episodes only resets
        started, simulating = time.perf_counter(), self.simulating
        listed = [task for task in tasks for _ in range(self.copies)]
        first = self.running.first(listed, trial or 1) if go_on else listed
        with torch.no_grad():
            rollout = self._play(listed, actor, key, steps, episodes, go_on, trial)
            for listener in self.listeners:
                listener(rollout, first, listed)
        self.sampling += time.perf_counter() - started - (self.simulating - simulating)
        return rollout

    def _play(
        self, listed: list[T], actor: Actor[Any], key: Key, steps: int, episodes: int | None, go_on: bool, trial: int
    ) -> Rollout:
        if self._player is not None and not trial:
            rollout, taken = self._player.play(listed, actor, key, steps, episodes, go_on, self._of_fall)
            self.steps += taken
            return rollout
        count, size = self.worlds.num_envs, self.family.observation_size
        luck = numpy_generator((*key, Stream.EPISODES))
        generator = torch_generator((*key, Stream.ACTIONS))
        began = time.perf_counter()
        observation, begin = self._open(listed, luck, trial or 1) if go_on else self._open_anew(listed, luck)
        carried = torch.tensor(self.running.scores, dtype=torch.float32).view(self.tasks, self.copies)
        self.simulating += time.perf_counter() - began

        diary = _Diary(count, episodes)
        staging = self._staging.view(count, size + 3).numpy()
        staging[:, size:] = 0.0
        previous = torch.zeros(self.tasks, self.copies, self.family.actions.size, device=self.device)
        place = torch.zeros(self.tasks, self.copies, size, device=self.device)
        memory = actor.begin(self.tasks, self.copies)
        begun: Begun | None = None
        if trial and self.running.remembered:
            memory, previous, place = self._recall(memory)
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
            if trial:
                begun, memory = begun or self._begun(trial, sight), self._forgotten(memory)
            action, numbers, memory = actor.act(sight, noise[step % BLOCK], memory)
            chosen.append((action, numbers))
            previous, place = self._as_input(action), row[..., :size]
            commands = action.flatten(0, 1).cpu().numpy()
            acted = ~diary.resetting
            observation, score, terminated, truncated, fell = self._step(commands, diary, begin, go_on)
            reward = score + self._of_fall * fell
            staging[:, size:] = np.stack([reward, terminated | truncated, np.ones(count)], 1) * acted[:, None]
            if diary.write(reward, score, terminated, truncated, fell):
                break
        if go_on:
            self.running.leave(observation, diary.resetting)
        if trial:
            self._keep(memory, previous, place)
        staging[:, :size] = observation
        seen.append(self._staging.to(self.device, copy=True))
        self.steps += diary.steps
        return self._collect(seen, chosen, diary, carried, begun)

    def _open(self, listed: list[T], luck: np.random.Generator, trial: int) -> tuple[Any, Begin]:
        """Go on with what is under way: what is seen, and what begins episodes."""
        return _finite(self.running.resume(listed, luck, trial)), self.running.begin

    def _open_anew(self, listed: list[T], luck: np.random.Generator) -> tuple[Any, Begin]:
        """Begin new episodes everywhere: what is seen, and what begins others."""
        self.running.stop()
        seeds = luck.integers(2**31, size=self.worlds.num_envs).tolist()
        self.worlds.set_tasks(listed)

        def begin(mask: Booleans) -> NDArray[np.float32]:
            return self.worlds.reset(seed=seeds, options={"reset_mask": mask})[0]

        return _finite(self.worlds.reset(seed=seeds)[0]), begin

    def _begun(self, trial: int, sight: Seen) -> Begun:
        lived = torch.from_numpy(self.running.lived.copy()).to(self.device)
        return Begun(trial, lived.view(self.tasks, self.copies), sight)

    def _forgotten(self, memory: Any) -> Any:
        """Let worlds whose trials have begun remember nothing."""
        fresh = self.running.fresh()
        return forgotten(memory, torch.from_numpy(~fresh).to(self.device)) if fresh.any() else memory

    def _keep(self, memory: Any, previous: Tensor, place: Tensor) -> None:
        """Keep what is remembered, and what the step that comes will be told of the last one."""
        told = self._staging[..., -3:].to(self.device, copy=True)
        last = {"action": previous, "place": place, "told": told}
        self.running.remembered = {name: tensor.flatten(0, 1) for name, tensor in last.items()} | {
            f"{MEMORY}{number}": tensor for number, tensor in enumerate(parts_of(memory))
        }

    def _recall(self, like: Any) -> tuple[Any, Tensor, Tensor]:
        """Give back memory, in the form of another, the action and the place; what else was told is laid ready.

        Worlds whose trials have begun since know nothing of it.
        """
        old = torch.from_numpy(~self.running.fresh()).to(self.device)
        kept = {name: forgotten(each.to(self.device), old) for name, each in self.running.remembered.items()}
        memory = tuple(kept[f"{MEMORY}{number}"] for number in range(sum(name.startswith(MEMORY) for name in kept)))
        shape = self.tasks, self.copies, -1
        self._staging[..., -3:].copy_(kept["told"].view(shape))
        return memory if isinstance(like, tuple) else memory[0], kept["action"].view(shape), kept["place"].view(shape)

    def _step(self, commands: NDArray[Any], diary: _Diary, begin: Begin, go_on: bool) -> tuple[Any, ...]:
        """Step all worlds: observations, scores, terminations, truncations and falls."""
        began = time.perf_counter()
        observation, score, terminated, truncated, infos = self.worlds.step(commands)
        if go_on:
            self.running.write(commands, score, ~diary.resetting)
            if diary.resetting.any():
                # The worlds have begun by themselves; with a seed of ours the episode can be played again.
                observation = np.where(diary.resetting[:, None], begin(diary.resetting), observation)
        broken = ~(np.isfinite(observation).all(1) & np.isfinite(score))
        if broken.any():
            # Episodes in which a number is not finite end, are rewarded with 0, counted, and begun anew.
            diary.diverged += int(broken.sum())
            observation = np.where(broken[:, None], _finite(begin(broken)), observation)
            score, terminated = np.where(broken, 0.0, score), terminated | broken
            diary.began |= broken
        outcomes = infos.get("outcome")
        fell = _NOBODY if outcomes is None else terminated & ~broken & (outcomes == Outcome.FELL)
        self.simulating += time.perf_counter() - began
        return observation, score, terminated, truncated, fell

    def _as_input(self, action: Tensor) -> Tensor:
        if self.family.actions.discrete:
            return torch.nn.functional.one_hot(action, self.family.actions.size).float()
        return action

    def _collect(
        self,
        seen: list[Tensor],
        chosen: list[tuple[Tensor, Tensor]],
        diary: _Diary,
        carried: Tensor,
        begun: Begun | None,
    ) -> Rollout:
        actions, numbers = zip(*chosen, strict=True)

        def arranged(rows: list[np.ndarray[Any, Any]]) -> Tensor:
            stacked = np.stack(rows).reshape(len(rows), self.tasks, self.copies).swapaxes(0, 1)
            return torch.from_numpy(np.ascontiguousarray(stacked)).to(self.device)

        return Rollout(
            observations=torch.stack(seen, 1)[..., : self.family.observation_size].contiguous(),
            actions=torch.stack(actions, 1),
            numbers=torch.stack(numbers, 1),
            rewards=arranged(diary.rewards),
            scores=arranged(diary.scores),
            valid=arranged(diary.valid),
            terminated=arranged(diary.terminated),
            truncated=arranged(diary.truncated),
            fell=arranged(diary.fell),
            carried=carried.to(self.device),
            diverged=diary.diverged,
            most_ended=int(np.sum(diary.ended, 0).max()),
            begun=begun,
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
        self.scores: list[Any] = []
        self.valid: list[Any] = []
        self.terminated: list[Any] = []
        self.truncated: list[Any] = []
        self.fell: list[Any] = []
        self.ended: list[Any] = []
        self.steps = self.diverged = 0

    def write(self, reward: Any, score: Any, terminated: Any, truncated: Any, fell: Any) -> bool:
        """Enter a step of all worlds (n,); says whether all have had the episodes that were asked for."""
        valid = ~self.resetting
        if self.episodes is not None:
            valid &= self.finished < self.episodes
        ended = terminated | truncated
        self.rewards.append(np.where(valid, reward, 0.0).astype(np.float32))
        self.scores.append(np.where(valid, score, 0.0).astype(np.float32))
        self.valid.append(valid)
        self.terminated.append(terminated & valid)
        self.truncated.append(truncated & ~terminated & valid)
        self.fell.append(fell & valid)
        self.ended.append(ended & valid)
        self.finished += ended & valid
        self.resetting = ended & ~self.began
        self.began[:] = False
        self.steps += int(valid.sum())
        return self.episodes is not None and bool((self.finished >= self.episodes).all())
