"""Fitting what an archive has to fit: the values of its agents' states, and the grounds of its niches.

A task is the loss of a small network on one niche's examples, from a random start; what counts is how low it is after
100 steps. Learned optimisers are trained for so many meta-steps on niches of some branches, SGD, momentum, Nesterov's,
RMSprop and Adam have their rates tuned on the same, over 31 rates from .0001 to 10; others' niches are fitted. A task
whose loss is not finite at the end, or above where it began, is counted as diverged, and no mean holds it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from benchmarks.archive_learning.kept import Kept
from environments.intervals import interval
from environments.tasks.curriculum import Curriculum
from meta_learners.episodes import EpisodeFamily, Source, TaskBatch
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.learned_optimisers.classical import NAMES, best_rate, descend
from meta_learners.learned_optimisers.learner import LearnedOptimiser
from meta_learners.learned_optimisers.optimisee import Optimisee
from meta_learners.networks.adaptable import NetworkSettings
from meta_learners.registry import make_family, make_few_shot

STEPS, HIDDEN, KNOWN = 100, (20,), 100  # KNOWN tasks tune the rates
UNSEEN = 10**6  # begins the keys of the test's tasks
LEARNED = ("lstm-optimiser", "hierarchical-optimiser")
# Tasks of a meta-step: a network of values has 521 parameters, each with a state of its own, one of grounds 61.
TASKS = {"values": 2, "grounds": 4}
# Up to how many times higher a task's targets are made in training. Ground of other branches is up to four times as
# high as any of training's, and a rule that met no such task stops too early on it.
LARGEST = {"values": 1.0, "grounds": 8.0}
# Chosen on niches of validation. Training takes `decay` meta-steps. The scale of the changes is about the rate of the
# tuned Adam.
SETTINGS: dict[tuple[str, str], dict[str, Any]] = {
    ("values", "lstm-optimiser"): {"decay": 60, "objective": "log", "scale": 0.02},
    ("values", "hierarchical-optimiser"): {"decay": 160},
    ("grounds", "lstm-optimiser"): {"decay": 150, "scale": 0.3},
    ("grounds", "hierarchical-optimiser"): {"decay": 60, "objective": "sum", "fastest": 1.0},
}
# Without noise and with many points, grounds are functions to fit; few-shot they are to be told from few heights.
PROBLEMS: dict[str, dict[str, Any]] = {"values": {}, "grounds": {"shots": 64, "queries": 1, "noise": 0.0}}


def measure(kept: Kept, curriculum: Curriculum, budget: Mapping[str, Any], again: Sequence[str]) -> None:
    """Tune and train what is not there yet, and what is to be measured again."""
    size = {name: budget[name] for name in ("tasks", "seed")}
    kept.begin({"curriculum": curriculum.document["sha256"], **size, "steps": STEPS, "hidden": list(HIDDEN)})
    for problem, settings in PROBLEMS.items():
        family = make_family(problem, settings, Source(curriculum))
        for name in (*NAMES, *LEARNED):
            place = f"{problem}: {name}"
            if not kept.has(place) or name in again:
                fit = _classical if name in NAMES else _learned
                kept.keep(place, {"problem": problem, "by": name, **fit(problem, name, family, budget)})


def _classical(problem: str, name: str, family: EpisodeFamily, budget: Mapping[str, Any]) -> dict[str, Any]:
    optimisee = Optimisee.of(family, NetworkSettings(hidden=HIDDEN), summed=False)
    known = family.draw(KNOWN, "train", (budget["seed"], Stream.BATCHES))
    start = optimisee.start(KNOWN, torch_generator((budget["seed"],)), "cpu")
    rate = best_rate(name, optimisee, start, known.support, STEPS)
    batch = family.draw(budget["tasks"], "test", (UNSEEN, Stream.TASKS))
    start = optimisee.start(batch.tasks, torch_generator((UNSEEN, Stream.CHOICES)), "cpu")
    way = descend(name, optimisee, start, batch.support, torch.full((batch.tasks,), rate), STEPS)[1]
    return {"rate": rate, **_told(way)}


def _learned(problem: str, name: str, family: EpisodeFamily, budget: Mapping[str, Any]) -> dict[str, Any]:
    own, seed = SETTINGS[problem, name], budget["seed"]
    settings = {"hidden": list(HIDDEN), "steps": STEPS, **own}
    learner, started = make_few_shot(name, family, settings, seed=seed), time.process_time()
    assert isinstance(learner, LearnedOptimiser)
    for number in range(own["decay"]):
        batch = family.draw(TASKS[problem], "train", (seed, number, Stream.BATCHES))
        learner.meta_step(_raised(batch, LARGEST[problem], (seed, number, Stream.CHOICES)), (seed, number))
    spent = round(time.process_time() - started)
    batch = family.draw(budget["tasks"], "test", (UNSEEN, Stream.TASKS))
    # Its starts are drawn by the same key, and so are those of the others.
    return {
        "meta_steps": own["decay"],
        "seconds": spent,
        "settings": own,
        **_told(learner.curve(batch, (UNSEEN,), STEPS)),
    }


def _raised(batch: TaskBatch, largest: float, key: Key) -> TaskBatch:
    """Multiply each task's targets by a number between 1 and the largest, evenly by its logarithm."""
    if largest == 1:
        return batch
    factors = largest ** torch.rand(batch.tasks, 1, 1, generator=torch_generator(key))
    halves = (replace(each, targets=factors * each.targets) for each in (batch.support, batch.query))
    return TaskBatch(*halves)


def _told(way: Tensor) -> dict[str, Any]:
    """Give the mean loss after every step, and the last one's interval over tasks; and how many tasks diverged."""
    sound = way.isfinite().all(1) & (way[:, -1] <= way[:, 0])
    told: dict[str, Any] = {"diverged": int((~sound).sum()), "tasks": len(way)}
    if not sound.any():
        return told
    last = way[sound, -1].double().numpy()
    return {
        **told,
        "curve": [float(f"{each:.4g}") for each in way[sound].mean(0).tolist()],
        "last": float(f"{last.mean():.4g}"),
        "interval": [float(f"{each:.4g}") for each in interval(last) or (last.mean(),) * 2],
    }
