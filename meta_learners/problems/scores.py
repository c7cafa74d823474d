"""An agent's score in an environment, to be told from what it scored in a few others.

A task is an agent of a run as it was between two steps; an example is an environment that it was tried in, seen as
seven figures of its ground, and the score. Agents of a branch of the family tree are in the split of their niche. A
learner must beat what needs no learning: an environment's mean over training agents, moved by how the agent differs
from such means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Annotated

import torch
from torch import Tensor

from environments.settings import Bounds
from environments.tasks.curriculum import SPLITS, Curriculum
from meta_learners.episodes import FamilyKind, Source, SplitError, TaskBatch, check_split
from meta_learners.errors import MetaLearningError
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.predictions import Numbers
from meta_learners.problems.archive import Pool, encoding_of, encodings_of
from meta_learners.problems.niches import relief_of, statistics
from meta_learners.problems.numbers import FunctionSettings, split_examples

__all__ = ["KIND", "ScoreSettings", "Scores"]

FIGURES = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSettings(FunctionSettings):
    """The size of a task."""

    shots: Annotated[int, Bounds(1, 10_000)] = 3  # scores told
    queries: Annotated[int, Bounds(1, 10_000)] = 5  # scores asked for


@dataclass(frozen=True, eq=False)
class Table:
    """Scores of A agents in E environments."""

    scores: Tensor  # (A, E), where there are some
    present: Tensor  # (A, E) bool


class Scores:
    """The family.

    Args:
        settings: the size of a task.
        figures: of every environment (E, 7).
        tables: scores by split.

    Raises:
        MetaLearningError: no score is of an agent of the train split.
    """

    name = "scores"
    splits = SPLITS
    input_shape = (FIGURES,)
    ways = None
    target_size = 1

    def __init__(self, settings: ScoreSettings, figures: Tensor, tables: Mapping[str, Table]) -> None:
        self.settings, self._tables = settings, tables
        known = tables["train"].scores[tables["train"].present]
        if not len(known):
            raise MetaLearningError("no agent of split train has scores in several environments; let the run go on")
        self._mean, self._deviation = known.mean(), known.std().clamp(min=1e-6)
        self._figures = (figures - figures.mean(0)) / figures.std(0).clamp(min=1e-6)

    def draw(self, count: int, split: str, key: Key) -> TaskBatch:
        """Draw tasks: figures and scores, both of mean 0 and deviation 1."""
        check_split(self.name, self.splits, split)
        table, number = self._tables[split], self.settings.shots + self.settings.queries
        able = (table.present.sum(1) >= number).nonzero()[:, 0]
        if not len(able):
            most = int(table.present.sum(1).max()) if len(table.present) else 0
            raise SplitError(
                f"no agent of split {split} was tried in {number} environments, but in {most} at most; "
                "lower shots or queries, or let the run go on"
            )
        generator = torch_generator((*key, self.splits.index(split), Stream.TASKS))
        agents = able[torch.randint(len(able), (count,), generator=generator)]
        order = torch.rand(count, table.present.shape[1], generator=generator)
        places = order.masked_fill(~table.present[agents], 2.0).argsort(1)[:, :number]
        return split_examples(self._figures[places], self._scaled(table, agents, places), self.settings.shots)

    def rivals(self, batch: TaskBatch) -> dict[str, Numbers]:
        """Predict by the environment's mean over training agents, and by that moved by how the agent differs."""
        means = self._environment_means
        told, asked = (means[self._places(each.inputs)][..., None] for each in (batch.support, batch.query))
        shift = (batch.support.targets - told).mean(1, keepdim=True)
        return {"mean of the environment": Numbers.of(asked), "environment and agent added": Numbers.of(asked + shift)}

    @cached_property
    def _environment_means(self) -> Tensor:
        table = self._tables["train"]
        scaled = torch.where(table.present, (table.scores - self._mean) / self._deviation, 0)
        return scaled.sum(0) / table.present.sum(0).clamp(min=1)

    def _scaled(self, table: Table, agents: Tensor, places: Tensor) -> Tensor:
        found: Tensor = (table.scores[agents[:, None], places] - self._mean) / self._deviation
        return found[..., None]

    def _places(self, figures: Tensor) -> Tensor:
        """Find which environments have these figures (M, K, 7): (M, K)."""
        found: Tensor = torch.cdist(figures.cpu(), self._figures).argmin(-1)
        return found


def tables_of(curriculum: Curriculum) -> tuple[list[str], dict[str, Table]]:
    """Read scores by the split of an agent's niche, and name the environments that they are in.

    Raises:
        MetaLearningError: the curriculum has none.
    """
    found: dict[tuple[str, int, bool, str], dict[str, list[float]]] = {}
    for row in curriculum.scores():
        key = (row.get("run", ""), row["iteration"], row.get("moved", False), row["agent"])
        found.setdefault(key, {}).setdefault(row["environment"], []).append(float(row["score"]))
    if not found:
        raise MetaLearningError(
            f"the curriculum in {curriculum.folder} has no scores.jsonl, or nothing in it: no agent has met another's "
            "environment yet, or an older version wrote it; export the run again"
        )
    environments = sorted({each for of in found.values() for each in of})
    place = {each: number for number, each in enumerate(environments)}
    tables = {}
    for split in SPLITS:
        rows = [of for (*_, agent), of in found.items() if _split(curriculum, agent) == split]
        scores = torch.zeros(len(rows), len(environments))
        present = torch.zeros_like(scores, dtype=torch.bool)
        for number, of in enumerate(rows):
            for each, several in of.items():
                # Several are of the same agent in other episodes.
                scores[number, place[each]], present[number, place[each]] = fmean(several), True
        tables[split] = Table(scores, present)
    return environments, tables


def _split(curriculum: Curriculum, agent: str) -> str | None:
    return curriculum.tasks[agent].split if agent in curriculum.tasks else None


def _make(settings: ScoreSettings, source: Source) -> Scores:
    if source.curriculum is None:
        raise MetaLearningError("family scores needs a curriculum; name the folder that `poet export` wrote")
    curriculum = source.curriculum
    environments, tables = tables_of(curriculum)
    pool = Pool({}, curriculum.domain, encoding_of(curriculum), others=encodings_of(curriculum))
    courses = {task.id: (task.environment.genome, task.environment.seed) for task in curriculum.stages}
    courses |= {row["id"]: (row["genome"], row["terrain_seed"]) for row in curriculum.tried()}
    if missing := [each for each in environments if each not in courses]:
        raise MetaLearningError(
            f"{curriculum.folder} has scores in {missing[0]}, an environment that it does not tell of"
        )
    reliefs = [torch.from_numpy(relief_of(pool.sketch(*courses[each]), pool.places)) for each in environments]
    return Scores(settings, torch.stack([statistics(each[None, None])[0, 0] for each in reliefs]), tables)


KIND = FamilyKind(settings=ScoreSettings, make=_make, needs="curriculum")
