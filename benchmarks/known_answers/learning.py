"""How the problems of few-shot learning train a learner and measure it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from meta_learners.episodes import EpisodeFamily, Examples
from meta_learners.keys import Stream
from meta_learners.learner import FewShotLearner
from meta_learners.predictions import Prediction, judge
from meta_learners.registry import make_few_shot

UNTAUGHT = 10**6  # seed of the test's tasks: none of training's
AT_ONCE = 20  # tasks of the test


def taught(
    name: str,
    family: EpisodeFamily,
    settings: Mapping[str, Any],
    *,
    steps: int,
    tasks: int,
    seed: int,
    device: str = "cpu",
) -> FewShotLearner:
    """Make a learner and take so many meta-steps, of so many tasks each."""
    learner = make_few_shot(name, family, settings, seed=seed, device=device)
    for number in range(steps):
        learner.meta_step(family.draw(tasks, family.splits[0], (seed, number, Stream.BATCHES)), (seed, number))
    return learner


def mean_of(prediction: Prediction, query: Examples, figure: str) -> float:
    """Judge a prediction of a batch's queries: a figure's mean over tasks."""
    return float(judge(prediction, query.targets, query.present)[figure].mean())


def measured(
    learner: FewShotLearner,
    family: EpisodeFamily,
    figure: str,
    *,
    tasks: int,
    split: str | None = None,
    rivals: bool = True,
) -> dict[str, float]:
    """Measure a learner, by its name, and the family's own rivals on the same tasks: a figure's mean over tasks."""
    found: dict[str, list[torch.Tensor]] = {}
    for number in range(0, tasks, AT_ONCE):
        key = (UNTAUGHT, number)
        batch = family.draw(min(AT_ONCE, tasks - number), split or family.splits[-1], (*key, Stream.TASKS))
        predictions: dict[str, Prediction] = {learner.name: learner.predict(batch, key)}
        if rivals and hasattr(family, "rivals"):
            predictions |= family.rivals(batch)
        for name, each in predictions.items():
            device = (each.logits if hasattr(each, "logits") else each.means).device
            query = batch.query.to(device)
            found.setdefault(name, []).append(judge(each, query.targets, query.present)[figure].cpu())
    return {name: float(torch.cat(parts).mean()) for name, parts in found.items()}
