"""Many hexapods on one course, shown as they go, on the native engine; see `environments.sketch.Streamed`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.controller import Controller
from environments.domain import NO_OUTCOME, Environment
from environments.hexapod3d import native
from environments.hexapod3d.engine import POSITION
from environments.hexapod3d.gait import Gait
from environments.hexapod3d.recording import LINES, skeleton
from environments.hexapod3d.simulator import CONTROLLER
from environments.sketch import Figure, Stretch

STRETCH = 25  # frames; the first comes sooner


def figure(environment: Environment) -> Figure:
    """Give the lines that join a hexapod's points, on any course; the first is the trunk."""
    del environment
    return Figure(lines=LINES)


def stream(
    environment: Environment,
    thetas: NDArray[np.float32],
    seeds: NDArray[np.uint64],
    *,
    episode_limit: int,
    stride: int = 1,
    gait: Gait = Gait.TRIPOD,
    controller: Controller = CONTROLLER,
) -> Iterator[Stretch] | None:
    """Play one episode a row; see `environments.sketch.Streamed.stream`. None where the native engine cannot."""
    controller.check(thetas, seeds)
    film = None if native.problem() else native.film(environment, thetas, seeds, episode_limit, gait)
    return None if film is None else _play(film, stride)


def _play(film: Any, stride: int) -> Iterator[Stretch]:
    frames: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    steps, wanted, going = 0, 1, True
    while going:
        states, returns, lengths, outcomes = film.advance(steps)
        steps, going = stride, bool((outcomes == NO_OUTCOME).any())
        frames.append((states, returns))
        if len(frames) < wanted and going:
            continue
        together = np.array([states for states, _ in frames])
        points = skeleton(together.reshape(-1, together.shape[-1])).reshape(*together.shape[:2], -1, 3)
        told = np.array([returns for _, returns in frames])
        yield Stretch(points, told, together[..., POSITION.start], lengths, outcomes)
        frames, wanted = [], STRETCH
