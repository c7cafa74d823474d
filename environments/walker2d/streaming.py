"""Many walkers on one course, shown as they go: the native worlds stepped side by side; see `environments.sketch`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from environments.controller import Controller
from environments.domain import Environment
from environments.sketch import Figure, Stretch
from environments.streams import stretches
from environments.walker2d import native
from environments.walker2d.env import START
from environments.walker2d.filming import drawn_shapes
from environments.walker2d.vector import WalkerVectorEnv

HULL = 2  # among the bodies that are drawn


def figure() -> Figure:
    """Give the corners of the walker's parts."""
    return Figure(shapes=drawn_shapes())


def stream(
    environment: Environment,
    thetas: NDArray[np.float32],
    seeds: NDArray[np.uint64],
    *,
    episode_limit: int,
    controller: Controller,
    stride: int = 1,
) -> Iterator[Stretch] | None:
    """Play one episode a row; see `environments.sketch.Streamed.stream`. None where the native engine is not built."""
    controller.check(thetas, seeds)
    return None if native.problem() else _play(environment, thetas, seeds, episode_limit, controller, stride)


def _play(
    environment: Environment,
    thetas: NDArray[np.float32],
    seeds: NDArray[np.uint64],
    episode_limit: int,
    controller: Controller,
    stride: int,
) -> Iterator[Stretch]:
    worlds = WalkerVectorEnv([environment] * len(thetas), episode_limit=episode_limit)
    for told in stretches(worlds, controller.policies(thetas), seeds, worlds.poses, stride):
        yield Stretch(told.poses, told.returns, told.poses[:, :, HULL, 0] - START, told.lengths, told.outcomes)
