"""A domain with another controller than its own: agents of other layer sizes and activations.

The engines' own loops know one controller, in C++ where they are fast. Agents of others play in worlds that are
stepped from Python; see `environments.stepped`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from environments.batch import Batch
from environments.controller import Controller
from environments.domain import OPTIONAL, Domain, Environment, Rollouts
from environments.stepped import play_one_by_one, play_side_by_side
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
        for name in OPTIONAL:
            if hasattr(domain, name):
                setattr(self, name, self._record if name == "record" else getattr(domain, name))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._domain, name)

    def _record(self, environment: Environment, theta: NDArray[np.float32], seed: int, episode_limit: int) -> Any:
        """Record an episode as the domain does."""
        record: Any = self._domain.record  # type: ignore[attr-defined]
        return record(environment, theta, seed, episode_limit, controller=self.controller)

    def run(
        self, batch: Batch, *, episode_limit: int | None = None, engine: str | None = None, trajectory: bool = False
    ) -> Rollouts:
        """Run one episode for each row of a batch; see `environments.domain.Domain.run`."""
        batch.check(self.controller)
        limit = self._domain.episode_limit if episode_limit is None else episode_limit
        return play_steps(self._domain, self.controller, batch, limit, engine, trajectory)


def play_steps(
    domain: Domain, controller: Controller, batch: Batch, episode_limit: int, engine: str | None, trajectory: bool
) -> Rollouts:
    """Play a batch's episodes step by step: side by side where there are worlds of the engine that is meant."""
    make = getattr(domain, "make_worlds", None)
    stands_for = engine in (None, domain.engines[0]) or domain.capabilities(engine).worlds
    if make is not None and stands_for and len(batch):
        tasks = [batch.environments[place] for place in batch.places.tolist()]
        # Episodes that are over may begin anew: what a world does then is not counted.
        modes = {"episode_limit": episode_limit, "autoreset_mode": AutoresetMode.NEXT_STEP}
        worlds = make(tasks, TaskSource(domain.name), **modes)
        if worlds is not None:
            return play_side_by_side(worlds, controller, batch, trajectory)
    return play_one_by_one(partial(domain.make_env, episode_limit=episode_limit), controller, batch, trajectory)
