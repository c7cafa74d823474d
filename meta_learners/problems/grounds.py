"""The ground of a course as a function of place, to be told from a few noisy heights.

Good for courses whose ground is a function, as a CPPN's (arXiv:2003.08536); parametric obstacles fall at random, and
nothing tells them. A learner must beat the training course that fits the heights best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from environments.domain import Genome
from environments.settings import Bounds
from environments.tasks.curriculum import SPLITS
from meta_learners.episodes import FamilyKind, Source, SplitError, TaskBatch, check_split
from meta_learners.keys import Key, Stream, numpy_generator, torch_generator
from meta_learners.predictions import Numbers
from meta_learners.problems.archive import Pool, evenly, pool_of
from meta_learners.problems.numbers import FunctionSettings, split_examples

__all__ = ["KIND", "GroundSettings", "Grounds"]

LEAST_NOISE = 1e-3  # of the heights told, as far as training courses are weighed by it


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundSettings(FunctionSettings):
    """The size of a task, and its courses."""

    noise: Annotated[float, Bounds(0, 10)] = 0.1  # deviation of the heights told; all heights have variance 1
    courses: Annotated[int, Bounds(0, 100_000)] = 40  # of a split; mutations fill it up where it has fewer
    births: bool = False  # in training, courses come one after another as the run tried them, each once
    parametric: Annotated[float, Bounds(0, 1)] = 0.0  # share of tasks on bred parametric courses instead


class Grounds:
    """The family.

    Args:
        settings: the size of a task.
        pool: the genomes.
    """

    name = "grounds"
    splits = SPLITS
    input_shape = (1,)
    ways = None
    target_size = 1

    def __init__(self, settings: GroundSettings, pool: Pool) -> None:
        self.settings, self._pool = settings, pool
        self._banks: dict[str, Tensor] = {}

    def draw(self, count: int, split: str, key: Key) -> TaskBatch:
        """Draw tasks: places in [-1, 1], and heights; the queries' are without noise."""
        check_split(self.name, self.splits, split)
        generator = torch_generator((*key, Stream.TASKS))
        courses = torch.randint(len(self._heights(split)), (count,), generator=generator)
        return self._on(courses, split, generator)

    def courses(self, split: str) -> int:
        """Count a split's courses."""
        return len(self._heights(split))

    def turn(self, number: int, count: int, key: Key) -> TaskBatch | None:
        """Give the courses whose turn it is, in the order in which the run tried them; None where they are drawn.

        Each has one turn; the last meta-step may have fewer than `count`.

        Raises:
            SplitError: each has had its turn.
        """
        if not self.settings.births:
            return None
        there = len(self._heights("train"))
        if number * count >= there:
            steps, tasks = _counted(-(-there // count), "meta-step"), _counted(count, "task")
            raise SplitError(
                f"births is true, and each of the {there} training courses of grounds has had its turn; take at most "
                f"{steps} of {tasks}, more courses, or births=false"
            )
        courses = torch.arange(number * count, min((number + 1) * count, there))
        return self._on(courses, "train", torch_generator((*key, Stream.TASKS)))

    def _on(self, courses: Tensor, split: str, generator: torch.Generator) -> TaskBatch:
        heights, count = self._heights(split), len(courses)
        rows = heights[courses]
        if self.settings.parametric:
            others = self._parametric(split)
            chosen = torch.randint(len(others), (count,), generator=generator)
            other = torch.rand(count, generator=generator) < self.settings.parametric
            rows = torch.where(other[:, None], others[chosen], rows)
        number = self.settings.shots + self.settings.queries
        places = torch.randint(heights.shape[1], (count, number), generator=generator)
        inputs = (2 * places / (heights.shape[1] - 1) - 1)[..., None]
        targets = rows.gather(1, places)[..., None]
        noise = self.settings.noise * torch.randn(count, self.settings.shots, 1, generator=generator)
        noisy = torch.cat([targets[:, : self.settings.shots] + noise, targets[:, self.settings.shots :]], 1)
        return split_examples(inputs, noisy, self.settings.shots)

    def rivals(self, batch: TaskBatch) -> dict[str, Numbers]:
        """Predict by the training course that fits best, by all of them as far as they fit, and by straight lines."""
        known = self._heights("train")  # (C, n)
        last = known.shape[1] - 1
        told, asked = (((each.inputs[..., 0] + 1) / 2 * last).round().long() for each in (batch.support, batch.query))
        misses = (known[:, told] - batch.support.targets[None, ..., 0]).square().sum(2)  # (C, M)
        best = misses.argmin(0)
        # Bayes' rule where the course is one of training's, each as probable as another; noise 0 leaves the best.
        weights = (-0.5 * misses / max(self.settings.noise, LEAST_NOISE) ** 2).log_softmax(0)
        every = Numbers(known[:, asked][..., None], log_weights=weights)
        return {
            "training courses by Bayes": Numbers.of(every.mean),
            "nearest training course": Numbers.of(known[best].gather(1, asked)[..., None]),
            "lines from height to height": Numbers.of(_lines(batch)),
        }

    @cached_property
    def _scale(self) -> float:
        return float(self._raw("train").std()) or 1.0

    def _heights(self, split: str) -> Tensor:
        """Give every course's heights above its start, scaled by those of training (C, n)."""
        if split not in self._banks:
            self._banks[split] = (self._raw(split) / self._scale).float()
        return self._banks[split]

    def _raw(self, split: str) -> Tensor:
        genomes = self._pool.of(split)
        if not genomes:
            raise SplitError(f"split {split} of grounds has no courses; export with another --fractions")
        return _measured(self._pool, [(genome, 0) for genome in genomes])

    def _parametric(self, split: str) -> Tensor:
        """Give courses of parametric genomes, bred without selection, on the scale of the others (C, n)."""
        name = f"{split} parametric"
        if name not in self._banks:
            encoding = self._pool.domain.encoding("parametric", {})
            pool = Pool({each: [] for each in SPLITS}, self._pool.domain, encoding)
            rng, genome, found = numpy_generator((2, SPLITS.index(split), Stream.TASKS)), encoding.initial(), []
            for _ in range(self.settings.courses or self.courses(split)):
                genome = encoding.mutate(genome, rng)
                found.append((genome, int(rng.integers(2**31))))
            self._banks[name] = (_measured(pool, found) / self._scale).float()
        return self._banks[name]


def _measured(pool: Pool, courses: Sequence[tuple[Genome, int]]) -> Tensor:
    """Measure heights above the start at even places, of genomes with terrain seeds (C, n)."""
    rows = []
    for genome, seed in courses:
        sketch = pool.sketch(_bare(genome), seed)
        rows.append(evenly(sketch, pool.places)[1] - sketch.ground[0, 1])
    return torch.from_numpy(np.stack(rows))


def _bare(genome: Genome) -> Genome:
    """Take the obstacles off a CPPN's ground: pits are holes in it, and fall at random, so that nothing tells them."""
    return {name: each for name, each in genome.items() if name != "parametric"} if "cppn" in genome else genome


def _lines(batch: TaskBatch) -> Tensor:
    """Interpolate each support linearly, level beyond its ends: (M, Q, 1)."""
    known, heights, asked = (
        each[..., 0].double() for each in (batch.support.inputs, batch.support.targets, batch.query.inputs)
    )
    x, order = known.sort(dim=1, stable=True)
    y, last = heights.gather(1, order), x.shape[1] - 1
    place = torch.searchsorted(x, asked.contiguous(), right=True) - 1  # of the last one that is not right of it
    left, right = (each.clamp(0, last) for each in (place, place + 1))
    (x0, x1), (y0, y1) = ((each.gather(1, left), each.gather(1, right)) for each in (x, y))
    between = (y1 - y0) / (x1 - x0) * (asked - x0) + y0
    return torch.where(left == right, y0, between).float()[..., None]


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _make(settings: GroundSettings, source: Source) -> Grounds:
    return Grounds(settings, pool_of(source.curriculum, settings.courses, "grounds", by_birth=settings.births))


KIND = FamilyKind(settings=GroundSettings, make=_make, needs="curriculum")
