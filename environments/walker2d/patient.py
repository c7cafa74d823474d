"""An engine for tests of engines: the reference, one row at a time."""

from __future__ import annotations

from functools import partial

from environments.batch import Batch
from environments.controller import Controller
from environments.rollouts import Rollouts
from environments.stepped import play_one_by_one
from environments.walker2d.env import WalkerEnv


def run_patiently(controller: Controller, batch: Batch, episode_limit: int) -> Rollouts:
    """Run the episodes one after another in the Box2D environment."""
    return play_one_by_one(partial(WalkerEnv, episode_limit=episode_limit), controller, batch)
