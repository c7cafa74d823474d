"""How an episode begins and what its actions do: shared by the environment and the rollouts."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from environments.hexapod3d.body import BODY
from environments.hexapod3d.engine import ANGLES, CONTROL_RATE, SERVO_GAIN, SUBSTEPS, World
from environments.hexapod3d.gait import STANCE, Gait, targets
from environments.hexapod3d.terrain import Terrain

START_HEIGHT = BODY.height + 0.005  # m
START_YAW, START_SIDE = 0.1, 0.2  # rad and m, the most that a start is turned and moved
REACH = BODY.speed / (SERVO_GAIN * SUBSTEPS * CONTROL_RATE)  # rad that a target leads by, which keeps speeds legal


def starts(seeds: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Give yaw in rad and y in m that each episode's seed means: (n, 2).

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
    return np.stack(columns, axis=1)


def begin(world: World, terrain: Terrain, seed: int, state: NDArray[np.float64]) -> None:
    """Put a robot on the start pad, as the episode's seed says, and read its state (STATE_SIZE,)."""
    yaw, side = starts(np.array([seed], dtype=np.uint64))[0].tolist()
    world.lay(terrain)
    # Half the angle, and unit length to rounding: for so small a yaw, exact enough without a sine.
    half = yaw / 2
    length = (1 + half * half) ** 0.5
    world.place((0.0, side, START_HEIGHT), (0.0, 0.0, half / length, 1 / length), STANCE.tolist())
    world.read(state)


def drive(
    actions: NDArray[np.float32], state: NDArray[np.float64], steps: NDArray[np.int64], gait: Gait
) -> NDArray[np.float64]:
    """Turn actions (n, 18) into the servos' targets (n, 18), rad; NaN for actions that are not finite."""
    angles = state[:, ANGLES]
    wanted: NDArray[np.float64] = np.minimum(np.maximum(targets(actions, steps, gait), angles - REACH), angles + REACH)
    wanted[~np.isfinite(actions).all(axis=1)] = np.nan
    return wanted


def advance(world: World, wanted: list[float], state: NDArray[np.float64]) -> None:
    """Step a world towards the targets and read its state; targets that make no sense make a state that makes none."""
    if math.isfinite(sum(wanted)):
        world.advance(wanted)
        world.read(state)
    else:
        state[:] = np.nan
