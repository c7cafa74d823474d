"""The genome of a field that somebody has painted: a height for every point of its grid behind the start pad.

Nothing is left to chance: the terrain's seed changes nothing. Heights are whole millimetres over the start pad, so that
they are the same numbers wherever they are read; a field without rows is level. Mutation raises, sinks or smooths one
round patch; a genome's place for novelty is the mean height of each block of the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.domain import Genome

Heights = NDArray[np.int64]

PART = "heights"
HIGHEST = 4000  # mm over or under the start pad
PATCH_RADIUS, PATCH_HEIGHT = (0.3, 0.9), (0.03, 0.15)  # m, of what a mutation changes
SMOOTHED = 0.6  # share of the way to the patch's mean that smoothing goes
BLOCK = 4  # points either way whose mean height is one number of a place
SCALE = 500.0  # mm: heights as parts of a walking robot's


@dataclass(frozen=True)
class DrawnFieldEncoding:
    """Genomes as rows of heights along x, each from right to left across the course.

    >>> DrawnFieldEncoding(88, 49, 0.1).describe({"heights": []})
    'drawn: level'
    """

    rows: int  # that may be painted, from behind the start pad on
    columns: int
    cell: float  # m between neighbours
    name: str = "drawn"

    @staticmethod
    def from_options(options: Mapping[str, Any], rows: int, columns: int, cell: float) -> DrawnFieldEncoding:
        """Read a configuration's encoding options, of which there are none.

        Raises:
            ValueError: an option is given.
        """
        for option in options:
            raise ValueError(f"option {option!r} is unknown; the drawn encoding takes none")
        return DrawnFieldEncoding(rows, columns, cell)

    def initial(self) -> Genome:
        """Give a level field."""
        return {PART: []}

    def check(self, genome: Genome) -> None:
        """Raise ValueError, naming the row, unless all heights lie within bounds."""
        self.heights(genome)

    def heights(self, genome: Genome) -> Heights:
        """Read all heights: (rows, columns) in mm, level where the genome has no row or an empty one.

        Raises:
            ValueError: they are not what they may be.
        """
        if not isinstance(genome, Mapping) or set(genome) != {PART}:
            raise ValueError(f"the genome has {', '.join(map(str, genome)) or 'nothing'}; a drawn field has {PART}")
        rows = genome[PART]
        if not isinstance(rows, list) or len(rows) > self.rows:
            raise ValueError(f"{PART} is {_shortened(rows)}; it must be a list of at most {self.rows} rows")
        found = np.zeros((self.rows, self.columns), dtype=np.int64)
        for number, row in enumerate(rows):
            if not isinstance(row, list) or len(row) not in (0, self.columns):
                raise ValueError(
                    f"row {number} of {PART} is {_shortened(row)}; it must be a list of {self.columns} heights, or empty"
                )
            for height in row:
                if type(height) is not int or abs(height) > HIGHEST:
                    raise ValueError(
                        f"row {number} of {PART} has {_shortened(height)}; "
                        f"each must be a whole number of mm in [{-HIGHEST}, {HIGHEST}]"
                    )
            if row:
                found[number] = row
        return found

    def written(self, heights: Heights) -> Genome:
        """Write heights (rows, columns) in mm as the shortest genome: level rows are empty, the last ones left out."""
        rows = [row if any(row) else [] for row in np.clip(heights, -HIGHEST, HIGHEST).tolist()]
        while rows and not rows[-1]:
            rows.pop()
        return {PART: rows}

    def mutate(self, genome: Genome, rng: np.random.Generator) -> Genome:
        """Raise, sink or smooth one round patch."""
        heights = self.heights(genome)
        x, y = self.cell * np.arange(self.rows)[:, None], self.cell * np.arange(self.columns)[None, :]
        while True:
            change = int(rng.integers(3))
            along, across, size, much = rng.uniform(size=4)
            radius = PATCH_RADIUS[0] + size * (PATCH_RADIUS[1] - PATCH_RADIUS[0])
            away = ((x - along * x[-1, 0]) ** 2 + (y - across * y[0, -1]) ** 2) / (radius * radius)
            share = np.maximum(1 - away, 0.0) ** 2
            rise = 1000 * (PATCH_HEIGHT[0] + much * (PATCH_HEIGHT[1] - PATCH_HEIGHT[0]))
            mean = float((share * heights).sum()) / max(float(share.sum()), 1.0)
            changed = (heights + rise * share, heights - rise * share, heights + SMOOTHED * share * (mean - heights))
            child = self.written(np.rint(changed[change]).astype(np.int64))
            if child != self.written(heights):
                return child

    def vector(self, genome: Genome) -> NDArray[np.float64]:
        """Give the mean height of each block, scaled; level is all zeros."""
        heights = self.heights(genome)
        starts = [np.arange(0, size, BLOCK) for size in heights.shape]
        sums = np.add.reduceat(np.add.reduceat(heights, starts[0], axis=0), starts[1], axis=1)
        sizes = (
            np.diff(np.append(start, size)).astype(np.float64)
            for start, size in zip(starts, heights.shape, strict=True)
        )
        along, across = sizes
        means: NDArray[np.float64] = sums / (along[:, None] * across[None, :])
        return means.reshape(-1) / SCALE

    def describe(self, genome: Genome) -> str:
        """Write the genome in a few words, such as ``drawn: 4.2 m² from -0.20 to 0.35 m``."""
        heights = self.heights(genome)
        if not heights.any():
            return "drawn: level"
        area = np.count_nonzero(heights) * self.cell * self.cell
        low, high = min(int(heights.min()), 0) / 1000, max(int(heights.max()), 0) / 1000
        return f"drawn: {area:.1f} m² from {low:.2f} to {high:.2f} m"


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
