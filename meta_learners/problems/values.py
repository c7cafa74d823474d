"""What an agent's states are worth in its niche: value functions to fit, from an archive of agents.

A task is a niche and the agent that came furthest in it: some states of its episodes, as the agent saw them, and the
discounted rewards that followed. Niches are split by lineage, as the export's tasks are. What the critic of an
actor-critic fits, and so a problem for optimisers; the body is the same in every niche, the gait and the ground differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from environments.batch import Batch
from environments.rollouts import Rollouts
from environments.settings import Bounds
from environments.tasks.curriculum import SPLITS, Curriculum
from environments.tasks.task import Task
from meta_learners.episodes import FamilyKind, Source, SplitError, TaskBatch, check_split
from meta_learners.errors import MetaLearningError
from meta_learners.keys import Key, Stream, numpy_generator, torch_generator
from meta_learners.predictions import Numbers
from meta_learners.problems.numbers import FunctionSettings, split_examples

__all__ = ["KIND", "ValueSettings", "Values", "returns_to_go"]

LEAST = 1e-3  # deviation of an input that is divided by it


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueSettings(FunctionSettings):
    """The size of a task."""

    shots: Annotated[int, Bounds(1, 10_000)] = 64  # states to learn from
    queries: Annotated[int, Bounds(1, 10_000)] = 64  # states to be judged on
    episodes: Annotated[int, Bounds(1, 1000)] = 4  # that each agent plays; more give more states to draw from
    discount: Annotated[float, Bounds(0, 1)] = 0.98


class Values:
    """The family.

    Args:
        settings: the size of a task.
        curriculum: whose agents play in their niches.

    Raises:
        MetaLearningError: its agents cannot play, or are missing.
    """

    name = "values"
    splits = SPLITS
    ways = None
    target_size = 1

    def __init__(self, settings: ValueSettings, curriculum: Curriculum) -> None:
        self.settings, self._curriculum = settings, curriculum
        self._banks: dict[str, list[tuple[Tensor, Tensor]]] = {}
        self._rows: dict[str, tuple[Tensor, Tensor, Tensor]] = {}

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self._curriculum.domain.controller.sizes[0],)

    def draw(self, count: int, split: str, key: Key) -> TaskBatch:
        """Draw tasks: states and values, scaled so that those of training have mean 0 and deviation 1."""
        check_split(self.name, self.splits, split)
        bank = self._bank(split)
        generator = torch_generator((*key, Stream.TASKS))
        niches = torch.randint(len(bank), (count,), generator=generator).tolist()
        # How much of the chance an order takes depends on how many states its niche has: so orders come one by one.
        orders = [torch.randperm(len(bank[niche][0]), generator=generator) for niche in niches]
        dealt = torch.stack([_dealt(order, self.settings.shots, self.settings.queries) for order in orders])
        states, values, firsts = self._laid(split)
        chosen = firsts[niches][:, None] + dealt
        (middle, spread), (usual, scale) = self._scales
        return split_examples(
            ((states[chosen] - middle) / spread).float(),
            ((values[chosen][..., None] - usual) / scale).float(),
            self.settings.shots,
        )

    def rivals(self, batch: TaskBatch) -> dict[str, Numbers]:
        """Predict by ridge regression on the states themselves."""
        known, asked = (
            torch.nn.functional.pad(each.inputs.double(), (0, 1), value=1.0) for each in (batch.support, batch.query)
        )
        identity = torch.eye(known.shape[2], dtype=known.dtype)
        weights = torch.linalg.solve(
            known.transpose(1, 2) @ known + identity, known.transpose(1, 2) @ batch.support.targets.double()
        )
        return {"ridge regression": Numbers.of((asked @ weights).float())}

    @cached_property
    def _scales(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        states, values, _ = self._laid("train")
        return (states.mean(0), states.std(0).clamp(min=LEAST)), (values.mean(), values.std().clamp(min=LEAST))

    def _laid(self, split: str) -> tuple[Tensor, Tensor, Tensor]:
        """Lay the states and values of a split's niches in a row; gives where each niche's begin, too."""
        if split not in self._rows:
            states, values = zip(*self._bank(split), strict=True)
            counts = torch.tensor([len(each) for each in states])
            self._rows[split] = torch.cat(states), torch.cat(values), counts.cumsum(0) - counts
        return self._rows[split]

    def _bank(self, split: str) -> list[tuple[Tensor, Tensor]]:
        """Give states (n, f) and values (n,) of each niche of a split."""
        if split not in self._banks:
            tasks = self._curriculum.split(split)
            if not tasks:
                raise SplitError(f"split {split} of values has no niches; export with another --fractions")
            self._banks[split] = self._played(tasks, SPLITS.index(split))
        return self._banks[split]

    def _played(self, tasks: list[Task], number: int) -> list[tuple[Tensor, Tensor]]:
        episodes = self.settings.episodes
        seeds = numpy_generator((0, number, Stream.EPISODES)).integers(2**31, size=len(tasks) * episodes)
        try:
            thetas = np.stack([self._curriculum.agent(task.id) for task in tasks])
            rows = np.arange(len(tasks)).repeat(episodes)
            batch = Batch(thetas[rows], tuple(task.environment for task in tasks), rows, seeds.astype(np.uint64))
            found = self._curriculum.domain.run(batch, episode_limit=self._curriculum.episode_limit, trajectory=True)
        except ValueError as error:
            raise MetaLearningError(f"the agents of {self._curriculum.folder} cannot be played: {error}") from error
        banks = [
            _joined(found, range(first, first + episodes), self.settings.discount)
            for first in range(0, len(rows), episodes)
        ]
        for task, (states, _) in zip(tasks, banks, strict=True):
            if len(states) < 2:
                raise MetaLearningError(
                    f"episodes is {episodes}: the agent of niche {task.id} saw {len(states)} state in them; "
                    "a task of values needs 2 at least, so take more episodes"
                )
        return banks


def returns_to_go(rewards: NDArray[np.float64], discount: float) -> NDArray[np.float64]:
    """Sum the rewards from each step of an episode on (T,), each step's weighing `discount` of the one before."""
    found, ahead = np.empty_like(rewards), 0.0
    for step in range(len(rewards) - 1, -1, -1):
        ahead = rewards[step] + discount * ahead
        found[step] = ahead
    return found


def _dealt(order: Tensor, shots: int, queries: int) -> Tensor:
    """Take shots and then queries from an order; where it is too short, each repeat a part of their own."""
    number = shots + queries
    if len(order) >= number:
        return order[:number]
    cut = min(max(len(order) * shots // number, 1), len(order) - 1)
    return torch.cat([_repeated(order[:cut], shots), _repeated(order[cut:], queries)])


def _repeated(order: Tensor, number: int) -> Tensor:
    return order.repeat(-(-number // len(order)))[:number]


def _joined(found: Rollouts, rows: range, discount: float) -> tuple[Tensor, Tensor]:
    episodes = [found.episode(row) for row in rows]
    states = np.concatenate([each.observations for each in episodes]).astype(np.float64)
    values = np.concatenate([returns_to_go(each.rewards, discount) for each in episodes])
    return torch.from_numpy(states), torch.from_numpy(values)


def _make(settings: ValueSettings, source: Source) -> Values:
    if source.curriculum is None:
        raise MetaLearningError("family values needs a curriculum; name the folder that `poet export` wrote")
    return Values(settings, source.curriculum)


KIND = FamilyKind(settings=ValueSettings, make=_make, needs="curriculum")
