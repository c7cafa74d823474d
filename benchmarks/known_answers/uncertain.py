"""How well Bayesian learners know what they do not know: error, log loss, and coverage of 90 % intervals.

First lines, told by a network without hidden layers from 5 points of noise .3: Bayesian linear regression is exact
there, and is beside. Learners begin with another noise and other spreads than the true ones, and what they tell before
any meta-step is beside, too: an aim is below that, and near the exact. In full, sinusoids with the same noise as well
(Finn, Xu and Levine 2018, arXiv:1806.02817, show pictures alone), beside MAML; a mixture that is shown lines and
sinusoids, and has to find that there are two kinds; and sets of numbers, beside a normal distribution of the support's
mean and deviation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.known_answers.answer import Answer
from benchmarks.known_answers.learning import UNTAUGHT, mean_of, measured, taught
from meta_learners.episodes import EpisodeFamily, TaskBatch
from meta_learners.few_shot.rivals import chance
from meta_learners.keys import Stream
from meta_learners.predictions import Numbers, Prediction, judge
from meta_learners.problems.sinusoids import COEFFICIENTS
from meta_learners.registry import make_family

NOISE, TASKS, TESTED = 0.3, 10, 400
STEPS, LINE_STEPS, KIND_STEPS, SET_STEPS, SHORT_STEPS = 500, 300, 2000, 1000, 40
LEARNERS = ("llama", "platipus", "abml", "bmaml")
FIGURES = ("error", "log_loss", "coverage")
TIMES, NATS, WITHIN = 2.0, 0.25, 0.05  # what the error, log loss and coverage of lines may be off the exact
FIRST_NOISE = 1.0  # over three times the true
LINES: dict[str, Any] = {"lines": 1.0, "noise": NOISE}
SINUSOIDS: dict[str, Any] = {"step_size": 3e-3}
# No hidden layer: what is learned is a slope, a height, and how sure they are. Five points may lie together, so that it
# takes many inner steps to come from the start to a task's own line, and they must not be bounded: a learner that stops
# on the way takes its start for what a task is.
WHOLE: dict[str, Any] = {"hidden": [], "inner_rate": 0.03, "inner_norm": 1e6, "step_size": 0.01, "noise": FIRST_NOISE}
LINEAR: dict[str, dict[str, Any]] = {
    "llama": {**WHOLE, "inner_steps": 100},
    "platipus": {**WHOLE, "inner_steps": 25},
    # A prior of deviation .05 bends more than such steps can bear; the true one is 1.7.
    "abml": {**WHOLE, "inner_steps": 50, "spread": 0.3},
    "bmaml": {"hidden": [], "inner_rate": 0.05, "inner_steps": 100, "step_size": 0.01, "noise": FIRST_NOISE},
}


def regression(batch: TaskBatch) -> Numbers:
    """Predict lines by exact Bayesian regression, the prior normal with the variance of the true, even one."""
    spread = (COEFFICIENTS[1] - COEFFICIENTS[0]) ** 2 / 12

    def design(inputs: Tensor) -> Tensor:
        return torch.cat([inputs, torch.ones_like(inputs)], -1).double()

    x, y, asked = design(batch.support.inputs), batch.support.targets.double(), design(batch.query.inputs)
    covariance = torch.linalg.inv(x.transpose(1, 2) @ x / NOISE**2 + torch.eye(2).double() / spread)
    mean = asked @ covariance @ x.transpose(1, 2) @ y / NOISE**2
    variance = ((asked @ covariance) * asked).sum(-1, keepdim=True) + NOISE**2
    return Numbers.of(mean.float(), variance.sqrt().float())


def run(*, short: bool, seed: int, device: str) -> list[Answer]:
    """Train each, and measure."""
    if short:
        told = _exact(seed, device)
        return told + [
            each for name in LEARNERS[:2] for each in _line_answers(name, SHORT_STEPS, seed, device, aims=False)
        ]
    return [each for part in PARTS.values() for each in part(seed, device)]


def _lines(name: str, seed: int, device: str) -> list[Answer]:
    return _line_answers(name, LINE_STEPS, seed, device, aims=True)


def _exact(seed: int, device: str) -> list[Answer]:
    """The ruler first."""
    batch = make_family("sinusoids", LINES).draw(TESTED, "test", (UNTAUGHT, Stream.TASKS))
    covered = _figures(regression(batch), batch)["coverage"]
    return [Answer("lines: exact regression, coverage", covered, 0.9, "equal", 0.02, "", "computed")]


def _line_answers(name: str, steps: int, seed: int, device: str, *, aims: bool) -> list[Answer]:
    """Measure one learner; without aims at what is exact, at the untrained learner alone."""
    family = make_family("sinusoids", LINES)
    batch = family.draw(TESTED, "test", (UNTAUGHT, Stream.TASKS))
    exact, of = _figures(regression(batch), batch), f"lines: {name}"
    before, after = (_told(name, family, LINEAR[name], number, seed, device) for number in (0, steps))
    if not aims:
        aim = before["log_loss"]
        return [Answer(f"{of}, log loss (untrained)", after["log_loss"], aim, "lower", 0, "", "computed")]
    error = min(TIMES * exact["error"], before["error"])
    log_loss = min(exact["log_loss"] + NATS, before["log_loss"])
    return [
        Answer(f"{of}, error (twice the exact, or the untrained)", after["error"], error, "lower", 0, "", "computed"),
        Answer(
            f"{of}, log loss (the exact and {NATS:g}, or untrained)",
            after["log_loss"],
            log_loss,
            "lower",
            0,
            "",
            "computed",
        ),
        Answer(f"{of}, coverage", after["coverage"], 0.9, "equal", WITHIN, "", "computed"),
        *_beside(of, after, before),
    ]


def _beside(of: str, after: Mapping[str, float], before: Mapping[str, float]) -> list[Answer]:
    """Set the untrained learner's figures beside the trained one's."""
    return [
        Answer(f"{of}, {each} (untrained)", after[each], before[each], "beside", 0, "", "computed") for each in FIGURES
    ]


def _told(
    name: str, family: EpisodeFamily, settings: Mapping[str, Any], steps: int, seed: int, device: str
) -> dict[str, float]:
    """Train a learner, and measure it on the test's tasks."""
    learner = taught(name, family, settings, steps=steps, tasks=TASKS, seed=seed, device=device)
    batch = family.draw(TESTED, "test", (UNTAUGHT, Stream.TASKS))
    return _figures(learner.predict(batch, (UNTAUGHT,)), batch)


def _figures(told: Prediction, batch: TaskBatch) -> dict[str, float]:
    found = judge(told, batch.query.targets, batch.query.present)
    return {each: float(found[each].mean()) for each in FIGURES}


def _blind(seed: int, device: str) -> list[Answer]:
    family = make_family("sinusoids", {"noise": NOISE})
    maml = taught("maml", family, SINUSOIDS, steps=STEPS, tasks=TASKS, seed=seed, device=device)
    error = measured(maml, family, "error", tasks=TESTED)
    return [
        Answer("noisy sinusoids: maml, error", error["maml"], error["mean of all tasks"], "lower", 0, "", "computed")
    ]


def _sinusoids(name: str, seed: int, device: str) -> list[Answer]:
    family, of = make_family("sinusoids", {"noise": NOISE}), f"noisy sinusoids: {name}"
    batch = family.draw(TESTED, "test", (UNTAUGHT, Stream.TASKS))
    settings = {**SINUSOIDS, "noise": FIRST_NOISE}
    before, after = (_told(name, family, settings, steps, seed, device) for steps in (0, STEPS))
    rival = mean_of(family.rivals(batch)["mean of all tasks"], batch.query, "error")
    blind = min(rival, before["error"])
    density = 0.5 * math.log(2 * math.pi * math.e * NOISE**2)  # of who knows each sinusoid
    return [
        Answer(f"{of}, error (the mean of all tasks, or untrained)", after["error"], blind, "lower", 0, "", "computed"),
        Answer(f"{of}, log loss", after["log_loss"], density, "beside", 0, "", "computed"),
        Answer(f"{of}, coverage", after["coverage"], 0.9, "equal", WITHIN, "", "computed"),
        *_beside(of, after, before),
    ]


def _kinds(seed: int, device: str) -> list[Answer]:
    """Lines and sinusoids: the share of tasks on which the start that mostly takes one kind takes it."""
    both = make_family("sinusoids", {"lines": 0.5, "noise": NOISE, "shots": 10})
    learner: Any = taught("mixture", both, SINUSOIDS, steps=KIND_STEPS, tasks=TASKS, seed=seed, device=device)
    shares = []
    for lines in (0.0, 1.0):
        family = make_family("sinusoids", {"lines": lines, "noise": NOISE, "shots": 10})
        batch = family.draw(TESTED, "test", (UNTAUGHT, Stream.TASKS))
        shares.append(learner.system.shares(learner.meta, batch).mean(1))
    joined = int((learner.meta["kept.counts"] > 0).sum())
    apart = 0.5 * (shares[0] - shares[1]).abs().sum()
    paper = "Jerfel et al. 2019, arXiv:1812.06080: a start for each kind"
    return [
        Answer("lines and sinusoids: mixture, starts that joined", joined, 2, "equal", 0.5, paper, "second-hand"),
        Answer("lines and sinusoids: mixture, how far apart their tasks are", float(apart), 0.8, "higher", 0, "", ""),
    ]


def _sets(seed: int, device: str) -> list[Answer]:
    family = make_family("sets", {"shots": 50, "queries": 20})
    learner = taught("neural-statistician", family, {}, steps=SET_STEPS, tasks=16, seed=seed, device=device)
    batch = family.draw(TESTED, "test", (UNTAUGHT, Stream.TASKS))
    by = {"neural-statistician": learner.predict(batch, (UNTAUGHT,)), "normal": chance(batch)}
    found = {name: judge(each, batch.query.targets, batch.query.present) for name, each in by.items()}
    own, normal = (float(each["log_loss"].mean()) for each in found.values())
    covered = float(found["neural-statistician"]["coverage"].mean())
    return [
        Answer("sets: neural-statistician, log loss (a normal distribution)", own, normal, "lower", 0, "", "computed"),
        Answer("sets: neural-statistician, coverage", covered, 0.9, "equal", 0.05, "", "computed"),
    ]


PARTS: dict[str, Callable[[int, str], list[Answer]]] = {
    "lines-exact": _exact,
    **{f"lines-{name}": partial(_lines, name) for name in LEARNERS},
    "sinusoids-maml": _blind,
    **{f"sinusoids-{name}": partial(_sinusoids, name) for name in LEARNERS},
    "kinds": _kinds,
    "sets": _sets,
}
