"""Curves of a Gaussian process whose kernel is drawn, too: neural processes beside exact inference.

Log likelihood of the targets, a point. The figures of exact inference bound what can be learned: 1.527 who knows the
kernel, 1.478 who must infer it, and .965 with the deviations of .1 at least that the papers' networks have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch

from benchmarks.known_answers.answer import Answer
from benchmarks.known_answers.learning import UNTAUGHT, measured, taught
from meta_learners.episodes import TaskBatch
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.problems.curves import Curves, CurveSettings
from meta_learners.registry import make_family

# Meta-steps, and curves in each: two thirds of the papers' budget for the one whose step is cheap, a fifth or less for
# those whose step is not. That is 34, 8 and 50 minutes of a core.
BUDGETS = {"cnp": (100_000, 64), "np": (30_000, 16), "anp": (120_000, 16)}
SHORT = (150, 16)
# Tasks of the test: means of 400 differ by some hundredths, so learners are tested on more; the exact process is slow.
TESTED, TESTED_EXACTLY = 4000, 400
LEAST, MOST, POINTS = 3, 46, 49  # points of context, and of both; of targets there are 3 at least
INFERRED, BOUND = 1.478, 0.965
# By name, as the papers report after 100,000 meta-steps of 100 curves.
BESIDE = {"cnp": 0.45, "np": 0.42, "anp": 0.8}
PAPERS = "Lee et al. 2020, arXiv:2008.02956, after 100,000 steps"


def settings(name: str, steps: int) -> dict[str, float]:
    """Give a process its settings, for so many meta-steps."""
    if name == "cnp":
        # Waves of the place, beside it: the mean tells curves apart sooner.
        return {"step_size": 1e-3, "halve_after": steps // 5, "waves": 4}
    # The papers' own schedule.
    paced: dict[str, float] = {"step_size": 1e-3, "halve_after": 0, "anneal_over": steps}
    if name == "np":
        # The slowest wave goes once over the range of places, not twice.
        return {**paced, "waves": 8, "period": 4.0, "beside": True}
    return {**paced, "units": 64, "heads": 4, "waves": 4, "blocks": 2, "context_blocks": 2}


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
    if short:
        return of("cnp", seed, device, short=True)
    return [answer for part in PARTS.values() for answer in part(seed, device)]


def of(name: str, seed: int, device: str, *, short: bool = False) -> list[Answer]:
    """Train one, beside the exact process."""
    steps, tasks = SHORT if short else BUDGETS[name]
    learner = taught(name, Together(), settings(name, steps), steps=steps, tasks=tasks, seed=seed, device=device)
    family = make_family("curves", {"queries": 20})
    chance = marginal(family.draw(2000, "test", (UNTAUGHT, Stream.TASKS)).query.targets)
    found = measured(learner, family, "log_loss", tasks=TESTED_EXACTLY)
    if not short:
        found |= measured(learner, family, "log_loss", tasks=TESTED, rivals=False)
    inferred = Answer(
        "curves: exact process that infers the kernel", -found["exact process"], INFERRED, "equal", 0.1, "", "computed"
    )
    told = f"curves: {name}, log likelihood"
    if short:
        reached = Answer(f"{told} ({PAPERS})", -found[name], BESIDE[name], "beside", 0, "", "remembered")
    else:
        reached = Answer(told, -found[name], BESIDE[name], "higher", 0, PAPERS, "remembered")
    return [
        inferred,
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


PARTS: Mapping[str, Callable[[int, str], list[Answer]]] = {name: partial(of, name) for name in BUDGETS}


def marginal(values: torch.Tensor) -> float:
    """Give the mean log density that one normal distribution, fitted to all values, gives them."""
    spread = float(values.std())
    return -0.5 * float(torch.log(torch.tensor(2 * torch.pi * spread**2))) - 0.5
