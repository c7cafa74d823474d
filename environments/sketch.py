"""What a domain can show of itself in the plane: courses as lines, episodes as poses.

Pictures, reports and cards draw from these plain numbers and know no engine.
A domain that has both functions is `Drawable`; others do without pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """A course from the side, in metres."""

    ground: NDArray[np.float64]  # (n, 2) polyline
    boxes: NDArray[np.float64]  # (k, 4, 2) corners of obstacles


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One episode as the poses of rigid bodies."""

    shapes: Sequence[NDArray[np.float64]]  # (corners, 2) of each body in its own frame, back to front, m
    poses: NDArray[np.float64]  # (frames, bodies, 3) x and y in m, angle in rad
    score: float
    outcome: str
    fps: int


@runtime_checkable
class Drawable(Protocol):
    """A domain that can show its courses and episodes."""

    def sketch(self, environment: Environment) -> Sketch:
        """Draw a course."""
        ...

    def record(self, environment: Environment, theta: NDArray[np.float32], seed: int, episode_limit: int) -> Recording:
        """Play one episode of an agent and keep every pose."""
        ...
