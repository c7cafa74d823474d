"""MANN's table: how often it is right at the first, second, fifth and tenth time that it meets a class.

Sequences of 5 classes, each met ten times, in drawn order, labels one step late. Nobody can know a class before its
label was heard: the first time, who remembers which labels were given already is right at most one time in 5, 4, ...,
1 for the classes in turn, .457 in the mean. The short form has points about centres that are drawn anew for every task.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.known_answers.answer import Answer
from benchmarks.known_answers.learning import UNTAUGHT
from benchmarks.known_answers.omniglot import omniglot_source
from meta_learners.black_box.mann import Mann
from meta_learners.episodes import EpisodeFamily, Examples, TaskBatch
from meta_learners.few_shot.module_learner import ModuleLearner
from meta_learners.few_shot.sequences import Sequence, sequence_of
from meta_learners.keys import Stream, torch_generator
from meta_learners.registry import few_shot_kind, make_family

WAYS, TIMES = 5, 10
CEILING = sum(1 / left for left in range(1, WAYS + 1)) / WAYS
PUBLISHED = {1: 0.364, 2: 0.828, 5: 0.949, 10: 0.981}
SANTORO = "Santoro et al. 2016, arXiv:1605.06065, Omniglot of 1,200 characters, 100,000 episodes"
SIZE, NOISE = 8, 0.2  # of the drawn points
TESTED = 200  # tasks
SMALL: Mapping[str, Any] = {"width": 32, "units": 64, "rows": 32, "row_size": 24, "reads": 2, "step_size": 3e-3}
Told = Callable[[Sequence], Tensor]


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to learn, and settings beside the small sizes."""

    steps: int
    tasks: int  # of a step
    settings: Mapping[str, Any]


# In so short a training a step size of .003 leaps now and then, and has no time to come back.
SHORT = Effort(60, 32, {"halve_after": 0, "step_size": 1.5e-3})
DRAWN = Effort(800, 32, {"halve_after": 400})
DRAWINGS = Effort(400, 16, {"width": 16, "row_size": 40, "halve_after": 300})


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


def by_instance(told: Told, batch: TaskBatch, generator: torch.Generator) -> dict[int, float]:
    """Give the share that was right of the first, second, ... time that each class was met."""
    sequence = sequence_of(batch, generator)
    with torch.no_grad():
        outputs = told(sequence)
    met = sequence.labels.cumsum(1).mul(sequence.labels).sum(-1)  # (M, S): the how many-th of its class
    right = (outputs.argmax(-1) == sequence.labels.argmax(-1)).float()
    return {time: float(right[met == time].mean()) for time in PUBLISHED}


def by_mann(system: Mann) -> Told:
    """Give what MANN tells along a sequence."""
    return lambda sequence: system.along(sequence)[0]


def nearest(sequence: Sequence) -> Tensor:
    """Tell each example by the nearest one before; the first by nothing: (M, S, N)."""
    inputs = sequence.support.flatten(2)
    distances = torch.cdist(inputs, inputs)
    before = torch.ones_like(distances).tril(-1) > 0
    closest = torch.where(before, distances, torch.inf).argmin(-1)
    told = sequence.labels.gather(1, closest[..., None].expand(-1, -1, sequence.labels.shape[-1])).clone()
    told[:, 0] = 0.0
    return told


def run(*, short: bool, seed: int, device: str) -> list[Answer]:
    """Train MANN, and measure it along sequences of classes never seen."""
    if short:
        return table("drawn classes", DrawnClasses(), SHORT, seed, device)
    return [answer for part in PARTS.values() for answer in part(seed, device)]


def on_drawn(seed: int, device: str) -> list[Answer]:
    """Measure on points about centres that are drawn for every task."""
    return table("drawn classes", DrawnClasses(), DRAWN, seed, device)


def on_omniglot(seed: int, device: str) -> list[Answer]:
    """Measure on characters of alphabets never seen, 20 pixels a side as in the paper."""
    if (source := omniglot_source("instances")) is None:
        return []
    family = make_family("omniglot", {"shots": TIMES, "queries": 1, "size": 20}, source)
    return table("omniglot", family, DRAWINGS, seed, device)


def table(label: str, family: EpisodeFamily, effort: Effort, seed: int, device: str) -> list[Answer]:
    """Train on a family, and give the row of each instance."""
    kind = few_shot_kind("mann")
    settings = kind.settings(**{**SMALL, **effort.settings})
    learner = kind.make("mann", family, settings, seed=seed, device=device)
    for number in range(effort.steps):
        batch = family.draw(effort.tasks, "train", (seed, number, Stream.BATCHES))
        metrics = learner.meta_step(batch, (seed, number))
        if number % max(effort.steps // 20, 1) == 0:
            print(f"meta-step {number}: loss {metrics['loss']:.3f}", file=sys.stderr, flush=True)
    assert isinstance(learner, ModuleLearner)
    assert isinstance(learner.system, Mann)
    test = family.draw(TESTED, "test", (UNTAUGHT, Stream.TASKS)).to(device)
    found, rival = (
        by_instance(told, test, torch_generator((UNTAUGHT, Stream.CHOICES)))
        for told in (by_mann(learner.system), nearest)
    )
    name = f"instances, {label}: mann, share right at instance"
    # Which labels were given already is learned soonest; whoever binds nothing does no better by the tenth time.
    answers = [
        Answer(f"{name} 10 (more than the first time's most)", found[10], CEILING + 0.03, "higher", 0, "", "computed"),
        Answer(f"{name} 1 (at most)", found[1], CEILING, "beside", 0, "", "computed"),
    ]
    for time, known in PUBLISHED.items():
        answers += [
            Answer(f"{name} {time}", found[time], known, "beside", 0, SANTORO, "remembered"),
            Answer(f"{name} {time} (the nearest before)", found[time], rival[time], "beside", 0, "", "computed"),
        ]
    return answers


PARTS: Mapping[str, Callable[[int, str], list[Answer]]] = {"drawn": on_drawn, "omniglot": on_omniglot}
