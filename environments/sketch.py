"""What a domain can show of itself as plain numbers: courses as lines or maps, episodes as poses or stick figures.

Pictures, reports and cards draw from these plain numbers and know no engine.
A domain that has both functions is `Drawable`; others do without pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from environments.controller import Controller
from environments.domain import Environment

__all__ = ["Drawable", "Figure", "Gauge", "Recording", "Relief", "Sketch", "StickRecording", "Streamed", "Stretch", "Surveyed"]


@dataclass(frozen=True, slots=True, eq=False)
class Relief:
    """A field of ground seen from above."""

    heights: NDArray[np.float64]  # (rows along x, columns along y), m
    start: tuple[float, float]  # x and y of the first height, m
    cell: float  # m between neighbouring heights


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """A course from the side, in metres, and from above where it has a breadth."""

    ground: NDArray[np.float64]  # (n, 2) polyline
    boxes: NDArray[np.float64]  # (k, 4, 2) corners of obstacles
    relief: Relief | None = None  # with it, the ground is its middle
    finish: float | None = None  # x where the course ends, m
    note: str = ""  # what a picture cannot show of it


@dataclass(frozen=True, slots=True, eq=False)
class Gauge:
    """How far along an episode was at each of its frames."""

    returns: NDArray[np.float64]  # (frames,) rewards until then
    distances: NDArray[np.float64]  # (frames,) m from the start
    course: float  # m from start to finish


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One episode as the poses of rigid bodies."""

    shapes: Sequence[NDArray[np.float64]]  # (corners, 2) of each body in its own frame, back to front, m
    poses: NDArray[np.float64]  # (frames, bodies, 3) x and y in m, angle in rad
    gauge: Gauge
    score: float
    outcome: str
    fps: int


@dataclass(frozen=True, slots=True, eq=False)
class StickRecording:
    """One episode in space, as points that lines join."""

    lines: Sequence[Sequence[int]]  # numbers of the points of each line; the first line is the body, closed
    points: NDArray[np.float64]  # (frames, points, 3) x, y and z in m
    gauge: Gauge
    score: float
    outcome: str
    fps: int


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """What a body looks like: rigid parts seen from the side or, of a body in space, points that lines join."""

    shapes: Sequence[NDArray[np.float64]] = ()  # corners (corners, 2) of each part in its own frame, back to front, m
    lines: Sequence[Sequence[int]] = ()  # numbers of the points of each line; the first line is the body, closed


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Some frames of several episodes that are played side by side; who has ended stays as it was."""

    poses: NDArray[np.float64]  # (frames, episodes, parts, 3) x and y in m, angle in rad; of points x, y and z in m
    returns: NDArray[np.float64]  # (frames, episodes) rewards until then
    distances: NDArray[np.float64]  # (frames, episodes) m from the start
    lengths: NDArray[np.int32]  # (episodes,) control steps taken until the stretch's end
    outcomes: NDArray[np.int8]  # (episodes,) of those that are over, NO_OUTCOME of the others


@runtime_checkable
class Surveyed(Protocol):
    """A Gymnasium environment that knows how far along its course the body is."""

    @property
    def distance(self) -> float:
        """Metres from the start."""
        ...

    @property
    def course(self) -> float:
        """Metres from start to finish."""
        ...


@runtime_checkable
class Drawable(Protocol):
    """A domain that can show its courses and episodes."""

    def sketch(self, environment: Environment) -> Sketch:
        """Draw a course."""
        ...

    def record(
        self, environment: Environment, theta: NDArray[np.float32], seed: int, episode_limit: int
    ) -> Recording | StickRecording:
        """Play one episode of an agent and keep every pose."""
        ...


@runtime_checkable
class Streamed(Protocol):
    """A domain that plays many episodes on one course and shows them as they go."""

    fps: int  # control steps a second
    course: float  # m from start to finish

    def figure(self, environment: Environment) -> Figure:
        """Say what is drawn of a course's body."""
        ...

    def stream(
        self,
        environment: Environment,
        thetas: NDArray[np.float32],
        seeds: NDArray[np.uint64],
        *,
        episode_limit: int,
        controller: Controller,
        stride: int = 1,
    ) -> Iterator[Stretch] | None:
        """Play one episode for each row of thetas (n, P) and seeds (n,), or say by None that it cannot be done here.

        Every so many steps are a frame (`stride`), and so is the first moment.
        """
        ...
