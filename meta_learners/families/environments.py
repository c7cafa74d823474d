"""Environments of one domain as a family of tasks: a curriculum's, random ones, or made by hand."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import flatdim
from gymnasium.vector import AutoresetMode

from environments.domain import Environment, find_domain
from environments.tasks.curriculum import SPLITS, Curriculum
from environments.tasks.env import TaskEnv, TaskSource, telling
from environments.tasks.resets import checked_threads
from environments.tasks.task import draw
from environments.tasks.worlds import Vectored
from meta_learners.acting import Actions
from meta_learners.families.family import Worlds
from meta_learners.families.gymnasium_family import GymnasiumWorlds, actions_of

logger = logging.getLogger(__name__)


class EnvironmentFamily:
    """Environments of one domain, by split: a curriculum's, random ones, or made by hand.

    Args:
        domain: name of the domain.
        splits: environments that tasks are drawn from.
        episode_limit: steps before truncation; the domain's own when None.
        threads: that step worlds made here, where the domain's own worlds can share them; no bit depends on how many.
        told: append what is hidden of each task's body to its observations.

    Attributes:
        fall_return: what falling is rewarded with.

    Raises:
        ValueError: the domain is unknown, or an environment belongs to another, or there are threads for worlds that
            are stepped one after another, or nothing of the domain is hidden that could be told.
    """

    def __init__(
        self,
        domain: str,
        splits: Mapping[str, Sequence[Environment]],
        *,
        episode_limit: int | None = None,
        threads: int = 1,
        told: bool = False,
    ) -> None:
        found = find_domain(domain)
        if checked_threads(threads) > 1 and not isinstance(found, Vectored):
            raise ValueError(f"threads is {threads}; worlds of {domain} are stepped one after another, so it must be 1")
        self._threads = threads
        self._more = telling(domain) if told else {}
        for environment in (each for tasks in splits.values() for each in tasks):
            if environment.domain != domain:
                raise ValueError(f"environment {environment.id} is of domain {environment.domain}; it must be {domain}")
        self._domain = found
        self.name = domain
        self.splits = {name: list(tasks) for name, tasks in splits.items()}
        self.episode_limit = min(episode_limit or found.episode_limit, found.episode_limit)
        self.fall_return = found.fall_return

    @staticmethod
    def of(
        curriculum: Curriculum, *, episode_limit: int | None = None, threads: int = 1, told: bool = False
    ) -> EnvironmentFamily:
        """Take the tasks of an exported curriculum."""
        splits = {name: [task.environment for task in curriculum.split(name)] for name in SPLITS}
        return EnvironmentFamily(
            curriculum.domain.name, splits, episode_limit=episode_limit, threads=threads, told=told
        )

    def sample_tasks(self, count: int, generator: np.random.Generator, split: str = "train") -> list[Environment]:
        """Draw tasks of a split, without repeats while they last.

        Raises:
            ValueError: the split is unknown or has no tasks.
        """
        tasks = self.splits.get(split)
        if not tasks:
            have = ", ".join(f"{name} ({len(each)} tasks)" for name, each in self.splits.items())
            raise ValueError(f"split {split!r} has no tasks; there are {have}")
        return draw(tasks, count, generator)

    @cached_property
    def observation_size(self) -> int:
        """How many numbers an observation has."""
        return flatdim(self._spaces[0])

    @cached_property
    def actions(self) -> Actions:
        """What may be done in one step, as the domain's environments say."""
        return actions_of(self._spaces[1])

    @cached_property
    def _spaces(self) -> tuple[gymnasium.Space[Any], gymnasium.Space[Any]]:
        env = TaskEnv(self.name, task=self._first, **self._more)
        env.close()
        return env.observation_space, env.action_space

    @property
    def _first(self) -> Environment:
        return next(each for tasks in self.splits.values() for each in tasks)

    def worlds(self, count: int) -> Worlds[Environment]:
        """Make worlds that step together: the domain's own, or else Gymnasium's of its environments."""
        if isinstance(self._domain, Vectored):
            sharing = {} if self._threads == 1 else {"threads": self._threads}  # other people's domains may know none
            own: Any = self._domain.make_worlds(
                [self._first] * count,
                TaskSource(self.name),
                episode_limit=self.episode_limit,
                autoreset_mode=AutoresetMode.NEXT_STEP,
                **sharing,
                **self._more,
            )
            if own is not None:
                return own  # type: ignore[no-any-return]
        return GymnasiumWorlds(
            [partial(TaskEnv, self.name, task=self._first, **self._more)] * count, self.episode_limit
        )

    def worlds_on(self, count: int, device: Any) -> Any:
        """Make worlds on a GPU, whose tensors need no copies; None where the domain has none there, or it is none."""
        why = getattr(self._domain, "device_problem", None)
        if device.type != "cuda" or why is None or not isinstance(self._domain, Vectored):
            return None
        if (reason := why()) is not None:
            logger.info("worlds of %s are stepped on the processor, not on %s: %s", self.name, device, reason)
            return None
        return self._domain.make_worlds(
            [self._first] * count,
            TaskSource(self.name),
            episode_limit=self.episode_limit,
            device=device,
            **self._more,
        )
