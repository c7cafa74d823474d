"""A domain with another controller than its own: agents of other layer sizes and activations.

The engines' own rollouts know one controller, in C++ where they are fast. Here worlds are stepped from Python, all
episodes side by side where the domain has such worlds, with the controller's forward pass in NumPy: the same bits as
the engine's where the controller is the engine's, several times slower.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from environments.controller import Controller
from environments.domain import NO_OUTCOME, Domain, Environment, Rollouts
from environments.tasks.env import TaskSource


def equip(domain: Domain, controller: Controller | None) -> Domain:
    """Give a domain in which agents are of another controller; its own where that is the same or None.

    Raises:
        ValueError: the controller does not take the domain's observations and give its actions.
    """
    if controller is None or controller == domain.controller:
        return domain
    own = domain.controller.sizes
    if (controller.sizes[0], controller.sizes[-1]) != (own[0], own[-1]):
        raise ValueError(
            f"an agent of {controller} has {controller.sizes[0]} inputs and {controller.sizes[-1]} outputs; "
            f"{domain.name}'s have {own[0]} and {own[-1]}"
        )
    found: Domain = Equipped(domain, controller)
    return found


class Equipped:
    """Meets `environments.domain.Domain`; what is not about controllers is the domain's own."""

    def __init__(self, domain: Domain, controller: Controller) -> None:
        self._domain = domain
        self.controller = controller
        # Set, not looked up when asked for: protocols that are checked at run time see nothing else.
        if hasattr(domain, "record"):
            self.record, self.sketch = self._record, domain.sketch  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._domain, name)

    def _record(self, environment: Environment, theta: NDArray[np.float32], seed: int, episode_limit: int) -> Any:
        """Record an episode as the domain does."""
        record: Any = self._domain.record  # type: ignore[attr-defined]
        return record(environment, theta, seed, episode_limit, controller=self.controller)

    def rollout(
        self,
        thetas: NDArray[np.float32],
        environment: Environment,
        seeds: NDArray[np.uint64],
        *,
        episode_limit: int | None = None,
        engine: str | None = None,
    ) -> Rollouts:
        """Run one episode for each controller; see `environments.domain.Domain.rollout`."""
        self.controller.check(thetas, seeds)
        limit = self._domain.episode_limit if episode_limit is None else episode_limit
        thetas = np.ascontiguousarray(thetas, dtype=np.float32)
        if engine in (None, self._domain.engines[0]) and len(seeds):
            with _worlds(self._domain, environment, len(seeds), limit) as worlds:
                if worlds is not None:
                    return _side_by_side(worlds, self.controller, thetas, seeds)
        return self._one_by_one(thetas, environment, seeds, limit)

    def _one_by_one(
        self, thetas: NDArray[np.float32], environment: Environment, seeds: NDArray[np.uint64], limit: int
    ) -> Rollouts:
        returns, lengths = np.zeros(len(seeds)), np.zeros(len(seeds), dtype=np.int32)
        outcomes = np.zeros(len(seeds), dtype=np.int8)
        env = self._domain.make_env(environment, episode_limit=limit)
        for row, (theta, seed) in enumerate(zip(thetas, seeds.tolist(), strict=True)):
            act = self.controller.policy(theta)
            observation, info = env.reset(seed=seed)
            while info["outcome"] == NO_OUTCOME:
                observation, reward, _, _, info = env.step(act(observation))
                returns[row] += float(reward)
                lengths[row] += 1
            outcomes[row] = info["outcome"]
        env.close()
        return Rollouts(returns, lengths, outcomes)


@contextmanager
def _worlds(domain: Domain, environment: Environment, count: int, limit: int) -> Iterator[Any]:
    """Make worlds of one environment, if the domain has such."""
    make = getattr(domain, "make_worlds", None)
    worlds = make and make(
        [environment] * count,
        TaskSource(domain.name),
        episode_limit=limit,
        autoreset_mode=AutoresetMode.NEXT_STEP,
    )
    try:
        yield worlds
    finally:
        if worlds is not None:
            worlds.close()


def _side_by_side(
    worlds: Any, controller: Controller, thetas: NDArray[np.float32], seeds: NDArray[np.uint64]
) -> Rollouts:
    """Play until the last episode is over; what a world does after its own is not counted."""
    returns, lengths = np.zeros(len(seeds)), np.zeros(len(seeds), dtype=np.int32)
    outcomes = np.full(len(seeds), -1, dtype=np.int8)
    act = controller.policies(thetas)
    observations, _ = worlds.reset(seed=[int(seed) for seed in seeds])
    while (going := outcomes < 0).any():
        observations, rewards, terminations, truncations, infos = worlds.step(act(observations))
        returns[going] += rewards[going]
        lengths[going] += 1
        over = going & (terminations | truncations)
        if over.any():
            outcomes[over] = np.asarray(infos["outcome"])[over].astype(np.int8)
    return Rollouts(returns, lengths, outcomes)
