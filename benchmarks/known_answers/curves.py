"""Curves of a Gaussian process whose kernel is drawn, too: neural processes beside exact inference.

Log likelihood of the targets, a point. The figures of exact inference bound what can be learned: 1.527 who knows the
kernel, 1.478 who must infer it, and .965 with the deviations of .1 at least that the papers' networks have.
"""

from __future__ import annotations

import torch

from benchmarks.known_answers.answer import Answer
from benchmarks.known_answers.learning import UNTAUGHT, measured, taught
from meta_learners.keys import Stream
from meta_learners.registry import make_family

STEPS, SHORT_STEPS = 8000, 150
TASKS = 32  # of a meta-step
INFERRED, BOUND = 1.478, 0.965
# By name: what was measured earlier after 8,000 meta-steps, or what the papers report after far more.
BESIDE = {"cnp": 0.45, "np": 0.42, "anp": 0.8}
PAPERS = "Lee et al. 2020, arXiv:2008.02956, after 100,000 steps"


def run(*, short: bool, seed: int, device: str) -> list[Answer]:
    """Train each, and measure on curves never seen."""
    family = make_family("curves", {"queries": 20})
    chance = marginal(family.draw(2000, "test", (UNTAUGHT, Stream.TASKS)).query.targets)
    answers: list[Answer] = []
    for name in ("cnp",) if short else ("cnp", "np", "anp"):
        steps = SHORT_STEPS if short else STEPS
        learner = taught(name, family, {}, steps=steps, tasks=TASKS, seed=seed, device=device)
        found = measured(learner, family, "log_loss", tasks=400)
        if not answers:
            exact = -found["exact process"]
            answers += [
                Answer("curves: exact process that infers the kernel", exact, INFERRED, "equal", 0.1, "", "computed")
            ]
        answers += [
            Answer(f"curves: {name}, log likelihood (one normal distribution)", -found[name], chance, "higher"),
            Answer(f"curves: {name}, log likelihood", -found[name], BESIDE[name], "beside", 0, PAPERS, "remembered"),
        ]
    return answers


def marginal(values: torch.Tensor) -> float:
    """Give the mean log density that one normal distribution, fitted to all values, gives them."""
    spread = float(values.std())
    return -0.5 * float(torch.log(torch.tensor(2 * torch.pi * spread**2))) - 0.5
