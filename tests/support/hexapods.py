"""Tasks and controllers of the hexapod for tests."""

import platform

import numpy as np
import pytest

from environments.domain import Environment
from environments.hexapod3d import native
from environments.hexapod3d.body import HEXAPOD as BODY
from environments.hexapod3d.physics import genes_of
from environments.hexapod3d.simulator import controller_of

CONTROLLER = controller_of(BODY)
LOW, HIGH, STANCE = BODY.low, BODY.high, BODY.stance
ANGLES, SPEEDS, TORQUES = BODY.columns.angles, BODY.columns.speeds, BODY.columns.torques
FEET, STATE_SIZE = BODY.columns.feet, BODY.columns.size

# Where Bullet contracts products and sums, as its wheels for ARM may, the lanes give way; elsewhere they must not.
_away = native.problem() or (None if platform.machine() in ("x86_64", "AMD64") else native.lanes_problem(BODY))
needs_lanes = pytest.mark.skipif(_away is not None, reason=str(_away))

ROUGH = {
    "bumps": 0.03,
    "hills": 0.2,
    "step_height": [0.02, 0.06],
    "gap_width": [0.0, 0.2],
    "boulder_height": [0.0, 0.1],
}

HARD = {"bumps": 0.1, "mounds": 0.3, "hills": 0.8, "step_height": [0.05, 0.1], "boulder_height": [0.1, 0.2]}


def task(seed=0, **genome):
    return Environment(domain="hexapod3d", encoding="parametric", genome=genome, seed=seed)


def crowd(count, spread=0.1):
    """Give so many controllers, (count, P), of which the first does nothing, and a seed for each."""
    rng = np.random.default_rng(1)
    thetas = (spread * rng.standard_normal((count, CONTROLLER.parameters))).astype(np.float32)
    thetas[0] = 0.0
    return thetas, np.arange(count, dtype=np.uint64)


def stroll(stroke=0.4):
    """Give the action of a straight walk."""
    return np.tile(np.array([stroke, 0.0, 0.0], dtype=np.float32), 6)


def hidden_body(seed, legs=6):
    """Draw the genome's section of a body, from all that the engines bear, some of it ordinary."""
    rng = np.random.default_rng(seed)
    physics = {}
    for name, gene in genes_of(legs).items():
        if rng.random() < 0.6:
            low, high = max(gene.least, 0.5 * gene.low), min(gene.most, 1.5 * gene.high)
            numbers = rng.uniform(low, high, gene.parts)
            physics[name] = gene.written(tuple(rng.integers(low, high + 1, 1) if gene.whole else numbers))
    return physics


def violent(seed, steps=200, body=BODY):
    """Give joint targets (steps, joints) anywhere, or all at a limit, held for some steps each."""
    rng = np.random.default_rng(seed)
    hold = int(rng.integers(1, 12))
    shape = steps, body.joints
    anywhere = bool(seed % 3)
    draws = (
        rng.uniform(body.low, body.high, shape) if anywhere else np.where(rng.random(shape) < 0.5, body.low, body.high)
    )
    return draws[np.arange(steps) // hold]
