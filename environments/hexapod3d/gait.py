"""From actions to joint targets, with or without a walking clock.

A tripod clock swings the legs of either tripod in turn. What an action does
to it, leg by leg: how far and in which direction the leg strokes, how far its
stroke runs ahead of the clock, and how high its foot is held. Without the
clock an action is 18 joint targets.
"""

from __future__ import annotations

import math
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from environments.hexapod3d.body import BODY, JOINTS_PER_LEG

PERIOD = 30  # control steps: 0.6 s
STROKE = 0.24  # rad of coxa to either side at action 0: half a metre a second
STROKE_RANGE = 0.5  # rad that an action adds or takes away; past -0.4 the leg walks backwards
SHIFT_RANGE = 0.3  # rad of coxa, a quarter of a period before the clock
LIFT = 0.5  # rad of femur at the middle of the swing
TUCK = 0.6  # rad of tibia with every rad of femur, which keeps a rising foot beside the body
HOLD_RANGE = 0.8  # rad of femur

LOW, HIGH, STANCE = (BODY.of_joints(name) for name in ("low", "high", "stance"))
BEATS = np.array([leg.beat for leg in BODY.legs])
_CLOCK = np.array([[math.sin(2 * math.pi * k / PERIOD), math.cos(2 * math.pi * k / PERIOD)] for k in range(PERIOD)])

Floats = NDArray[np.float64]


class Gait(StrEnum):
    """What an action means."""

    TRIPOD = "tripod"  # strokes, shifts and heights about a walking clock
    NONE = "none"  # joint targets


def clock(steps: NDArray[np.int64]) -> Floats:
    """Give sine and cosine of the clock after so many control steps: (n, 2)."""
    return _CLOCK[steps % PERIOD]


def targets(actions: NDArray[np.float32], steps: NDArray[np.int64], gait: Gait) -> Floats:
    """Give joint targets within the joints' limits, rad: (n, 18) from actions (n, 18) in [-1, 1]."""
    drives = np.minimum(np.maximum(actions.astype(np.float64), -1.0), 1.0)
    if gait is Gait.NONE:
        joints: Floats = STANCE + drives * np.where(drives > 0, HIGH - STANCE, STANCE - LOW)
        return joints
    wanted = drives.reshape(len(drives), len(BODY.legs), JOINTS_PER_LEG)
    beat = (1.0 - 2.0 * BEATS)[None, :]  # the other tripod is half a period away
    now = clock(steps)
    sine, cosine = now[:, :1] * beat, now[:, 1:] * beat
    stroke = (STROKE + STROKE_RANGE * wanted[..., 0]) * sine + SHIFT_RANGE * wanted[..., 1] * cosine
    raised = LIFT * np.maximum(cosine, 0.0) + HOLD_RANGE * wanted[..., 2]  # a foot swings forward while cosine > 0
    moved = np.stack([stroke, raised, TUCK * raised], axis=-1)
    held: Floats = np.minimum(np.maximum(STANCE + moved.reshape(drives.shape), LOW), HIGH)
    return held
