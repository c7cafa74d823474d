"""RL² on Bernoulli bandits, 5 arms and 10 pulls, beside the exact Bayes optimum.

`tests/benchmarks/test_known_answers.py` computes the optimum by dynamic programming over posteriors.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.known_answers.answer import Answer, Certainty
from benchmarks.known_answers.trials import SMALL_WORLDS, Effort, learn, trial_returns
from meta_learners.black_box.rl2 import RL2
from meta_learners.families.bandits import BernoulliBandits

ARMS, PULLS = 5, 10
OPTIMUM = 6.6600
NEAR = 0.98  # of the optimum
THOMPSON = 5.7  # Thompson sampling, as published with RL²: what the short form aims at
PAPER = "Duan et al. 2016, arXiv:1611.02779"
UNTAUGHT = 10**6  # seed of the test's trials: none of training's


def run(*, short: bool, seed: int, device: str) -> list[Answer]:
    """Learn, then measure on 20,000 trials: a standard error of 0.015."""
    family = BernoulliBandits(ARMS, PULLS)
    effort = Effort(iterations=60 if short else 400, trials=512 if short else 1024, tested=20_000)
    settings = replace(
        SMALL_WORLDS, episodes=1, memory=PULLS, step_size=3e-3 if short else 1e-3, decay=effort.iterations
    )
    untrained = RL2(family, settings, seed=seed, device=device)
    learner = learn(family, settings, effort, seed, device)
    first, last = (
        float(trial_returns(family, each, 1, effort.tested, (UNTAUGHT + seed,)).mean()) for each in (untrained, learner)
    )
    aim, target = ("Thompson sampling", THOMPSON) if short else ("98% of Bayes", NEAR * OPTIMUM)
    source: tuple[str, Certainty] = (PAPER, "remembered") if short else ("", "computed")
    return [
        Answer("bandits: random pulls, mean reward of 10 pulls", first, PULLS / 2, "equal", 0.05, "", "computed"),
        Answer(f"bandits: rl2, mean reward of 10 pulls ({aim})", last, target, "higher", 0, *source),
    ]
