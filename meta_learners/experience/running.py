"""Worlds that run on: episodes that go on from one rollout to the next, and can be played again after a restart.

An episode is known by its task, its seed and what was done in it, so that what has to be kept of the worlds is plain
arrays, whatever simulates them: played again, they come to where they stood. Every episode has a seed of its own.

Episodes on one task may make a trial, over which an actor remembers. What it remembers cannot be played again, for it
has learnt since; it is kept as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meta_learners.families.family import TaskFamily, Worlds

T = TypeVar("T")
Booleans = NDArray[np.bool_]
LARGEST_SEED = 2**31
UNBORN = -1  # lived by worlds without a trial


def _nothing() -> NDArray[np.int64]:
    return np.zeros(0, dtype=np.int64)


def parts_of(memory: Any) -> tuple[Tensor, ...]:
    """Give the tensors of what is remembered, which is one or a tuple of them."""
    return memory if isinstance(memory, tuple) else (memory,)


def forgotten(memory: Any, kept: Tensor) -> Any:
    """Make what is remembered, a tensor (n, ...) or a tuple of them, nothing where `kept` (n,) is false."""
    if isinstance(memory, tuple):
        return tuple(forgotten(each, kept) for each in memory)
    return memory * kept.view(-1, *[1] * (memory.dim() - 1))


@dataclass(frozen=True, slots=True)
class Underway(Generic[T]):
    """The episodes under way in n worlds; all arrays are empty, and tasks too, where none run on."""

    tasks: list[T]  # of each world
    seeds: NDArray[np.int64]  # (n,)
    lengths: NDArray[np.int64]  # (n,) steps so far; -1 where the world is between episodes
    actions: NDArray[Any]  # (sum of lengths, ...) world after world
    lived: NDArray[np.int64] = field(default_factory=_nothing)  # (n,) episodes of its trial; none without
    remembered: Mapping[str, NDArray[Any]] = field(default_factory=dict)  # by actors, (n, ...) each


class RunningWorlds(Generic[T]):
    """The episodes of worlds that run on.

    Args:
        worlds: which they are; between two calls here, they must not be reset by anybody else.
        family: of their tasks.
    """

    def __init__(self, worlds: Worlds[T], family: TaskFamily[T]) -> None:
        self._worlds, self._family = worlds, family
        count = worlds.num_envs
        self.scores = np.zeros(count)  # of the episodes so far
        self.remembered: dict[str, Tensor] = {}  # by whoever acts over trials, (n, ...) each
        self._going = np.zeros(count, dtype=np.bool_)
        self._lived = np.full(count, UNBORN)
        self._fresh = np.zeros(count, dtype=np.bool_)
        self._trial = 1
        self._seeds = np.zeros(count, dtype=np.int64)
        self._lengths = np.zeros(count, dtype=np.int64)
        self._tasks: list[T] = []  # being played
        self._next: list[T] = []
        self._luck = np.random.default_rng(0)
        actions = family.actions
        self._width: tuple[int, ...] = () if actions.discrete else (actions.size,)
        self._kind: type[np.generic] = np.int64 if actions.discrete else np.float32
        self._actions: NDArray[Any] | None = None  # (n, limit, ...), made when worlds first run on
        self._elsewhere: Callable[[], NDArray[Any]] | None = None  # fetches the newer ones from a device
        self._seen = np.zeros((count, family.observation_size), dtype=np.float32)

    def stop(self) -> None:
        """Forget all episodes: the worlds begin anew."""
        self._going[:] = False
        self._lived[:] = UNBORN
        self.remembered = {}
        self.scores[:] = 0.0

    def resume(self, tasks: Sequence[T], luck: np.random.Generator, trial: int = 1) -> NDArray[np.float32]:
        """Go on: new episodes where none is under way. Gives what is seen (n, o).

        Args:
            tasks: of each world's next trial.
            luck: draws the seeds of the episodes that begin from now on.
            trial: episodes of a trial, all on one task.
        """
        self._next, self._luck, self._trial = list(tasks), luck, trial
        if not self._tasks:
            self._tasks = list(tasks)
        if self._actions is None:
            room = (len(self._going), self._family.episode_limit, *self._width)
            self._actions = np.zeros(room, dtype=self._kind)
        if not self._going.any():
            self._renew(~self._going)
            self._seen = self._worlds.reset(seed=self._seeds.tolist())[0]
        elif not self._going.all():
            mask = ~self._going
            self._seen = np.where(mask[:, None], self.begin(mask), self._seen)
        return self._seen

    def begin(self, mask: Booleans) -> NDArray[np.float32]:
        """Begin an episode in some worlds; gives what is seen (n, o), of which the other rows mean nothing."""
        self._renew(mask)
        return self._worlds.reset(seed=self._seeds.tolist(), options={"reset_mask": mask})[0]

    def fresh(self) -> Booleans:
        """Say where trials have begun since this was last asked (n,)."""
        found, self._fresh = self._fresh, np.zeros_like(self._fresh)
        return found

    def write(self, actions: NDArray[Any], scores: NDArray[np.float64], acted: Booleans) -> None:
        """Keep what was done in a step, where anything was."""
        assert self._actions is not None
        at = np.flatnonzero(acted)
        self._actions[at, self._lengths[at]] = actions[at]
        self._lengths[at] += 1
        self.scores[at] += scores[at]

    def leave(self, seen: NDArray[np.float32], over: Booleans) -> None:
        """End a rollout, after which this is seen (n, o); where an episode is over, the next begins with the next."""
        self._seen = seen.copy()
        self._going = ~over
        self.scores[over] = 0.0

    def arrive(
        self,
        tasks: list[T],
        seeds: NDArray[np.int64],
        lengths: NDArray[np.int64],
        scores: NDArray[np.float64],
        actions: Callable[[], NDArray[Any]],
    ) -> None:
        """Take over episodes that went on on a device, all (n, ...), where the actions stay until they are needed."""
        self._tasks, self._seeds, self._lengths, self.scores = tasks, seeds, lengths, scores
        self._elsewhere = actions

    def first(self, listed: Sequence[T], trial: int = 1) -> list[T]:
        """Give the task of each world's first trial in a rollout of these (n,) that goes on."""
        under_way = self._tasks or listed
        stays = self._going | ~self._ends_trial(trial)
        return [old if same else new for same, old, new in zip(stays, under_way, listed, strict=True)]

    @property
    def lived(self) -> NDArray[np.int64]:
        """How many episodes of each world's trial have ended (n,)."""
        return self._lived

    @property
    def seeds(self) -> NDArray[np.int64]:
        """The seed of each world's episode (n,)."""
        return self._seeds

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The steps of each so far (n,)."""
        return self._lengths

    @property
    def tasks(self) -> list[T]:
        """The task that each world plays."""
        return self._tasks

    @property
    def actions(self) -> NDArray[Any] | None:
        """What was done in each (n, limit, ...); None where it is still on a device."""
        return self._actions if self._elsewhere is None else None

    def state(self) -> Underway[T]:
        """Give what `load` needs."""
        if self._elsewhere is not None and self._going.any():
            self._actions, self._elsewhere = self._elsewhere(), None
        if not (self._going.any() or self.remembered) or self._actions is None:
            return Underway([], _nothing(), _nothing(), np.zeros((0, *self._width), dtype=self._kind))
        lengths = np.where(self._going, self._lengths, -1)
        done = [each[:length] for each, length in zip(self._actions, lengths.clip(min=0), strict=True)]
        remembered = {name: each.cpu().numpy() for name, each in self.remembered.items()}
        lived = self._lived.copy() if remembered else _nothing()
        return Underway(list(self._tasks), self._seeds.copy(), lengths, np.concatenate(done), lived, remembered)

    def load(self, state: Underway[T]) -> None:
        """Bring the worlds to where they stood, by playing their episodes again.

        Raises:
            ValueError: the state is of other worlds.
        """
        self.stop()
        if not state.tasks:
            return
        self._check(state)
        self._tasks, self._seeds, self._lengths = list(state.tasks), state.seeds.copy(), state.lengths.clip(min=0)
        self._elsewhere = None
        self._actions = np.zeros((len(self._going), self._family.episode_limit, *self._width), dtype=self._kind)
        for world, done in enumerate(np.split(state.actions, np.cumsum(self._lengths)[:-1])):
            self._actions[world, : len(done)] = done
        self._going = state.lengths >= 0
        self.remembered = {name: torch.from_numpy(each) for name, each in state.remembered.items()}
        if self.remembered:
            self._lived = state.lived.copy()
        self._worlds.set_tasks(self._tasks)
        seen = self._worlds.reset(seed=self._seeds.tolist())[0]
        longest = int(self._lengths.max())
        first = longest - self._lengths  # the step with which each begins, so that all end together
        for step in range(longest):
            if (starting := (first == step) & (first > 0)).any():
                self._worlds.reset(seed=self._seeds.tolist(), options={"reset_mask": starting})
            at = np.where(step >= first, step - first, 0)
            seen, scores, *_ = self._worlds.step(self._actions[np.arange(len(at)), at])
            self.scores += np.where(step >= first, scores, 0.0)
        if (starting := (first == longest) & (first > 0)).any():
            begun = self._worlds.reset(seed=self._seeds.tolist(), options={"reset_mask": starting})[0]
            seen = np.where(starting[:, None], begun, seen)
        self._seen = seen

    def _ends_trial(self, trial: int) -> Booleans:
        """Say whose next episode is the first of a trial (n,)."""
        return np.asarray((self._lived == UNBORN) | (self._lived + 1 >= trial))

    def _renew(self, mask: Booleans) -> None:
        fresh = mask & self._ends_trial(self._trial)
        self._lived = np.where(fresh, 0, self._lived + mask)
        self._fresh |= fresh
        seeds = self._luck.integers(LARGEST_SEED, size=len(mask))
        self._seeds[mask], self._lengths[mask], self.scores[mask] = seeds[mask], 0, 0.0
        self._tasks = [new if begins else old for begins, new, old in zip(fresh, self._next, self._tasks, strict=True)]
        # Those of the others are told again: worlds may take a task at once, or with their next episode.
        self._worlds.set_tasks(self._tasks)

    def _check(self, state: Underway[T]) -> None:
        count, limit = len(self._going), self._family.episode_limit
        if not len(state.tasks) == len(state.seeds) == len(state.lengths) == count:
            raise ValueError(f"the state is of {len(state.seeds)} worlds; there are {count}")
        if state.lengths.min() < -1 or state.lengths.max() >= limit or state.seeds.min() < 0:
            raise ValueError(f"the state has episodes of {state.lengths.max()} steps; they must be under {limit}")
        wanted = (int(state.lengths.clip(min=0).sum()), *self._width)
        if state.actions.shape != wanted or state.actions.dtype != self._kind:
            raise ValueError(f"the state has actions {state.actions.shape}; they must be {wanted}")
        if state.remembered and (
            state.lived.shape != (count,) or any(len(each) != count for each in state.remembered.values())
        ):
            raise ValueError(f"the state does not tell of {count} worlds what they lived through and remember")
