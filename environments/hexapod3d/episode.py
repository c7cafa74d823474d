"""How an episode begins and what its actions do: shared by the environment and the rollouts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from environments.hexapod3d.body import Body
from environments.hexapod3d.engine import World
from environments.hexapod3d.gait import Gait, targets
from environments.hexapod3d.physics import ORDINARY, Physics
from environments.hexapod3d.terrain import Terrain

DROP = 0.005  # m, over where a robot stands
START_YAW, START_SIDE = 0.1, 0.2  # rad and m, the most that a start is turned and moved


def starts(seeds: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Say how an episode of each seed starts: y in m, and z and w of the turn's quaternion, (n, 3).

    SplitMix64's finaliser, as for the walker, so that engines in any language agree exactly.
    """
    columns = []
    for number, most in ((1, START_YAW), (2, START_SIDE)):
        with np.errstate(over="ignore"):
            z = seeds.astype(np.uint64) + np.uint64(number) * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
        columns.append(most * (2.0 * (z >> np.uint64(11)) / 2**53 - 1.0))
    yaw, side = columns
    # Half the angle, and unit length to rounding: for so small a yaw, exact enough without a sine.
    half = yaw / 2
    length = np.sqrt(1 + half * half)
    return np.stack([side, half / length, 1 / length], axis=1)


def start_height(body: Body) -> float:
    """Say how high the middle of the trunk starts, m."""
    return body.height + DROP


def begin(world: World, terrain: Terrain, seed: int, state: NDArray[np.float64], physics: Physics = ORDINARY) -> None:
    """Put a robot on the start pad, as the episode's seed says, and read its state, of `Body.columns` size."""
    side, z, w = starts(np.array([seed], dtype=np.uint64))[0].tolist()
    world.lay(terrain, physics)
    world.place((0.0, side, start_height(world.body)), (0.0, 0.0, z, w), world.body.stance.tolist())
    world.read(state)


def advance(world: World, action: NDArray[np.float32], steps: int, gait: Gait, state: NDArray[np.float64]) -> None:
    """Do the action (joints,) that reaches the robot at a step of the episode, and read the state.

    From an action that makes no sense comes no state.
    """
    if np.isfinite(action).all():
        world.advance(targets(world.body, action[None], np.array([steps]), gait)[0])
        world.read(state)
    else:
        state[:] = np.nan
