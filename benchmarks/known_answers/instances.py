"""MANN's table: how often it is right at the first, second, fifth and tenth time that it meets a class.

Sequences of 5 classes, each met ten times, in drawn order, labels one step late. Nobody can know a class before its
label was heard: the first time, who remembers which labels were given already is right at most one time in 5, 4, ...,
1 for the classes in turn, .457 in the mean. The short form has points about centres that are drawn anew for every task.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.known_answers.answer import Answer
from benchmarks.known_answers.learning import UNTAUGHT
from meta_learners.black_box.mann import Mann
from meta_learners.episodes import EpisodeFamily, Examples, Source, TaskBatch
from meta_learners.few_shot.module_learner import ModuleLearner
from meta_learners.few_shot.sequences import sequence_of
from meta_learners.keys import Stream, torch_generator
from meta_learners.problems.omniglot import VARIABLE
from meta_learners.registry import few_shot_kind, make_family

WAYS, TIMES = 5, 10
CEILING = sum(1 / left for left in range(1, WAYS + 1)) / WAYS
PUBLISHED = {1: 0.364, 2: 0.828, 5: 0.949, 10: 0.981}
SANTORO = "Santoro et al. 2016, arXiv:1605.06065, Omniglot of 1,200 characters, 100,000 episodes"
SIZE, NOISE = 8, 0.2  # of the drawn points
TESTED = 200  # tasks


class DrawnClasses:
    """Classes that no other task has: points about centres drawn from a normal distribution."""

    name = "drawn-classes"
    splits: tuple[str, ...] = ("train", "test")
    input_shape: tuple[int, ...] = (SIZE,)
    ways: int | None = WAYS
    target_size = 1

    def draw(self, count: int, split: str, key: tuple[int, ...]) -> TaskBatch:
        """Draw tasks."""
        generator = torch_generator((*key, self.splits.index(split), Stream.TASKS))
        centres = torch.randn(count, WAYS, SIZE, generator=generator)

        def half(times: int) -> Examples:
            targets = torch.arange(WAYS).repeat(count, times)
            chosen = centres.gather(1, targets[..., None].expand(-1, -1, SIZE))
            return Examples(chosen + NOISE * torch.randn(chosen.shape, generator=generator), targets)

        return TaskBatch(half(TIMES), half(1), WAYS)


def by_instance(system: Mann, batch: TaskBatch, generator: torch.Generator) -> dict[int, float]:
    """Give the share that was right of the first, second, ... time that each class was met."""
    sequence = sequence_of(batch, generator)
    with torch.no_grad():
        told, _ = system.along(sequence)
    met = sequence.labels.cumsum(1).mul(sequence.labels).sum(-1)  # (M, S): the how many-th of its class
    right = (told.argmax(-1) == sequence.labels.argmax(-1)).float()
    return {time: float(right[met == time].mean()) for time in PUBLISHED}


def run(*, short: bool, seed: int, device: str) -> list[Answer]:
    """Train MANN, and measure it along sequences of classes never seen."""
    answers = table("drawn classes", DrawnClasses(), seed, device, 150 if short else 3000, 16, short=short)
    folder = os.environ.get(VARIABLE)
    if short:
        return answers
    if not folder:
        print(f"instances: {VARIABLE} names no folder of Omniglot's files; drawn classes alone", file=sys.stderr)
        return answers
    family = make_family("omniglot", {"shots": TIMES, "queries": 1}, Source(data=Path(folder)))
    return answers + table("omniglot", family, seed, device, 3000, 16, short=False)


def table(
    label: str, family: EpisodeFamily, seed: int, device: str, steps: int, tasks: int, *, short: bool
) -> list[Answer]:
    """Train on a family, and give the row of each instance."""
    small: dict[str, Any] = {"width": 32, "units": 64, "rows": 32, "row_size": 16, "reads": 2, "step_size": 3e-3}
    kind = few_shot_kind("mann")
    learner = kind.make("mann", family, kind.settings(**(small if short else {})), seed=seed, device=device)
    for number in range(steps):
        batch = family.draw(tasks, "train", (seed, number, Stream.BATCHES))
        metrics = learner.meta_step(batch, (seed, number))
        if number % max(steps // 20, 1) == 0:
            print(f"meta-step {number}: loss {metrics['loss']:.3f}", file=sys.stderr, flush=True)
    assert isinstance(learner, ModuleLearner)
    assert isinstance(learner.system, Mann)
    test = family.draw(TESTED, "test", (UNTAUGHT, Stream.TASKS)).to(device)
    found = by_instance(learner.system, test, torch_generator((UNTAUGHT, Stream.CHOICES)))
    name = f"instances, {label}: mann, share right at instance"
    first = Answer(f"{name} 1 (at most)", found[1], CEILING + 0.03, "lower", 0, "", "computed")
    learned = Answer(f"{name} 10 (more than at 1)", found[10], found[1] + 0.1, "higher")
    beside = [
        Answer(f"{name} {time}", found[time], PUBLISHED[time], "beside", 0, SANTORO, "remembered") for time in PUBLISHED
    ]
    return [first, learned, *beside]
