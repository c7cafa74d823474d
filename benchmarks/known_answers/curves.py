"""Curves of a Gaussian process whose kernel is drawn, too: neural processes beside exact inference.

Log likelihood of the targets, a point. The figures of exact inference bound what can be learned: 1.527 who knows the
kernel, 1.478 who must infer it, and .965 with the deviations of .1 at least that the papers' networks have.
"""

from __future__ import annotations

import torch

from benchmarks.known_answers.answer import Answer
from benchmarks.known_answers.learning import UNTAUGHT, measured, taught
from meta_learners.episodes import TaskBatch
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.problems.curves import Curves, CurveSettings
from meta_learners.registry import make_family

# Meta-steps of a quarter of an hour of a core in all; the papers' learners took 100,000 of 100 curves.
STEPS, SHORT_STEPS = {"cnp": 20_000, "np": 6_000, "anp": 7_000}, 150
TASKS = 16  # of a meta-step
LEAST, MOST, POINTS = 3, 46, 49  # points of context, and of both; of targets there are 3 at least
INFERRED, BOUND = 1.478, 0.965
# By name: what was measured earlier after 8,000 meta-steps, or what the papers report after far more.
BESIDE = {"cnp": 0.45, "np": 0.42, "anp": 0.8}
PAPERS = "Lee et al. 2020, arXiv:2008.02956, after 100,000 steps"


class Together:
    """The family, with as many points in every task of a batch, as in the protocol: none is made up and masked."""

    name, splits, input_shape, ways, target_size = Curves.name, Curves.splits, (1,), None, 1

    def draw(self, count: int, split: str, key: Key) -> TaskBatch:
        """Draw tasks."""
        generator = torch_generator((*key, Stream.CHOICES))
        shots = int(torch.randint(LEAST, MOST + 1, (), generator=generator))
        queries = int(torch.randint(3, max(POINTS - shots, 3) + 1, (), generator=generator))
        return Curves(CurveSettings(shots=shots, queries=queries)).draw(count, split, key)


def run(*, short: bool, seed: int, device: str) -> list[Answer]:
    """Train each, and measure on curves never seen."""
    answers: list[Answer] = []
    for name in ("cnp",) if short else tuple(STEPS):
        answers += of(name, SHORT_STEPS if short else STEPS[name], seed, device, exact=not answers)
    return answers


def of(name: str, steps: int, seed: int, device: str, *, exact: bool) -> list[Answer]:
    """Train one; beside the exact process, if that is asked for."""
    settings = {"step_size": 1e-3, "halve_after": max(steps // 5, 1)}
    learner = taught(name, Together(), settings, steps=steps, tasks=TASKS, seed=seed, device=device)
    family = make_family("curves", {"queries": 20})
    chance = marginal(family.draw(2000, "test", (UNTAUGHT, Stream.TASKS)).query.targets)
    found = measured(learner, family, "log_loss", tasks=400)
    inferred = Answer(
        "curves: exact process that infers the kernel", -found["exact process"], INFERRED, "equal", 0.1, "", "computed"
    )
    told = f"curves: {name}, log likelihood"
    if short := steps <= SHORT_STEPS:
        reached = Answer(f"{told} ({PAPERS})", -found[name], BESIDE[name], "beside", 0, "", "remembered")
    else:
        reached = Answer(told, -found[name], BESIDE[name], "higher", 0, PAPERS, "remembered")
    return [
        *([inferred] if exact else []),
        reached,
        Answer(f"{told} (one normal distribution)", -found[name], chance, "higher", 0, "", "computed"),
        *(
            []
            if short
            else [
                Answer(f"{told} (most that deviations of .1 allow)", -found[name], BOUND, "beside", 0, "", "computed")
            ]
        ),
    ]


def marginal(values: torch.Tensor) -> float:
    """Give the mean log density that one normal distribution, fitted to all values, gives them."""
    spread = float(values.std())
    return -0.5 * float(torch.log(torch.tensor(2 * torch.pi * spread**2))) - 0.5
