"""Which niche does a stretch of ground belong to? Tasks of recognition from an archive of environments.

A class is a genome that a run tried, admitted or not; an example is a stretch of a course that the genome makes with
any terrain seed, so that there are as many as one likes. Classes are split by lineage, as the export's tasks are. With
`nearest`, a task's classes are a genome and those next to it by the encoding's own measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from environments.settings import Bounds
from environments.sketch import Sketch
from environments.tasks.curriculum import SPLITS
from meta_learners.episodes import FamilyKind, Source, SplitError, TaskBatch, check_split, one_hot
from meta_learners.errors import MetaLearningError
from meta_learners.keys import Key, Stream, numpy_generator
from meta_learners.predictions import Logits
from meta_learners.problems.archive import Pool, evenly, pool_of
from meta_learners.problems.classes import EpisodeSettings, batch_of, choose_classes, choose_examples

__all__ = ["KIND", "NicheSettings", "Niches", "relief_of"]

CHANNELS = 3
SCALE = 20.0  # per m: heights of 5 cm are where the logarithmic scale begins

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class NicheSettings(EpisodeSettings):
    """The size of a task, and its classes."""

    points: Annotated[int, Bounds(4, 1000)] = 60  # of ground that an example shows
    nearest: bool = False  # whether a task's classes are one genome's nearest ones
    courses: Annotated[int, Bounds(2, 1000)] = 20  # terrain seeds of each genome
    # A split that has fewer genomes is filled up with mutations of its own, and of theirs.
    classes: Annotated[int, Bounds(0, 100_000)] = 40


class Niches:
    """The family.

    Args:
        settings: the size of a task.
        pool: the genomes.
    """

    name = "niches"
    splits = SPLITS
    target_size = 1

    def __init__(self, settings: NicheSettings, pool: Pool) -> None:
        self.settings, self._pool = settings, pool
        self._banks: dict[str, Floats] = {}

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (CHANNELS, self.settings.points)

    @property
    def ways(self) -> int:
        return self.settings.ways

    @property
    def train_classes(self) -> int:
        return len(self._pool.of("train"))

    def draw(self, count: int, split: str, key: Key) -> TaskBatch:
        """Draw tasks."""
        check_split(self.name, self.splits, split)
        settings, rng = self.settings, numpy_generator((*key, Stream.TASKS))
        bank = self._bank(split)  # (classes, courses, 3, points of a course)
        where = f"split {split} of niches"
        if settings.nearest:
            if len(bank) < settings.ways:
                raise SplitError(f"{where} has {len(bank)} classes, too few for ways={settings.ways}; lower ways")
            classes = self._neighbours(split)[rng.integers(len(bank), size=count), : settings.ways]
            classes = rng.permuted(classes, axis=1)
        else:
            classes = choose_classes(len(bank), count, settings.ways, rng, where)
        courses = choose_examples(bank.shape[1], classes.shape, settings.shots + settings.queries, rng)
        first, last = bank.shape[3] // 10, bank.shape[3] - settings.points  # a course begins with a flat pad
        if last < first:
            raise MetaLearningError(f"points is {settings.points}; courses have {bank.shape[3] - first}")
        starts = rng.integers(first, last + 1, size=courses.shape)
        places = (starts[..., None] + np.arange(settings.points))[..., None, :]
        channels = np.arange(CHANNELS)[:, None]
        drawn = bank[classes[..., None, None, None], courses[..., None, None], channels, places]
        return batch_of(torch.from_numpy(drawn), settings, classes)

    def rivals(self, batch: TaskBatch) -> dict[str, Logits]:
        """Predict by the nearest class in seven statistics that a person would measure."""
        assert batch.ways is not None
        known, asked = (statistics(each.inputs) for each in (batch.support, batch.query))
        middle, spread = self._usual
        known, asked = (known - middle) / spread, (asked - middle) / spread
        labels = one_hot(batch.support, batch.ways)
        centres = torch.einsum("msn,msf->mnf", labels, known) / labels.sum(1).clamp(min=1)[..., None]
        return {"seven statistics by hand": Logits(-torch.cdist(asked, centres))}

    @cached_property
    def _usual(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the statistics in training."""
        batch = self.draw(100, "train", (0,))
        found = statistics(batch.support.inputs).flatten(0, 1)
        return found.mean(0), found.std(0).clamp(min=1e-6)

    def _bank(self, split: str) -> Floats:
        if split not in self._banks:
            pool = self._pool
            self._banks[split] = np.stack(
                [
                    np.stack([relief_of(pool.sketch(genome, seed), pool.places) for seed in self._seeds(split)])
                    for genome in pool.of(split)
                ]
            )
        return self._banks[split]

    def _seeds(self, split: str) -> list[int]:
        rng = numpy_generator((0, self.splits.index(split), Stream.EPISODES))
        return [int(seed) for seed in rng.integers(2**31, size=self.settings.courses)]

    def _neighbours(self, split: str) -> NDArray[np.int64]:
        genomes = self._pool.of(split)
        kinds = {each.name: each for each in map(self._pool.encoding_of, genomes)}
        gaps = np.full((len(genomes), len(genomes)), np.inf)  # of another encoding is farther than all of the same
        for name, kind in kinds.items():
            (same,) = np.nonzero([self._pool.encoding_of(genome).name == name for genome in genomes])
            vectors = np.stack([kind.vector(genomes[place]) for place in same])
            gaps[np.ix_(same, same)] = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
        np.fill_diagonal(gaps, -1)  # itself first, also where another is the same
        order: NDArray[np.int64] = np.argsort(gaps, axis=1, kind="stable")
        return order


def relief_of(sketch: Sketch, count: int) -> Floats:
    """Measure a course at so many even places: (3, count) float32.

    Increments of the ground, of the ground with what stands on it, and the height of that, on a logarithmic scale.
    """
    places, ground = evenly(sketch, count)
    top = ground
    if len(sketch.boxes):
        left, right = sketch.boxes[..., 0].min(1), sketch.boxes[..., 0].max(1)
        inside = (places >= left[:, None]) & (places <= right[:, None])
        above = np.where(inside, sketch.boxes[..., 1].max(1)[:, None], -np.inf).max(0)
        top = np.maximum(ground, above)
    rises = [np.diff(each, prepend=each[:1]) for each in (ground, top)]
    found = np.stack([*rises, top - ground])
    scaled: Floats = (np.sign(found) * np.log1p(SCALE * np.abs(found))).astype(np.float32)
    return scaled


def statistics(inputs: Tensor) -> Tensor:
    """Give seven figures of each example (M, K, 3, points): (M, K, 7)."""
    ground, top, height = inputs.unbind(2)
    rises = ground.abs()
    usual = ground.median(-1, keepdim=True).values
    return torch.stack(
        [
            *rises.quantile(torch.tensor([0.25, 0.5, 0.75]).to(rises), -1),
            (ground - usual).abs().median(-1).values,
            top.abs().quantile(0.9, -1),
            top.amax(-1),
            height.amax(-1),
        ],
        -1,
    )


def _make(settings: NicheSettings, source: Source) -> Niches:
    return Niches(settings, pool_of(source.curriculum, settings.classes, "niches"))


KIND = FamilyKind(settings=NicheSettings, make=_make, needs="curriculum")
