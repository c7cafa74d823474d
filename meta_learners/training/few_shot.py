"""The training of a learner that is given examples, in a folder: as `folder.py` does for learners that act.

The files are the same; so are the promises: killed at any moment it resumes, and comes to the same bits.
"""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from environments.settings import build_settings
from meta_learners.devices import prepare_device
from meta_learners.episodes import EpisodeFamily, Ordered, Source
from meta_learners.errors import MetaLearningError
from meta_learners.keys import Stream
from meta_learners.learner import FewShotLearner, Metrics
from meta_learners.registry import as_read, family_kind, few_shot_kind, make_family, make_few_shot
from meta_learners.training.board import Board
from meta_learners.training.few_shot_plan import (
    FewShotPlan,
    check_same_few_shot,
    read_few_shot_plan,
    write_few_shot_plan,
)
from meta_learners.training.folder import BOARD, METRICS, Ongoing, appending, claim, keep_rows, resume
from meta_learners.training.plan import NAME

logger = logging.getLogger(__name__)


class FewShotTraining(Ongoing):
    """A training that is going on; close it, or use it in a `with` block.

    Args:
        folder: of the training, made when it is new.
        plan: must be the one that the folder's training was begun with.
        source: where the family's tasks come from.
        device: to learn on.
        iterations: meta-steps that it is to come to; whether there are tasks for them is seen before anything is
            written.

    Raises:
        MetaLearningError: the folder holds another training, or cannot be used, or the family lacks tasks.
        PlaceError: the folder cannot be written.
        DiskError: the disk is full or broken; the same call works when it no longer is.
    """

    plan: FewShotPlan
    learner: FewShotLearner

    def __init__(
        self, folder: Path, plan: FewShotPlan, source: Source, *, device: str = "cpu", iterations: int = 1
    ) -> None:
        self.family = family_of(plan, source)
        self.learner = learner_of(plan, self.family, device)
        self.family.draw(1, self.family.splits[0], (plan.seed,))  # says what is wrong while the folder is untouched
        if isinstance(self.family, Ordered):
            self.family.turn(iterations - 1, plan.tasks, (plan.seed,))
        with ExitStack() as opened:
            opened.enter_context(claim(folder))
            if (folder / NAME).exists():
                begun = read_few_shot_plan(folder)[0]
                if begun.learner == plan.learner:
                    begun = as_read_now(begun, self.family)
                check_same_few_shot(folder, begun, plan)
            else:
                found_at = source.data if source.curriculum is None else source.curriculum.folder
                write_few_shot_plan(folder, plan, found_at)
            self.folder, self.plan = folder, plan
            self.iteration = resume(self.learner, folder)
            self.seconds, self.drawing, self._first = 0.0, 0.0, self.iteration
            keep_rows(folder / METRICS, self.iteration)
            self._rows = opened.enter_context(appending(folder / METRICS))
            self._board = opened.enter_context(closing(Board(folder / BOARD, self.iteration)))
            self._opened = opened.pop_all()

    @property
    def tasks(self) -> int:
        """How many tasks this process has learned from."""
        return (self.iteration - self._first) * self.plan.tasks

    @property
    def shares(self) -> dict[str, float]:
        """Shares of the time in drawing tasks and in learning from them."""
        drawing = self.drawing / max(self.seconds, 1e-9)
        return {"drawing": drawing, "learning": max(1 - drawing, 0.0)}

    def _learn(self, key: tuple[int, int]) -> Metrics:
        started = time.perf_counter()
        place = (*key, Stream.BATCHES)
        batch = self.family.turn(self.iteration, self.plan.tasks, place) if isinstance(self.family, Ordered) else None
        if batch is None:
            batch = self.family.draw(self.plan.tasks, self.family.splits[0], place)
        self.drawing += time.perf_counter() - started
        return self.learner.meta_step(batch, key)

    def _pace(self) -> tuple[dict[str, int], dict[str, float]]:
        speed = (self.tasks + self.plan.tasks) / max(self.seconds, 1e-9)
        return {}, {"tasks_per_second": speed, **self.shares}


def family_of(plan: FewShotPlan, source: Source, **other: Any) -> EpisodeFamily:
    """Make a plan's family, with other values of some settings.

    Raises:
        MetaLearningError: it cannot be made; the message says why.
    """
    try:
        return make_family(plan.family, {**plan.family_settings, **other}, source)
    except ValueError as error:
        raise MetaLearningError(f"family {plan.family} cannot be made: {error}") from error


def learner_of(plan: FewShotPlan, family: EpisodeFamily, device: str) -> FewShotLearner:
    """Make a plan's learner, as it was before its first meta-step.

    Raises:
        MetaLearningError: it cannot be made, or cannot learn such tasks.
    """
    prepare_device(device)
    try:
        return make_few_shot(plan.learner, family, plan.settings, seed=plan.seed, device=device)
    except ValueError as error:
        raise MetaLearningError(str(error)) from error


def as_read_now(plan: FewShotPlan, family: EpisodeFamily) -> FewShotPlan:
    """Put back to their defaults settings of a training of old that its learner does not read.

    Raises:
        MetaLearningError: the learner is not here, or does not know its settings.
    """
    try:
        settings = as_read(few_shot_kind(plan.learner), plan.learner, family, plan.settings)
    except ValueError as error:
        raise MetaLearningError(str(error)) from error
    return replace(plan, settings=settings)


def fingerprint(plan: FewShotPlan, source: Source) -> FewShotPlan:
    """Tie a plan to what its tasks are made from."""
    kind = family_kind(plan.family)
    if kind.needs == "curriculum" and source.curriculum is not None:
        return replace(plan, source=source.curriculum.document["sha256"])
    settings = build_settings(kind.settings, plan.family_settings)
    return replace(plan, source=kind.fingerprint(settings, source))
