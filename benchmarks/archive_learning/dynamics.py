"""How does a body with hidden physics move? To be told from 1, 10 or 50 of its steps.

The learners of the registry that tell numbers, trained for equal time on bodies of some branches with 10 steps of each,
are asked of bodies of others; the same tasks for all. Changes have mean 0 and deviation 1 over training, so 1 is what
telling their mean costs. Beside them a network that is trained for as long on all training bodies at once and is told
nothing of a new one (*blind*), the same one whose inputs hold what is hidden of the body (*told*: the bound), a linear
map of all training bodies, and that of the body whose map fits the examples best.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.archive_learning.kept import Kept
from benchmarks.archive_learning.learners import error_of, names, room_of, trained
from environments.tasks.curriculum import Curriculum
from meta_learners.episodes import EpisodeFamily, Rivalled, Source, TaskBatch
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.learner import NUMBERS, LossError
from meta_learners.networks.embedding import seeded
from meta_learners.predictions import Numbers, Prediction
from meta_learners.registry import make_family

FAMILY: dict[str, Any] = {}  # settings of the tasks, besides their examples: as they are
SHOTS, TRAINED_ON, TASKS = (1, 10, 50), 10, 16  # steps told in the test and in training; tasks of a meta-step
SPLIT = "test"
UNSEEN = 10**6  # begins the keys of the test's tasks
RIVALS = "rivals"
WIDTH, RATE, AT_ONCE = 128, 2e-3, 32  # of the pooled networks: units, Adam's first rate, tasks of a step
Predict = Callable[[TaskBatch, Key], Prediction]


def measure(kept: Kept, curriculum: Curriculum, budget: Mapping[str, Any], again: Sequence[str]) -> None:
    """Train and test every learner that is not there yet, and those to be measured again."""
    kept.begin({"curriculum": curriculum.document["sha256"], **budget, "shots": list(SHOTS)})
    source = Source(curriculum)
    blind, told = (_family(source, TRAINED_ON, told=each) for each in (False, True))
    batches, full = (
        [_family(source, shots, told=each).draw(budget["tasks"], SPLIT, (UNSEEN, Stream.TASKS)) for shots in SHOTS]
        for each in (False, True)
    )
    pooled = {"blind network": (blind, batches), "told network": (told, full)}
    assert isinstance(blind, Rivalled)
    linear = list(blind.rivals(batches[0]))
    for name in again or [*linear, *pooled, *names(NUMBERS)]:
        if kept.has(name) and name not in again:
            continue
        if name in linear:
            kept.keep(name, {"room": RIVALS, "errors": [error_of(blind.rivals(each)[name], each) for each in batches]})
        elif name in pooled:
            family, tests = pooled[name]
            network, steps = _pooled(family, budget)
            found = [error_of(Numbers.of(network(each.query.inputs)), each) for each in tests]
            kept.keep(name, {"room": RIVALS, "steps": steps, "errors": found})
        else:
            kept.keep(name, {"room": room_of(name), **_learner(name, blind, batches, budget)})


def _family(source: Source, shots: int, *, told: bool) -> EpisodeFamily:
    return make_family("dynamics", {**FAMILY, "shots": shots, "told": told}, source)


def _learner(
    name: str, family: EpisodeFamily, batches: Sequence[TaskBatch], budget: Mapping[str, Any]
) -> dict[str, Any]:
    try:
        learner, steps = trained(name, family, {}, seconds=budget["seconds"], tasks=TASKS, seed=budget["seed"])
    except (ValueError, LossError) as error:
        return {"cannot": str(error)}
    errors = [error_of(learner.predict(each, (UNSEEN,)), each) for each in batches]
    return {"meta_steps": steps, "errors": errors}


def _pooled(family: EpisodeFamily, budget: Mapping[str, Any]) -> tuple[nn.Module, int]:
    """Train a network on all steps of training bodies, whosever they are: it, and how many steps it took."""
    (size,), seed = family.input_shape, budget["seed"]
    with seeded(torch_generator((seed, Stream.PARAMETERS))):
        network = nn.Sequential(
            nn.Linear(size, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, family.target_size)
        )
    adam = torch.optim.Adam(network.parameters(), RATE)
    started, number, spent = time.process_time(), 0, 0.0
    while spent < budget["seconds"]:
        adam.param_groups[0]["lr"] = RATE * (1 - spent / budget["seconds"])
        batch = family.draw(AT_ONCE, family.splits[0], (seed, number, Stream.BATCHES))
        adam.zero_grad()
        _misses(network, batch).backward()
        adam.step()
        number, spent = number + 1, time.process_time() - started
    return network.requires_grad_(False), number


def _misses(network: nn.Module, batch: TaskBatch) -> Tensor:
    halves = [(network(each.inputs) - each.targets).square().flatten() for each in (batch.support, batch.query)]
    return torch.cat(halves).mean()
