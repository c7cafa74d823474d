"""Omniglot in part: trained on the first minimal set of 136 characters, tested on alphabets never seen and on the runs.

`POET_OMNIGLOT` names the folder of the authors' files; without it there is nothing to measure. Published accuracies
of 98 to 99 % need the whole background set of 964 characters. The runs are within one alphabet, and harder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.known_answers.answer import Answer
from benchmarks.known_answers.learning import measured, taught
from meta_learners.episodes import Source
from meta_learners.few_shot.rivals import nearest
from meta_learners.keys import Stream
from meta_learners.predictions import judge
from meta_learners.problems.hausdorff import modified_hausdorff
from meta_learners.problems.omniglot import VARIABLE, one_shot_runs
from meta_learners.registry import make_family

STEPS, SHORT_STEPS = 1000, 150
LEARNERS = ("prototypical", "matching", "siamese", "relation", "ridge", "good-embedding")
PIXELS = 0.402  # 5-way 1-shot, the nearest in pixels
HAUSDORFF = 0.388  # published error on the runs
LAKE = "Lake, Salakhutdinov and Tenenbaum 2015, Science 350"


def run(*, short: bool, seed: int, device: str) -> list[Answer]:
    """Train each learner on 20 ways and 1 shot, and measure."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        print(f"omniglot: {VARIABLE} names no folder of Omniglot's files; nothing was measured", file=sys.stderr)
        return []
    source = Source(data=Path(folder))
    train = make_family("omniglot", {"ways": 20}, source)
    five = make_family("omniglot", {}, source)
    answers = []
    batch = five.draw(400, "test", (10**6, Stream.TASKS))
    pixels = float(judge(nearest(batch), batch.query.targets, batch.query.present)["accuracy"].mean())
    answers += [Answer("omniglot: nearest in pixels, 5 ways 1 shot", pixels, PIXELS, "equal", 0.03, "", "computed")]
    if not short:
        runs = one_shot_runs(Path(folder))
        told = judge(modified_hausdorff(runs), runs.query.targets, runs.query.present)["accuracy"].mean()
        name = "omniglot: modified Hausdorff distance, error on the 20 runs"
        answers += [Answer(name, 1 - float(told), HAUSDORFF, "equal", 0.01, LAKE, "remembered")]
    for name in LEARNERS[:1] if short else LEARNERS:
        steps = SHORT_STEPS if short else STEPS
        learner = taught(name, train, {}, steps=steps, tasks=1, seed=seed, device=device)
        # Rivals are slow on images, and are measured above.
        plain = _Plain(five)
        right = measured(learner, plain, "accuracy", tasks=400, split="test")[name]
        wrong = 1 - measured(learner, plain, "accuracy", tasks=20, split="runs")[name]
        aim = PIXELS + 0.1 if short else 0.92
        answers += [
            Answer(f"omniglot: {name}, 5 ways 1 shot, {steps} meta-steps", right, aim, "higher"),
            Answer(f"omniglot: {name}, error on the 20 runs", wrong, HAUSDORFF if short else 0.185, "beside"),
        ]
    return answers


class _Plain:
    """A family without its rivals."""

    def __init__(self, family: object) -> None:
        self._family = family

    def __getattr__(self, name: str) -> object:
        if name == "rivals":
            raise AttributeError(name)
        return getattr(self._family, name)
