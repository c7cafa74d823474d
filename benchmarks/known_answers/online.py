"""Following the meta-leader on quadratics, whose expected regret is known exactly (Finn et al. 2019, arXiv:1902.08438).

Round t costs |w - c_t|²/2 after one step of rate a from w; c_t are independent and normal. Who follows the leader
exactly regrets (1 - a)²/2 times dimensions, variance, and 1 + H of the rounds before.
"""

from __future__ import annotations

import torch

from benchmarks.known_answers.answer import Answer
from meta_learners.episodes import Examples, TaskBatch
from meta_learners.gradient.online import FollowTheMetaLeader, OnlineSettings, regret_of_quadratics
from meta_learners.keys import Stream, torch_generator

DIMENSIONS, RATE = 400, 0.4
ROUNDS, SHORT_ROUNDS = 40, 10


def run(*, short: bool, seed: int, device: str) -> list[Answer]:
    """Play the rounds, and compare with the best start in hindsight."""
    rounds = SHORT_ROUNDS if short else ROUNDS
    centres = torch.randn(rounds, DIMENSIONS, generator=torch_generator((seed, Stream.TASKS)))
    # What a network without hidden layers tells of the input 0 is its bias, w; a mean of squares is 2 / d of the cost.
    settings = OnlineSettings(hidden=(), inner_rate=RATE * DIMENSIONS / 2, step_size=0.03, updates=100, sampled=0)
    learner = FollowTheMetaLeader((1,), DIMENSIONS, None, settings, seed=seed, device=device)
    costs = []
    for number, centre in enumerate(centres):
        half = Examples(torch.zeros(1, 1, 1), centre[None, None])
        costs.append(learner.meta_step(TaskBatch(half, half), (seed, number))["error"])
    hindsight = (1 - RATE) ** 2 * float((centres - centres.mean(0)).square().mean(1).sum())
    regret = (sum(costs) - hindsight) / 2  # a dimension
    exact = regret_of_quadratics(rounds, RATE, 1.0, 1)
    name = f"online: ftml, regret of {rounds} rounds of quadratics, a dimension"
    return [Answer(name, regret, exact, "equal", 0.1 * exact, "", "computed")]
