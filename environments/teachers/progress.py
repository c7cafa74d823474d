"""Absolute learning progress with Gaussian mixtures: tasks where returns change, for better or worse.

Portelas et al. 2019, arXiv:1910.07224 (ALP-GMM): a mixture is fitted to points of task and progress, and tasks are
drawn of its parts in proportion to their mean progress.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from environments.settings import Bounds, check_bounds
from environments.teachers.spaces import REACHES, TaskSpace
from environments.teachers.teacher import Lesson, TeacherKind, Told

Floats = NDArray[np.float64]
REMEMBERED = 10_000  # episodes, to find the one nearest to a new one


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressSettings:
    """When the mixture is fitted, and of how many parts."""

    window: Annotated[int, Bounds(10, REMEMBERED)] = 250  # newest episodes that it is fitted to, and between two fits
    most: Annotated[int, Bounds(2, 100)] = 10  # parts, from 2 on; Akaike's criterion chooses
    random: Annotated[float, Bounds(0, 1)] = 0.2  # share of tasks drawn at random
    reach: str = REACHES[0]

    def __post_init__(self) -> None:
        check_bounds(self)


class Progress:
    """The teacher; meets `environments.teachers.teacher.Teacher`."""

    def __init__(self, settings: ProgressSettings, space: TaskSpace) -> None:
        self.settings, self._space = settings, space.reaching(settings.reach)
        if self._space.size == 0:
            raise ValueError(f"teacher alp-gmm needs genes that are numbers; those of {space.encoding} are none")
        self._points = np.zeros((0, self._space.size))
        self._scores = np.zeros(0)  # 0 for a fall at once, 1 for a solved task
        self._progress = np.zeros(0)
        self._since = 0  # episodes since the last fit
        self._fitted: Floats | None = None  # what the mixture was fitted to
        self._mixture: Any = None

    def lesson(self, count: int, number: int, rng: np.random.Generator) -> Lesson:
        """Draw of the mixture, and some tasks at random."""
        del number
        return Lesson([self._space.at(self._choose(rng), rng) for _ in range(count)])

    def _choose(self, rng: np.random.Generator) -> Floats:
        if self._mixture is None or rng.random() < self.settings.random:
            return rng.random(self._space.size)
        worth = self._mixture.means_[:, -1].clip(min=0)
        chances = worth / worth.sum() if worth.sum() > 0 else None
        part = rng.choice(len(worth), p=chances)
        drawn = rng.multivariate_normal(self._mixture.means_[part], self._mixture.covariances_[part])
        return np.asarray(drawn[:-1].clip(0.0, 1.0))

    def told(self, told: Told) -> None:
        """Note how returns differ from those nearby, and fit the mixture anew once enough have come."""
        lowest = self._space.fall_return
        for each in told.ended:
            point = self._space.point(each.task)
            score = float(np.clip((each.score - lowest) / (self._space.solved_return - lowest), 0.0, 1.0))
            near = 0.0
            if len(self._points):
                near = abs(score - self._scores[np.square(self._points - point).sum(1).argmin()])
            self._points = np.vstack([self._points, point])[-REMEMBERED:]
            self._scores = np.append(self._scores, score)[-REMEMBERED:]
            self._progress = np.append(self._progress, near)[-REMEMBERED:]
            self._since += 1
        if self._since >= self.settings.window:
            newest = slice(-self.settings.window, None)
            self._since = 0
            self._fitted = np.column_stack([self._points[newest], self._progress[newest]])
            self._mixture = self._fit(self._fitted)

    def state(self) -> dict[str, Any]:
        """Give all episodes that are remembered, and those that the mixture was fitted to."""
        return {
            "points": self._points.tolist(),
            "scores": self._scores.tolist(),
            "progress": self._progress.tolist(),
            "since": self._since,
            "fitted": None if self._fitted is None else self._fitted.tolist(),
        }

    def load(self, state: Any) -> None:
        """Go on from a state; the mixture is fitted again, to the same."""
        self._points = np.array(state["points"], dtype=np.float64).reshape(-1, self._space.size)
        self._scores, self._progress = (np.array(state[name], dtype=np.float64) for name in ("scores", "progress"))
        if not len(self._points) == len(self._scores) == len(self._progress):
            raise ValueError("the state has not as many points as scores")
        self._since = int(state["since"])
        self._fitted = None if state["fitted"] is None else np.array(state["fitted"], dtype=np.float64)
        self._mixture = None if self._fitted is None else self._fit(self._fitted)

    def _fit(self, points: Floats) -> Any:
        mixture, one_thread = _mixtures()
        # On one thread: bits depend on their number, and so small a fit is only slowed by more.
        with warnings.catch_warnings(), one_thread(limits=1):
            warnings.simplefilter("ignore")  # that many points are alike, or that EM stopped short
            fits = [
                mixture(parts, reg_covar=1e-4, random_state=0).fit(points)
                for parts in range(2, min(self.settings.most, len(points) // 2) + 1)
            ]
        return min(fits, key=lambda fit: fit.aic(points))


def _mixtures() -> tuple[Any, Any]:
    try:
        from sklearn.mixture import GaussianMixture  # noqa: PLC0415
        from threadpoolctl import threadpool_limits  # noqa: PLC0415
    except ImportError as error:
        raise ValueError(
            "teacher alp-gmm needs scikit-learn, which is not installed: pip install scikit-learn"
        ) from error
    return GaussianMixture, threadpool_limits


def _make(settings: ProgressSettings, space: TaskSpace) -> Progress:
    _mixtures()  # not only after hours
    return Progress(settings, space)


ALP_GMM = TeacherKind(settings=ProgressSettings, make=_make)
