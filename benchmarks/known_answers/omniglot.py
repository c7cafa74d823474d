"""Omniglot in part: trained on the first minimal set of 136 characters, tested on alphabets never seen and on the runs.

`POET_OMNIGLOT` names the folder of the authors' files; without it there is nothing to measure. Published accuracies
of 98 to 99 % need the whole background set of 964 characters. The runs are within one alphabet, and harder.

A learner is trained once, with 1 shot, and measured on both; one that is made for a number of classes is trained
twice. Training is by the first set alone, settings were chosen on the alphabet of validation, and what is measured are
the last weights, once. `--part NAME` trains one alone, and `--into FILE` collects the figures.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.known_answers.answer import Answer, Certainty
from benchmarks.known_answers.learning import UNTAUGHT, mean_of, measured, taught
from meta_learners.episodes import EpisodeFamily, Source
from meta_learners.few_shot.alone import alone
from meta_learners.few_shot.rivals import nearest
from meta_learners.keys import Stream
from meta_learners.problems.hausdorff import modified_hausdorff
from meta_learners.problems.omniglot import RUN_COUNT, VARIABLE, one_shot_runs
from meta_learners.registry import few_shot_kind, make_family

SHORT_STEPS = 150
PIXELS = 0.402  # 5-way 1-shot, the nearest in pixels
HAUSDORFF = 0.388  # published error on the runs
LAKE = "Lake, Salakhutdinov and Tenenbaum 2015, Science 350"
FIVE, RUNS = 0.92, 0.185  # aims; 4,000 meta-steps of prototypes with batch normalisation come to them
MANY, FEW = 20, 5
# Characters in a mirror are further classes, half of the tasks are of one alphabet, as the runs are, and every
# drawing is turned, sheared, scaled and moved. Two queries a class: more tasks teach more than more queries.
TASKS = {"size": 32, "queries": 2, "mirrored": True, "within": 0.5, "warped": 0.5}
TOLD, ALONE = 400, 100  # tasks of the test, and those on each of which a network is trained alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a learner is trained, and what is published of it: 5 ways 1 shot, after the whole background set."""

    steps: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    tasks: Mapping[str, Any] = field(default_factory=dict)  # where they are not as for others
    ways: tuple[int, ...] = (MANY,)  # that it is trained with, in one training each
    aims: bool = False  # for the runs, whose aim is the best's; the others stand beside it
    published: float | None = None
    source: str = ""
    certainty: Certainty = "remembered"


# Budgets are of processor time: ten minutes for all on one core.
PLANS = {
    "prototypical": Plan(
        steps=3600, aims=True, published=0.988, source="Snell et al. 2017, arXiv:1703.05175", certainty="read"
    ),
    "matching": Plan(steps=1000, published=0.981, source="Vinyals et al. 2016, arXiv:1606.04080", certainty="read"),
    "ridge": Plan(steps=800),
    # It sorts into all classes that there are: with eight times as many it has learned nothing after so few steps.
    "good-embedding": Plan(steps=900, tasks={"turned": False, "mirrored": False, "within": 0.0}),
    "siamese": Plan(steps=1100, published=0.967, source="Koch, Zemel and Salakhutdinov 2015"),
    "relation": Plan(steps=1000, published=0.996, source="Sung et al. 2018, arXiv:1711.06025"),
    "graph": Plan(steps=600, ways=(FEW,), published=0.992, source="Garcia and Bruna 2018, arXiv:1711.04043"),
    "arc": Plan(steps=400, ways=(FEW,)),
}


def run(*, short: bool, seed: int, device: str) -> list[Answer]:
    """Measure what nothing was learned for, then train each learner, and measure it."""
    if (source := omniglot_source()) is None:
        return []
    if short:
        name, plan = next(iter(PLANS.items()))
        plan = replace(plan, steps=SHORT_STEPS)
        return [_pixels(source), *figures(name, plan, MANY, source, seed, device, short=True)]
    return [answer for part in PARTS.values() for answer in part(seed, device)]


def omniglot_source(problem: str = "omniglot") -> Source | None:
    """Give the files, or None, which is said."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        print(f"{problem}: {VARIABLE} names no folder of Omniglot's files", file=sys.stderr)
        return None
    return Source(data=Path(folder))


def _pixels(source: Source) -> Answer:
    batch = make_family("omniglot", {}, source).draw(TOLD, "test", (10**6, Stream.TASKS))
    pixels = mean_of(nearest(batch), batch.query, "accuracy")
    return Answer("omniglot: nearest in pixels, 5 ways 1 shot", pixels, PIXELS, "equal", 0.03, "", "computed")


def _anchors(seed: int, device: str) -> list[Answer]:
    """Measure what nothing was learned for."""
    if (source := omniglot_source()) is None or source.data is None:
        return []
    runs = one_shot_runs(source.data)
    told = mean_of(modified_hausdorff(runs), runs.query, "accuracy")
    name = "omniglot: modified Hausdorff distance, error on the 20 runs"
    family = make_family("omniglot", {"size": TASKS["size"]}, source)
    few = family.draw(ALONE, "test", (UNTAUGHT, Stream.TASKS)).to(device)
    by_itself = mean_of(alone(few, (seed,)), few.query, "accuracy")
    of_each = f"omniglot, {ALONE} tasks: trained on each task alone, 5 ways 1 shot (chance)"
    return [
        _pixels(source),
        Answer(of_each, by_itself, 1 / FEW, "beside", 0, "", "computed"),
        Answer(name, 1 - told, HAUSDORFF, "equal", 0.01, LAKE, "remembered"),
    ]


def _learned(name: str, seed: int, device: str) -> list[Answer]:
    """Train one learner by its plan, and measure it."""
    if (source := omniglot_source()) is None:
        return []
    answers = []
    for ways in PLANS[name].ways:
        started = time.process_time()
        answers += figures(name, PLANS[name], ways, source, seed, device, short=False)
        spent = time.process_time() - started
        print(f"omniglot: {name}, {ways} ways: {spent:.0f} s of processor time", file=sys.stderr, flush=True)
    return answers


def figures(name: str, plan: Plan, ways: int, source: Source, seed: int, device: str, *, short: bool) -> list[Answer]:
    """Train one learner with so many ways, and measure it."""
    # As many drawings a step, whatever the ways.
    train = make_family("omniglot", {**TASKS, **plan.tasks, "ways": ways}, source)
    settings = {"step_size": 3e-3, "halve_after": plan.steps // 5, **plan.settings}
    learner = taught(name, train, settings, steps=plan.steps, tasks=MANY // ways, seed=seed, device=device)
    plain = _Plain(make_family("omniglot", {"size": TASKS["size"]}, source))  # rivals are slow on images
    found, fixed = [], few_shot_kind(name).fixed_ways
    if ways == FEW or not fixed:
        right = measured(learner, plain, "accuracy", tasks=TOLD, split="test")[name]
        called = f"omniglot: {name}, 5 ways 1 shot"
        aim = PIXELS + 0.1 if short else FIVE
        found.append(Answer(f"{called}, {plan.steps} meta-steps", right, aim, "higher", 0, "", "computed"))
        if plan.published and not short:
            beside = f"{called}, beside the whole background set"
            found.append(Answer(beside, right, plan.published, "beside", 0, plan.source, plan.certainty))
    if ways == MANY or not fixed:
        wrong = 1 - measured(learner, plain, "accuracy", tasks=RUN_COUNT, split="runs")[name]
        called, aimed = f"omniglot: {name}, error on the 20 runs", plan.aims and not short
        target = HAUSDORFF if short else RUNS
        found.append(Answer(called, wrong, target, "lower" if aimed else "beside", 0, "", "computed"))
    return found


class _Plain:
    """A family without its rivals."""

    def __init__(self, family: EpisodeFamily) -> None:
        self._family = family

    def __getattr__(self, name: str) -> object:
        if name == "rivals":
            raise AttributeError(name)
        return getattr(self._family, name)


PARTS: dict[str, Callable[[int, str], list[Answer]]] = {
    "anchors": _anchors,
    **{name: partial(_learned, name) for name in PLANS},
}
