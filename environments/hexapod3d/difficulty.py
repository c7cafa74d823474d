"""How hard a field is, whatever its encoding: by the variance of its heights about the robot.

3D POET's measure and thresholds (arXiv:2206.06796); its four levels are given
the words of the walker's.
"""

from __future__ import annotations

import numpy as np

from environments.difficulty import Difficulty
from environments.domain import Environment
from environments.hexapod3d.expression import terrain_of
from environments.hexapod3d.terrain import CELL, FINISH, SIDE_LIMIT, START_PAD, grid

WINDOW = 11  # points either way: a metre, as far as the robot's feet stand apart
THRESHOLDS = (0.001, 0.01, 0.1)  # m^2; each that the mean variance reaches is a level


def difficulty(environment: Environment) -> Difficulty:
    """Measure a course."""
    x, y = (side.reshape(-1) for side in grid())
    walked = np.ix_((x > START_PAD - CELL / 2) & (x < FINISH + CELL / 2), np.abs(y) < SIDE_LIMIT + CELL / 2)
    heights = terrain_of(environment).heights[walked]
    windows = np.lib.stride_tricks.sliding_window_view(heights, (WINDOW, WINDOW))
    variance = float(windows.var(axis=(2, 3)).mean())
    return Difficulty(sum(variance >= each for each in THRESHOLDS), (variance / THRESHOLDS[-1]) ** 0.5)
