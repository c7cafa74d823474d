"""The training of a learner that is given examples, in a folder: as `folder.py` does for learners that act.

The files are the same; so are the promises: killed at any moment it resumes, and comes to the same bits.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch

from environments.files import explained
from environments.settings import build_settings
from meta_learners.episodes import EpisodeFamily, Source
from meta_learners.errors import MetaLearningError, TrainingError
from meta_learners.keys import Stream
from meta_learners.learner import FewShotLearner, LossError, Metrics
from meta_learners.registry import family_kind, few_shot_kind, make_family, make_few_shot
from meta_learners.training.board import Board
from meta_learners.training.checkpoints import load_checkpoint, save_checkpoint
from meta_learners.training.few_shot_plan import (
    FewShotPlan,
    check_same_few_shot,
    read_few_shot_plan,
    write_few_shot_plan,
)
from meta_learners.training.folder import BOARD, METRICS, appending, claim, keep_rows
from meta_learners.training.plan import NAME

logger = logging.getLogger(__name__)


class FewShotTraining:
    """A training that is going on; close it, or use it in a `with` block.

    Args:
        folder: of the training, made when it is new.
        plan: must be the one that the folder's training was begun with.
        source: where the family's tasks come from.
        device: to learn on.

    Raises:
        MetaLearningError: the folder holds another training, or cannot be used.
        PlaceError: the folder cannot be written.
        DiskError: the disk is full or broken; the same call works when it no longer is.
    """

    def __init__(self, folder: Path, plan: FewShotPlan, source: Source, *, device: str = "cpu") -> None:
        self.family = family_of(plan, source)
        self.learner = learner_of(plan, self.family, device)
        with ExitStack() as opened:
            opened.enter_context(claim(folder))
            if (folder / NAME).exists():
                check_same_few_shot(folder, read_few_shot_plan(folder)[0], plan)
            else:
                found_at = source.data if source.curriculum is None else source.curriculum.folder
                write_few_shot_plan(folder, plan, found_at)
            self.folder, self.plan = folder, plan
            self.iteration = resume_few_shot(self.learner, folder)
            self.seconds, self.drawing, self._first = 0.0, 0.0, self.iteration
            keep_rows(folder / METRICS, self.iteration)
            self._rows = opened.enter_context(appending(folder / METRICS))
            self._board = opened.enter_context(closing(Board(folder / BOARD, self.iteration)))
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def step(self) -> Metrics:
        """Take one meta-step.

        Raises:
            TrainingError: a loss is not finite; the state before is on disk.
        """
        started = time.perf_counter()
        key = (self.plan.seed, self.iteration)
        batch = self.family.draw(self.plan.tasks, self.family.splits[0], (*key, Stream.BATCHES))
        self.drawing += time.perf_counter() - started
        try:
            metrics = self.learner.meta_step(batch, key)
        except LossError as error:
            self.save()
            raise TrainingError(
                f"meta-step {self.iteration}: {error}; the checkpoint before it is in {self.folder}. "
                "Begin another folder with smaller steps by --set."
            ) from error
        self.seconds += time.perf_counter() - started
        self._log(metrics)
        self.iteration += 1
        return metrics

    def save(self) -> None:
        """Write a checkpoint.

        Raises:
            PlaceError, DiskError: it cannot be written; those before are kept.
        """
        with explained(self.folder / METRICS):
            self._rows.flush()
            os.fsync(self._rows.fileno())
        self._board.flush()
        save_checkpoint(self.folder, self.iteration, self.learner.state())

    def close(self) -> None:
        """Free everything, without a checkpoint."""
        self._opened.close()

    @property
    def tasks(self) -> int:
        """How many tasks this process has learned from."""
        return (self.iteration - self._first) * self.plan.tasks

    @property
    def shares(self) -> dict[str, float]:
        """Shares of the time in drawing tasks and in learning from them."""
        drawing = self.drawing / max(self.seconds, 1e-9)
        return {"drawing": drawing, "learning": max(1 - drawing, 0.0)}

    def _log(self, metrics: Metrics) -> None:
        told = {name: value for name, value in metrics.items() if math.isfinite(value)}
        with explained(self.folder / METRICS):
            self._rows.write(json.dumps({"iteration": self.iteration, **told}) + "\n")
        speed = {"tasks_per_second": (self.tasks + self.plan.tasks) / max(self.seconds, 1e-9)}
        self._board.add({**told, **speed, **self.shares}, self.iteration)


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
    if device != "cpu":
        torch.backends.cudnn.deterministic = True  # equal keys give equal bits there, too
    try:
        return make_few_shot(plan.learner, family, plan.settings, seed=plan.seed, device=device)
    except ValueError as error:
        raise MetaLearningError(str(error)) from error


def resume_few_shot(learner: FewShotLearner, folder: Path) -> int:
    """Bring a learner to the newest checkpoint of a folder; gives its iteration, 0 where there is none.

    Raises:
        MetaLearningError: the checkpoint is damaged or another learner's.
    """
    found = load_checkpoint(folder)
    if found is None:
        return 0
    iteration, state = found
    try:
        learner.load(state)
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise MetaLearningError(f"the checkpoint in {folder} cannot be used: {error}") from error
    return iteration


def fingerprint(plan: FewShotPlan, source: Source) -> FewShotPlan:
    """Tie a plan to what its tasks are made from."""
    kind = family_kind(plan.family)
    if kind.needs == "curriculum" and source.curriculum is not None:
        return replace(plan, source=source.curriculum.document["sha256"])
    settings = build_settings(kind.settings, plan.family_settings)
    return replace(plan, source=kind.fingerprint(settings, source))


def kind_takes(learner: str) -> frozenset[str]:
    """Say which targets a learner takes."""
    return few_shot_kind(learner).takes
