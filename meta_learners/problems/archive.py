"""The genomes of an exported run, by split, and the courses that they make."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.domain import Domain, Encoding, Environment, Genome
from environments.encodings.physics import SECTION
from environments.sketch import Drawable, Sketch
from environments.tasks.curriculum import SPLITS, TRIED, Curriculum
from meta_learners.errors import MetaLearningError
from meta_learners.keys import Stream, numpy_generator

__all__ = ["Pool", "encoding_of", "encodings_of", "evenly", "genomes_of", "pool_of"]

Floats = NDArray[np.float64]

ATTEMPTS = 20  # mutations of a split's genomes for each that is wanted: an encoding may give one that is there


@dataclass(eq=False)
class Pool:
    """Genomes by split, and what they are expressed by.

    Raises:
        MetaLearningError: the domain cannot show its courses.
    """

    genomes: Mapping[str, list[Genome]]
    domain: Domain
    encoding: Encoding
    wanted: int = 0  # genomes of each split at least: mutations of its own, and of theirs, where it has fewer
    others: dict[str, Encoding] = field(default_factory=dict)  # of genomes, by their text, that are of another encoding
    _filled: dict[str, list[Genome]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.domain, Drawable):
            raise MetaLearningError(
                f"domain {self.domain.name} does not show its courses; tasks cannot be made of their ground"
            )

    def of(self, split: str) -> list[Genome]:
        """List a split's genomes: those of the archive, and mutations where they are too few."""
        if split not in self._filled:
            # In order, whichever is asked for first: what has filled one split up fills no other.
            before = SPLITS[: SPLITS.index(split)]
            others = [each for name in SPLITS for each in (self.of(name) if name in before else self.genomes[name])]
            self._filled[split] = self._fill(self.genomes[split], others, SPLITS.index(split))
        return self._filled[split]

    def encoding_of(self, genome: Genome) -> Encoding:
        """Give what expresses a genome."""
        return self.others.get(_text(genome), self.encoding)

    @cached_property
    def places(self) -> int:
        """Points of a course that measures of all courses have: a drawn one may have some more."""
        return len(self.sketch(self.encoding.initial(), 0).ground)

    def sketch(self, genome: Genome, seed: int) -> Sketch:
        """Draw the course that a genome makes with a terrain seed."""
        encoding = self.encoding_of(genome).name
        environment = Environment(domain=self.domain.name, encoding=encoding, genome=genome, seed=seed)
        domain: Any = self.domain
        found: Sketch = domain.sketch(environment)
        return found

    def _fill(self, genomes: list[Genome], others: list[Genome], number: int) -> list[Genome]:
        found, seen = list(genomes), {_text(genome) for genome in (*genomes, *others)}
        rng = numpy_generator((1, number, Stream.TASKS))
        for _ in range(ATTEMPTS * self.wanted if genomes else 0):
            if len(found) >= self.wanted:
                break
            parent = found[int(rng.integers(len(found)))]
            encoding = self.encoding_of(parent)
            child = encoding.mutate(parent, rng)
            if _text(child) not in seen:
                if encoding is not self.encoding:
                    self.others[_text(child)] = encoding
                seen.add(_text(child))
                found.append(child)
        return found


def evenly(sketch: Sketch, count: int) -> tuple[Floats, Floats]:
    """Measure a course at so many even places: these, and the ground's height at each."""
    x, y = sketch.ground.T
    x = np.maximum.accumulate(x)
    places = np.linspace(x[0], x[-1], count)
    return places, np.interp(places, x, y)


def genomes_of(curriculum: Curriculum, *, by_birth: bool = False) -> dict[str, list[Genome]]:
    """List by split the genomes that a curriculum tells of, each once, where it comes first.

    Its own tasks come before what was only tried; by birth, all come in the order in which they were tried.
    """
    found: dict[str, list[Genome]] = {split: [] for split in SPLITS}
    seen: set[str] = set()
    rows = [(task.environment.genome, task.split) for task in curriculum.stages]
    tried = [(row["genome"], row["split"]) for row in curriculum.tried()]
    of_tried = {_text(genome) for genome, _ in tried}
    # Niches that nobody tried, such as a run's first, were there before all others.
    untried = [row for row in rows if _text(row[0]) not in of_tried]
    rows = [*untried, *tried] if by_birth else [*rows, *tried]
    for genome, split in rows:
        text = _text(genome)
        if split in found and text not in seen:
            found[split].append(genome)
        seen.add(text)
    return found


def encoding_of(curriculum: Curriculum) -> Encoding:
    """Make the encoding of a curriculum's genomes.

    Raises:
        MetaLearningError: it does not say which that is.
    """
    said = _said(curriculum)
    return _made(curriculum, said["name"], said["options"])


def encodings_of(curriculum: Curriculum) -> dict[str, Encoding]:
    """Make the encodings of genomes that have another than the curriculum's own, such as drawn ones, by their text.

    Raises:
        MetaLearningError: an encoding cannot be had, or an older export does not say which a genome has.
    """
    own = encoding_of(curriculum)
    named = {_text(task.environment.genome): task.environment.encoding for task in curriculum.stages}
    for row in curriculum.tried():
        if "encoding" not in row and _text(row["genome"]) not in named:
            _check_own(own, row["genome"], curriculum)
        named.setdefault(_text(row["genome"]), row.get("encoding", own.name))
    # What is hidden of a body evolves on any ground.
    shared = {name: value for name, value in _said(curriculum)["options"].items() if name == SECTION}
    made = {name: _made(curriculum, name, shared) for name in set(named.values()) - {own.name}}
    return {text: made[name] for text, name in named.items() if name in made}


def _check_own(encoding: Encoding, genome: Genome, curriculum: Curriculum) -> None:
    try:
        encoding.check(genome)
    except ValueError as error:
        raise MetaLearningError(
            f"{curriculum.folder / TRIED} has a genome of another encoding than {encoding.name}, and does not say of "
            "which: an older version wrote it; export the run again"
        ) from error


def _said(curriculum: Curriculum) -> dict[str, Any]:
    said: dict[str, Any] | None = curriculum.document.get("encoding")
    if said is None:
        raise MetaLearningError(f"the curriculum in {curriculum.folder} does not say how its genomes are encoded")
    return said


def _made(curriculum: Curriculum, name: Any, options: Mapping[str, Any]) -> Encoding:
    try:
        return curriculum.domain.encoding(name, options)
    except ValueError as error:
        raise MetaLearningError(f"the curriculum in {curriculum.folder} cannot be used: {error}") from error


def pool_of(curriculum: Curriculum | None, wanted: int, family: str, *, by_birth: bool = False) -> Pool:
    """Take a curriculum's genomes.

    Raises:
        MetaLearningError: there is no curriculum, or it will not do.
    """
    if curriculum is None:
        raise MetaLearningError(f"family {family} needs a curriculum; name the folder that `poet export` wrote")
    genomes, others = genomes_of(curriculum, by_birth=by_birth), encodings_of(curriculum)
    return Pool(genomes, curriculum.domain, encoding_of(curriculum), wanted, others)


def _text(genome: Genome) -> str:
    return json.dumps(genome, sort_keys=True)
