"""To which of five niches does a stretch of 60 points of ground belong? Accuracy after 1 to 10 examples of each.

The learners of the registry that tell classes, trained for equal time on 5 examples of a class, on the genomes that a
run tried. Niches of other branches are told, the same tasks by all; and, by the same trained learners, niches that are
each other's nearest. Beside them: chance, the nearest raw example, seven statistics by hand, and the network that the
metric learners share, trained on each task alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.archive_learning.kept import Kept
from benchmarks.archive_learning.learners import names, room_of, trained
from environments.intervals import interval
from environments.tasks.curriculum import Curriculum
from meta_learners.episodes import EpisodeFamily, Source, TaskBatch
from meta_learners.few_shot.alone import alone
from meta_learners.few_shot.rivals import nearest
from meta_learners.keys import Key, Stream
from meta_learners.learner import CLASSES, LossError
from meta_learners.predictions import Prediction, judge
from meta_learners.problems.niches import Niches
from meta_learners.registry import make_family

SHOTS = tuple(range(1, 11))
NEAREST = (1, 5, 10)  # likewise where a task's classes are a genome and its nearest ones
TRAINED_ON, TASKS, AT_ONCE = 5, 4, 20  # examples of a class in training; tasks of a meta-step, and of a test's batch
FAMILY: dict[str, Any] = {}  # settings of the tasks, besides their examples: as they are
UNSEEN = 10**6  # begins the keys of the test's tasks
# The same inner rate for all but one who descend the mean loss of a support, not tuned for each: the defaults
# are those of sinusoids. What would take all the time for a few meta-steps does less of it.
INNER = {"inner_rate": 0.1}
SETTINGS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("maml", "fomaml", "anil", "meta-sgd", "meta-curvature", "t-net", "mt-net"), INNER),
    "reptile": {**INNER, "inner_steps": 6, "reptile_rate": 1.0},
    # Its formula is of where adapting ends: more and shorter steps, to an end that is nearer.
    "imaml": {"inner_rate": INNER["inner_rate"] / 2, "inner_steps": 6, "proximity": 5.0, "conjugate_steps": 3},
    "warpgrad": {**INNER, "inner_steps": 3},
    "ftml": {**INNER, "updates": 2, "sampled": 4},
    "llama": {**INNER, "inner_steps": 1},
    "mixture": {**INNER, "inner_steps": 1, "starts": 2},
    # Drawn weights are to be near their means, which are .14 and more in size.
    "platipus": {**INNER, "inner_steps": 1, "spread": 0.01, "query_spread": 0.01},
    # What adapting costs in nats, at its whole weight, is more than 25 examples can save.
    "abml": {**INNER, "inner_steps": 1, "spread": 0.01, "inner_draws": 1, "divergence": 0.01},
    "fast-weights": {"step_size": 1e-3},
    "mann": {"reads": 2, "rows": 64},
    # It descends the sum over a support's 25 examples.
    "bmaml": {"inner_rate": INNER["inner_rate"] / 25, "inner_steps": 2, "particles": 2},
    "lstm-optimiser": {"steps": 20},
    "hierarchical-optimiser": {"steps": 20},
    "graph": {"layers": 2},
}
Predict = Callable[[TaskBatch, Key], Prediction]
Tests = Mapping[str, list[list[TaskBatch]]]  # a list of batches for each number of examples
ALONE = "trained on the task alone"
RIVALS = "rivals"  # the room of what learns nothing over tasks


def measure(kept: Kept, curriculum: Curriculum, budget: Mapping[str, Any], again: Sequence[str]) -> None:
    """Train and test every learner that is not there yet, and those to be measured again."""
    setting = {"shots": list(SHOTS), "nearest": list(NEAREST)}
    kept.begin({"curriculum": curriculum.document["sha256"], **budget, **setting})
    source = Source(curriculum)
    family = make_family("niches", {**FAMILY, "shots": TRAINED_ON}, source)
    tests = {
        "accuracy": [_tests(source, budget["tasks"], shots=shots) for shots in SHOTS],
        "nearest": [_tests(source, budget["tasks"], shots=shots, nearest=True) for shots in NEAREST],
    }
    rivals = _rivals(family)
    for name in again or [*rivals, *names(CLASSES), ALONE]:
        if kept.has(name) and name not in again:
            continue
        if name in rivals:
            kept.keep(name, {"room": RIVALS, **_judged(tests, rivals[name])})
        elif name == ALONE:
            # Of the first tasks alone, since it trains a network on each.
            first = {kind: [each[:1] for each in of] for kind, of in tests.items()}
            kept.keep(name, {"room": RIVALS, **_judged(first, alone)})
        else:
            kept.keep(name, {"room": room_of(name), **_learner(name, family, tests, budget)})


def _learner(name: str, family: EpisodeFamily, tests: Tests, budget: Mapping[str, Any]) -> dict[str, Any]:
    settings = SETTINGS.get(name, {})
    try:
        learner, steps = trained(name, family, settings, seconds=budget["seconds"], tasks=TASKS, seed=budget["seed"])
    except (ValueError, LossError) as error:
        return {"cannot": str(error)}
    return {"meta_steps": steps, "settings": settings, **_judged(tests, learner.predict)}


def _judged(tests: Tests, predict: Predict) -> dict[str, list[list[float]]]:
    return {kind: [_accuracy(batches, predict) for batches in of] for kind, of in tests.items()}


def _tests(source: Source, tasks: int, **settings: Any) -> list[TaskBatch]:
    family = make_family("niches", {**FAMILY, **settings}, source)
    counts = [min(AT_ONCE, tasks - first) for first in range(0, tasks, AT_ONCE)]
    return [family.draw(count, "test", (UNSEEN, number, Stream.TASKS)) for number, count in enumerate(counts)]


def _accuracy(batches: Sequence[TaskBatch], predict: Predict) -> list[float]:
    """Give the mean over tasks, and the ends of its 95 % interval."""
    found = []
    for number, batch in enumerate(batches):
        told = predict(batch, (UNSEEN, number))
        with torch.no_grad():
            found.append(judge(told, batch.query.targets, batch.query.present)["accuracy"].double().numpy())
    values = np.concatenate(found)
    bounds = interval(values) or (float(values.mean()),) * 2
    return [round(float(each), 4) for each in (values.mean(), *bounds)]


def _rivals(family: EpisodeFamily) -> dict[str, Predict]:
    assert isinstance(family, Niches)
    return {
        "nearest raw example": lambda batch, key: nearest(batch),
        "seven statistics by hand": lambda batch, key: family.rivals(batch)["seven statistics by hand"],
    }
