"""Many walkers stepped together, as a Gymnasium vector environment on the native engine.

Each world has its own course, which may change between episodes: that is how
meta-learners move through tasks. An episode that is over starts anew at the
next step (`AutoresetMode.NEXT_STEP`): that step ignores its action and gives
reward 0. Worlds, seeds and rewards are those of `WalkerEnv`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from environments.domain import Environment, Outcome
from environments.walker2d import native
from environments.walker2d.env import EPISODE_LIMIT, WalkerEnv, start_pushes
from environments.walker2d.terrain import Terrain, terrain_of

Task = Environment | Terrain | None  # flat ground when None
Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

_RUNNING = -1  # the core's outcome of an episode that goes on


class WalkerVectorEnv(VectorEnv[NDArray[np.float32], NDArray[np.float32], NDArray[Any]]):
    """Walkers on the given courses, one world each, stepped by one call.

    Observations float32 (n, 24) and actions float32 (n, 4) mean what `WalkerEnv` says; actions beyond ±1 act as ±1
    and one that is not finite ends its episode as diverged. At an episode's end `infos["outcome"]` holds its `Outcome`
    where `infos["_outcome"]` is true.

    Args:
        tasks: a course for each world.
        episode_limit: control steps before truncation.
        kernel: of the native engine, such as "plain-4"; the fastest when empty.

    Raises:
        RuntimeError: the native engine is not built.
        ValueError: there are no tasks.
    """

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012 - as Gymnasium declares it

    def __init__(self, tasks: Sequence[Task], *, episode_limit: int = EPISODE_LIMIT, kernel: str = "") -> None:
        reason = native.problem()
        if reason is not None:
            raise RuntimeError(f"WalkerVectorEnv needs the native engine, but {reason}")
        if not tasks:
            raise ValueError("tasks is empty; give a course for each world, or None for flat ground")
        single = WalkerEnv()
        self.num_envs = len(tasks)
        self.single_observation_space = single.observation_space
        self.single_action_space = single.action_space
        self.observation_space = batch_space(single.observation_space, self.num_envs)
        self.action_space = batch_space(single.action_space, self.num_envs)
        self.episode_limit = episode_limit
        self._worlds = native.core.Worlds(self.num_envs, kernel)
        self._generators: list[np.random.Generator | None] = [None] * self.num_envs
        self._seeds: list[int | None] = [None] * self.num_envs
        self._steps = np.zeros(self.num_envs, dtype=np.int64)
        self._over = np.ones(self.num_envs, dtype=np.bool_)
        self._observations = np.zeros(self.observation_space.shape or (), dtype=np.float32)
        for world, task in enumerate(tasks):
            self.set_task(world, task)

    def set_task(self, world: int, task: Task) -> None:
        """Give one world another course; its episode starts anew at the next step or reset."""
        terrain = task if isinstance(task, Terrain) else terrain_of(task)
        self._worlds.set_course(world, native.build_course(terrain))
        self._over[world] = True

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start episodes anew: all, or those where `options["reset_mask"]` is true.

        An integer seed gives world i the seed plus i, as Gymnasium's vector environments do.
        """
        seeds = [None] * self.num_envs if seed is None else seed
        if isinstance(seeds, int):
            seeds = [seeds + world for world in range(self.num_envs)]
        if len(seeds) != self.num_envs:
            raise ValueError(f"seed has {len(seeds)} entries; it must have one for each of {self.num_envs} worlds")
        mask = np.asarray((options or {}).get("reset_mask", np.ones(self.num_envs, dtype=np.bool_)))
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_:
            raise ValueError(f"reset_mask is {mask.dtype} of shape {mask.shape}; it must be bool of ({self.num_envs},)")
        pushes = np.zeros(self.num_envs)
        for world in np.flatnonzero(mask):
            pushes[world] = self._push(int(world), seeds[int(world)])
        self._worlds.reset(mask, pushes, self._observations)
        self._over[mask] = False
        self._steps[mask] = 0
        return self._observations.copy(), {}

    def step(
        self, actions: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], Floats, Booleans, Booleans, dict[str, Any]]:
        """Apply one action for 1/50 s in every world; worlds whose episode was over start anew instead."""
        actions = np.ascontiguousarray(actions, dtype=np.float32)
        if actions.shape != self.action_space.shape:
            raise ValueError(f"actions has shape {actions.shape}; it must be {self.action_space.shape}")
        resets = self._over.copy()
        pushes = np.zeros(self.num_envs)
        for world in np.flatnonzero(resets):
            pushes[world] = self._push(int(world), None)
        rewards = np.empty(self.num_envs)
        outcomes = np.empty(self.num_envs, dtype=np.int8)
        self._worlds.step(actions, resets, pushes, self._observations, rewards, outcomes)
        self._steps = np.where(resets, 0, self._steps + 1)
        terminations = outcomes != _RUNNING
        truncations = ~terminations & ~resets & (self._steps >= self.episode_limit)
        outcomes[truncations] = Outcome.TIMED_OUT
        self._over = terminations | truncations
        infos = {"outcome": outcomes, "_outcome": self._over.copy()} if self._over.any() else {}
        return self._observations.copy(), rewards, terminations, truncations, infos

    def _push(self, world: int, seed: int | None) -> float:
        """Draw the starting force that the episode's seed means, from the same streams as `WalkerEnv`."""
        if seed is not None:
            self._seeds[world], self._generators[world] = seed, None
            episode = np.uint64(seed)
        else:
            generator = self._generators[world]
            if generator is None:
                generator, _ = seeding.np_random(self._seeds[world])
                self._generators[world] = generator
            episode = generator.integers(2**64, dtype=np.uint64)
        return float(start_pushes(np.array([episode]))[0])


def make_worlds(num_envs: int = 1, environment: Environment | None = None, **settings: Any) -> WalkerVectorEnv:
    """Make `num_envs` worlds of one task, for `gymnasium.make_vec`."""
    return WalkerVectorEnv([environment] * num_envs, **settings)
