"""Courses of the hexapod: grids of heights, their scale, and how to read them.

A course runs along x: a level start pad, the genome's terrain, a finish.
Heights are metres over the pad. Cells are 0.1 m wide: a quarter of a stride and
as wide as a foot. A step or the wall of a gap is one cell steep, a foot meets
at most eight triangles, and the whole field is laid in some milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CELL = 0.1  # m
START = -1.2  # m, of the field's edge behind the robot, which starts at x = 0
END = 9.6  # m, of its far edge
FINISH = 8.0  # m: some twenty strides
HALF_WIDTH = 2.4  # m, of the field
SIDE_LIMIT = 1.6  # m: further out, the robot's feet could miss the field
BACK_LIMIT = -0.6  # m
START_PAD = 0.8  # m: level up to here, under all of the robot's feet
BLEND = 0.4  # m over which the terrain then rises to its own height
ROWS = round((END - START) / CELL) + 1  # along x
COLUMNS = round(2 * HALF_WIDTH / CELL) + 1  # along y

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Terrain:
    """One course."""

    heights: Floats  # (ROWS, COLUMNS), m; row i lies at START + i*CELL, column j at -HALF_WIDTH + j*CELL

    def height_at(self, x: Floats, y: Floats) -> Floats:
        """Read heights, m, at places x and y in m, of one shape; beyond the edge the edge goes on.

        Between grid points bilinear: within a cell's flatness of the two triangles that the engine sees.
        """
        (a, b, c, d), u, v = self._cell(x, y)
        near, far = a * (1 - v) + b * v, c * (1 - v) + d * v
        height: Floats = near * (1 - u) + far * u
        return height

    def surface_at(self, x: Floats, y: Floats) -> Floats:
        """Read heights as `height_at` does, but of the triangles themselves that the engine sees: what feet meet."""
        (a, b, c, d), u, v = self._cell(x, y)
        height: Floats = np.where(u + v <= 1, a + (c - a) * u + (b - a) * v, d + (b - d) * (1 - u) + (c - d) * (1 - v))
        return height

    def _cell(self, x: Floats, y: Floats) -> tuple[tuple[Floats, Floats, Floats, Floats], Floats, Floats]:
        """Give the corners of cells, (i, j), (i, j+1), (i+1, j) and (i+1, j+1), and where in them places lie."""
        row = np.minimum(np.maximum((x - START) * (1 / CELL), 0.0), ROWS - 1.001)
        column = np.minimum(np.maximum((y + HALF_WIDTH) * (1 / CELL), 0.0), COLUMNS - 1.001)
        i, j = row.astype(np.intp), column.astype(np.intp)
        flat, place = self.heights.reshape(-1), i * COLUMNS + j
        corners = (flat[place], flat[place + 1], flat[place + COLUMNS], flat[place + COLUMNS + 1])
        return corners, row - i, column - j


def grid() -> tuple[Floats, Floats]:
    """Give where the grid's points lie, in m: x (ROWS, 1) and y (1, COLUMNS)."""
    x = START + CELL * np.arange(ROWS, dtype=np.float64)
    y = CELL * np.arange(COLUMNS, dtype=np.float64) - HALF_WIDTH
    return x[:, None], y[None, :]


def blend(x: Floats) -> Floats:
    """Say how much of the terrain's own height counts at x: 0 on the start pad, 1 past the blend."""
    share = np.clip((x - START_PAD) / BLEND, 0.0, 1.0)
    smooth: Floats = share * share * (3 - 2 * share)
    return smooth


def flat() -> Terrain:
    """Make a level course."""
    return Terrain(np.zeros((ROWS, COLUMNS)))
