"""How well a few-shot learner tells the queries of new tasks, beside what knows nothing of other tasks.

Every task is judged by every rival on the same queries: chance, the nearest example, what its family knows by hand,
and a network, the same for every learner, trained on the support alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray

from environments.settings import Bounds, check_bounds
from meta_learners.episodes import EpisodeFamily, Examples, Published, Rivalled, TaskBatch
from meta_learners.errors import MetaLearningError
from meta_learners.few_shot.alone import alone
from meta_learners.few_shot.rivals import chance, nearest
from meta_learners.keys import Key, Stream
from meta_learners.learner import FewShotLearner, Tuning
from meta_learners.predictions import judge

Floats = NDArray[np.float64]
AT_ONCE = 20  # tasks; more would take more memory and no less time
FIGURES = ("accuracy", "error", "log_loss", "coverage")


@dataclass(frozen=True, slots=True, kw_only=True)
class FewShotProtocol:
    """What is tested, and how surely."""

    split: str = "test"
    tasks: Annotated[int, Bounds(1, 10**5)] = 200
    alone_tasks: Annotated[int, Bounds(0, 10**5)] = 20  # on which a network is trained from scratch, which takes long

    def __post_init__(self) -> None:
        try:
            check_bounds(self)
        except ValueError as error:
            raise MetaLearningError(str(error)) from error


def few_shot_figures(
    learner: FewShotLearner,
    family: EpisodeFamily,
    protocol: FewShotProtocol,
    key: Key,
    *,
    device: str = "cpu",
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, dict[str, Floats]]:
    """Measure the learner and its rivals on tasks of a split.

    Returns:
        For each of them, the learner first, its figures by name, (tasks,) each; `FIGURES` says which there can be.
        A split of fewer published tasks gives each once.

    Raises:
        SplitError: there is no such split, or it holds too few classes.
    """
    found: dict[str, dict[str, list[Floats]]] = {}
    published = family.published(protocol.split) if isinstance(family, Published) else None
    # The same task twice is no more evidence. Published ones come together, for a draw begins with the first.
    tasks, at_once = protocol.tasks, AT_ONCE
    if published is not None:
        tasks = at_once = min(tasks, published)
    # Rivals that are tuned are so on tasks of training, as the learner is.
    known = family.draw(AT_ONCE, family.splits[0], (*key, Stream.BATCHES)) if isinstance(learner, Tuning) else None
    tuned = learner.rivals(known, key) if known is not None and isinstance(learner, Tuning) else None
    for number, first in enumerate(range(0, tasks, at_once)):
        place = (*key, number)
        count = min(at_once, tasks - first)
        batch = family.draw(count, protocol.split, (*place, Stream.TASKS))
        predictions = {
            learner.name: learner.predict(batch, place),
            "chance": chance(batch),
            "nearest example": nearest(batch),
        }
        if isinstance(family, Rivalled):
            predictions |= family.rivals(batch)
        if tuned is not None:
            predictions |= tuned(batch, place)
        judged = {name: (each, batch) for name, each in predictions.items()}
        if first < protocol.alone_tasks:
            some = _first(batch, protocol.alone_tasks - first)
            judged["trained on the task alone"] = alone(some.to(device), place), some
        for name, (prediction, of) in judged.items():
            query = of.query.to(prediction.device)
            with torch.no_grad():
                figures = judge(prediction, query.targets, query.present)
            for figure, values in figures.items():
                found.setdefault(name, {}).setdefault(figure, []).append(values.double().cpu().numpy())
        progress(first + count)
    return {name: {figure: np.concatenate(parts) for figure, parts in each.items()} for name, each in found.items()}


def _first(batch: TaskBatch, count: int) -> TaskBatch:
    if count >= batch.tasks:
        return batch

    def of(examples: Examples) -> Examples:
        mask = None if examples.mask is None else examples.mask[:count]
        return Examples(examples.inputs[:count], examples.targets[:count], mask)

    return TaskBatch(of(batch.support), of(batch.query), batch.ways)
