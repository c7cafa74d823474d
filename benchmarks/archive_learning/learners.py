"""Which learners there are, in which room each lives, training for so many seconds, and the error of what is told."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

import numpy as np
import torch

from environments.intervals import interval
from environments.plugins import LEARNER
from meta_learners.episodes import EpisodeFamily, TaskBatch
from meta_learners.keys import Stream
from meta_learners.learner import FewShotKind, FewShotLearner, LearnerKind
from meta_learners.predictions import Prediction, judge
from meta_learners.registry import any_kind, learner_names, make_few_shot

OTHERS = "others"
MOST = 20_000  # meta-steps, where one takes no time


def names(takes: str) -> list[str]:
    """List the learners that are given examples and tell classes, or numbers."""
    found = []
    for name in learner_names():
        kind = any_kind(name)
        few_shot: FewShotKind | None = kind.few_shot if isinstance(kind, LearnerKind) else kind
        if few_shot is not None and takes in few_shot.takes:
            found.append(name)
    return found


def room_of(name: str) -> str:
    """Name the folder of `meta_learners` that a learner's entry point is in."""
    places = [entry.value for entry in entry_points(group=LEARNER.group) if entry.name == name]
    parts = places[0].partition(":")[0].split(".") if places else []
    return parts[1] if len(parts) > 2 and parts[0] == "meta_learners" else OTHERS


def trained(
    name: str, family: EpisodeFamily, settings: Mapping[str, Any], *, seconds: float, tasks: int, seed: int
) -> tuple[FewShotLearner, int]:
    """Train a learner for so many seconds of the processor: the learner, and how many meta-steps it took."""
    learner = make_few_shot(name, family, settings, seed=seed)
    # What a family makes once, as its courses, is no part of the learner's time.
    family.draw(1, family.splits[0], (seed, 0, Stream.BATCHES))
    started, number = time.process_time(), 0
    while time.process_time() - started < seconds and number < MOST:
        learner.meta_step(family.draw(tasks, family.splits[0], (seed, number, Stream.BATCHES)), (seed, number))
        number += 1
    return learner, number


def error_of(told: Prediction, batch: TaskBatch) -> list[float]:
    """Give the mean square error over tasks, and the ends of its 95 % interval."""
    with torch.no_grad():
        values = judge(told, batch.query.targets, batch.query.present)["error"].double().numpy()
    bounds = interval(values) or (float(np.mean(values)),) * 2
    return [round(float(each), 4) for each in (values.mean(), *bounds)]
