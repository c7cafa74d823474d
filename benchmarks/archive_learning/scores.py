"""What does an agent score in a niche? To be told from what it scored in three others.

The learners of the registry that tell numbers, trained for equal time on agents of a run, are asked of agents of other
branches; the same tasks for all. Scores have mean 0 and deviation 1 over agents of training, so 1 is what telling their
mean costs. Beside them what learns nothing over tasks, or by adding alone: the agent's mean in the three, its score in
the niche most like the one asked for, the niche's mean over agents of training, and that mean moved by how the agent
differed from such means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.archive_learning.kept import Kept
from benchmarks.archive_learning.learners import error_of, names, room_of, trained
from environments.tasks.curriculum import Curriculum
from meta_learners.episodes import Rivalled, Source, TaskBatch
from meta_learners.few_shot.alone import alone
from meta_learners.few_shot.rivals import chance, nearest
from meta_learners.keys import Key, Stream
from meta_learners.learner import NUMBERS, LossError
from meta_learners.predictions import Prediction
from meta_learners.registry import make_family

FAMILY: dict[str, Any] = {}  # settings of the tasks: as they are
TASKS = 16  # of a meta-step
SPLIT = "test"
UNSEEN = 10**6  # begins the keys of the test's tasks
RIVALS = "rivals"
AGENT, LIKE, ALONE = "mean of the agent", "niche most like it", "trained on the task alone"

Predict = Callable[[TaskBatch, Key], Prediction]


def measure(kept: Kept, curriculum: Curriculum, budget: Mapping[str, Any], again: Sequence[str]) -> None:
    """Train and test every learner that is not there yet, and those to be measured again."""
    kept.begin({"curriculum": curriculum.document["sha256"], **budget})
    family = make_family("scores", FAMILY, Source(curriculum))
    batch = family.draw(budget["tasks"], SPLIT, (UNSEEN, Stream.TASKS))
    rivals: dict[str, Predict] = {
        AGENT: lambda batch, key: chance(batch),
        LIKE: lambda batch, key: nearest(batch),
        ALONE: alone,
    }
    assert isinstance(family, Rivalled)
    told = family.rivals(batch)
    for name in again or [*rivals, *told, *names(NUMBERS)]:
        if kept.has(name) and name not in again:
            continue
        if name in rivals:
            kept.keep(name, {"room": RIVALS, "error": error_of(rivals[name](batch, (UNSEEN,)), batch)})
        elif name in told:
            kept.keep(name, {"room": RIVALS, "error": error_of(told[name], batch)})
        else:
            try:
                learner, steps = trained(name, family, {}, seconds=budget["seconds"], tasks=TASKS, seed=budget["seed"])
            except (ValueError, LossError) as error:
                kept.keep(name, {"room": room_of(name), "cannot": str(error)})
                continue
            found = {"meta_steps": steps, "error": error_of(learner.predict(batch, (UNSEEN,)), batch)}
            kept.keep(name, {"room": room_of(name), **found})
