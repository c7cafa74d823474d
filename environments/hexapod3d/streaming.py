"""Many robots of a body on one field, shown as they go: the native worlds stepped side by side."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment
from environments.hexapod3d.body import Body
from environments.hexapod3d.engine import POSITION
from environments.hexapod3d.gait import Gait
from environments.hexapod3d.recording import skeleton
from environments.hexapod3d.vector import HexapodVectorEnv
from environments.sketch import Stretch
from environments.streams import Policies, stretches


def stream(
    body: Body,
    gait: Gait,
    environment: Environment,
    act: Policies,
    seeds: NDArray[np.uint64],
    episode_limit: int,
    stride: int,
) -> Iterator[Stretch]:
    """Play one episode a row; see `environments.sketch.Streamed.stream`."""
    worlds = HexapodVectorEnv([environment] * len(seeds), body=body, gait=gait, episode_limit=episode_limit)
    for told in stretches(worlds, act, seeds, worlds.states, stride):
        states = told.poses.reshape(-1, told.poses.shape[-1])
        points = skeleton(body, states).reshape(*told.poses.shape[:2], -1, 3)
        yield Stretch(points, told.returns, told.poses[..., POSITION.start], told.lengths, told.outcomes)
