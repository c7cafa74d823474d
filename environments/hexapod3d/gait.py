"""From actions to joint targets, with or without a walking clock.

The clock swings either group of legs in turn: with six legs two tripods. What an action does
to it, leg by leg: how far and in which direction the leg strokes, how far its
stroke runs ahead of the clock, and how high its foot is held. Without the
clock an action is a target for each joint.
"""

from __future__ import annotations

import math
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from environments.hexapod3d.body import JOINTS_PER_LEG, Body

PERIOD = 30  # control steps: 0.6 s
STROKE = 0.24  # rad of coxa to either side at action 0: half a metre a second
STROKE_RANGE = 0.5  # rad that an action adds or takes away; past -0.4 the leg walks backwards
SHIFT_RANGE = 0.3  # rad of coxa, a quarter of a period before the clock
LIFT = 0.5  # rad of femur at the middle of the swing
TUCK = 0.6  # rad of tibia with every rad of femur, which keeps a rising foot beside the body
HOLD_RANGE = 0.8  # rad of femur

_CLOCK = np.array([[math.sin(2 * math.pi * k / PERIOD), math.cos(2 * math.pi * k / PERIOD)] for k in range(PERIOD)])

Floats = NDArray[np.float64]


class Gait(StrEnum):
    """What an action means."""

    ALTERNATING = "alternating"  # strokes, shifts and heights about a walking clock
    NONE = "none"  # joint targets


def clock(steps: NDArray[np.int64]) -> Floats:
    """Give sine and cosine of the clock after so many control steps: (n, 2)."""
    return _CLOCK[steps % PERIOD]


def targets(body: Body, actions: NDArray[np.float32], steps: NDArray[np.int64], gait: Gait) -> Floats:
    """Give joint targets within the joints' limits, rad: (n, joints) from actions (n, joints) in [-1, 1]."""
    low, high, stance = body.low, body.high, body.stance
    drives = np.minimum(np.maximum(actions.astype(np.float64), -1.0), 1.0)
    if gait is Gait.NONE:
        joints: Floats = stance + drives * np.where(drives > 0, high - stance, stance - low)
        return joints
    wanted = drives.reshape(len(drives), len(body.legs), JOINTS_PER_LEG)
    beat = (1.0 - 2.0 * body.beats)[None, :]  # the other group is half a period away
    now = clock(steps)
    sine, cosine = now[:, :1] * beat, now[:, 1:] * beat
    stroke = (STROKE + STROKE_RANGE * wanted[..., 0]) * sine + SHIFT_RANGE * wanted[..., 1] * cosine
    raised = LIFT * np.maximum(cosine, 0.0) + HOLD_RANGE * wanted[..., 2]  # a foot swings forward while cosine > 0
    moved = np.stack([stroke, raised, TUCK * raised], axis=-1)
    held: Floats = np.minimum(np.maximum(stance + moved.reshape(drives.shape), low), high)
    return held
