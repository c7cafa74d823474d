"""Experience for an agent that learns by reinforcement: whole episodes of many worlds of one environment.

Every world begins afresh with each iteration, and begins another episode as
often as one ends, for so many steps. So nothing of the worlds need be kept
between iterations, and as long as an iteration has the steps of an episode, an
agent sees its course to the end. Worlds are the domain's own vector where it
has one, on the engine that the run asks for, and else a Gymnasium vector of the
domain's environments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray

from environments.domain import NO_OUTCOME, Domain, Environment, Rollouts
from environments.tasks.env import TaskSource

Floats = NDArray[np.float32]
Policy = Callable[[Floats], Floats]
"""From observations (N, I) to the means of actions (N, A)."""
Seeds = Callable[[int, int], NDArray[np.uint64]]
"""From the numbers of the first episode and of that after the last one to their seeds."""


@dataclass(frozen=True, slots=True, eq=False)
class Experience:
    """What N worlds showed in T steps."""

    observations: Floats  # (T, N, I) that each step began with
    following: Floats  # (T, N, I) that each step ended with
    actions: Floats  # (T, N, A) as drawn: worlds clip them
    rewards: NDArray[np.float64]  # (T, N)
    terminated: NDArray[np.bool_]  # (T, N) the episode is worth nothing more
    ends: NDArray[np.bool_]  # (T, N) the episode is over, or the worlds stopped here
    rollouts: Rollouts  # every episode begun; the outcome of those that the last step cut is NO_OUTCOME

    @property
    def finished(self) -> Rollouts:
        """The episodes that came to an end."""
        whole = self.rollouts.outcomes != NO_OUTCOME
        return Rollouts(self.rollouts.returns[whole], self.rollouts.lengths[whole], self.rollouts.outcomes[whole])


@contextmanager
def worlds_of(
    domain: Domain, environment: Environment, count: int, *, episode_limit: int | None, engine: str | None
) -> Iterator[Any]:
    """Make worlds of one environment: a Gymnasium vector that leaves it to the caller to begin episodes anew.

    Args:
        domain: that the environment is of.
        environment: of all worlds.
        count: of worlds.
        episode_limit: control steps; the domain's when None.
        engine: of the domain; its first when None.
    """
    limit = domain.episode_limit if episode_limit is None else episode_limit
    make = getattr(domain, "make_worlds", None)
    worlds = None
    if make is not None and (engine in (None, domain.engines[0]) or domain.capabilities(engine).worlds):
        worlds = make(
            [environment] * count,
            TaskSource(domain.name),
            episode_limit=limit,
            autoreset_mode=AutoresetMode.DISABLED,
        )
    if worlds is None:
        worlds = SyncVectorEnv(
            [lambda: domain.make_env(environment, episode_limit=limit)] * count, autoreset_mode=AutoresetMode.DISABLED
        )
    try:
        yield worlds
    finally:
        worlds.close()


def gather(
    worlds: Any, mean: Policy, deviation: Floats, *, steps: int, seeds: Seeds, noise: np.random.Generator
) -> Experience:
    """Let an agent act in all worlds for so many steps, at random around its policy's means.

    Args:
        worlds: a Gymnasium vector of N worlds that leaves resets to us.
        mean: of the actions.
        deviation: (A,) of the actions.
        steps: T, of every world.
        seeds: of episodes; world w's k-th one is number k N + w.
        noise: draws the actions.
    """
    count, size = worlds.num_envs, len(deviation)
    inputs = worlds.single_observation_space.shape[0]
    observations = np.empty((steps, count, inputs), dtype=np.float32)
    following = np.empty_like(observations)
    actions = noise.standard_normal((steps, count, size), dtype=np.float32) * deviation
    rewards = np.empty((steps, count))
    terminated = np.zeros((steps, count), dtype=np.bool_)
    ends = np.zeros((steps, count), dtype=np.bool_)
    book = _Book(count)
    seen = _finite(worlds.reset(seed=[int(seed) for seed in seeds(0, count)])[0])
    for step in range(steps):
        observations[step] = seen
        actions[step] += mean(seen)
        after, rewards[step], terminated[step], truncated, infos = worlds.step(actions[step])
        seen = following[step] = _finite(after)
        over = ends[step] = terminated[step] | truncated
        book.note(rewards[step], over, infos["outcome"])
        if over.any() and step + 1 < steps:
            numbers = np.where(over, book.numbers, -1).tolist()
            chosen = [None if number < 0 else int(seeds(number, number + 1)[0]) for number in numbers]
            seen = _finite(worlds.reset(seed=chosen, options={"reset_mask": over})[0])
    ends[-1] = True
    return Experience(observations, following, actions, rewards, terminated, ends, book.rollouts())


class _Book:
    """Keeps count of the episodes that follow one another in every world."""

    def __init__(self, worlds: int) -> None:
        self.numbers = np.arange(worlds)  # of the episode under way, or of the next one where it is over
        self._returns, self._lengths = np.zeros(worlds), np.zeros(worlds, dtype=np.int32)
        self._over: list[Rollouts] = []

    def note(self, rewards: NDArray[np.float64], over: NDArray[np.bool_], outcomes: NDArray[Any]) -> None:
        self._returns += rewards
        self._lengths += 1
        if over.any():
            self._over.append(
                Rollouts(self._returns[over], self._lengths[over], np.asarray(outcomes)[over].astype(np.int8))
            )
            self._returns[over], self._lengths[over] = 0.0, 0
            self.numbers[over] += len(over)

    def rollouts(self) -> Rollouts:
        cut = self._lengths > 0
        left = Rollouts(self._returns[cut], self._lengths[cut], np.full(int(cut.sum()), NO_OUTCOME, dtype=np.int8))
        return Rollouts.join([*self._over, left])


def _finite(observations: NDArray[Any]) -> Floats:
    """Read what a diverged world shows as zeros: its episode is over, and nothing rests on it."""
    return np.nan_to_num(np.asarray(observations, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
