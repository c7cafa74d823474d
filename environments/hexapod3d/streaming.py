"""Many hexapods on one course, shown as they go, on the native engine; see `environments.sketch.Streamed`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.domain import NO_OUTCOME, Environment
from environments.hexapod3d import native
from environments.hexapod3d.body import Body
from environments.hexapod3d.engine import POSITION
from environments.hexapod3d.gait import Gait
from environments.hexapod3d.recording import skeleton
from environments.sketch import Stretch

STRETCH = 25  # frames; the first comes sooner


def stream(
    environment: Environment,
    thetas: NDArray[np.float32],
    seeds: NDArray[np.uint64],
    body: Body,
    gait: Gait,
    *,
    episode_limit: int,
    stride: int,
) -> Iterator[Stretch] | None:
    """Play one episode a row; see `environments.sketch.Streamed.stream`. None where the native engine cannot."""
    film = None if native.problem() else native.film(environment, thetas, seeds, episode_limit, body, gait)
    return None if film is None else _play(film, body, stride)


def _play(film: Any, body: Body, stride: int) -> Iterator[Stretch]:
    frames: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    steps, wanted, going = 0, 1, True
    while going:
        states, returns, lengths, outcomes = film.advance(steps)
        steps, going = stride, bool((outcomes == NO_OUTCOME).any())
        frames.append((states, returns))
        if len(frames) < wanted and going:
            continue
        together = np.array([states for states, _ in frames])
        points = skeleton(body, together.reshape(-1, together.shape[-1])).reshape(*together.shape[:2], -1, 3)
        told = np.array([returns for _, returns in frames])
        yield Stretch(points, told, together[..., POSITION.start], lengths, outcomes)
        frames, wanted = [], STRETCH
