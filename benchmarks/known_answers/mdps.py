"""RL² on random tabular MDPs: 10 states, 5 actions, 10 episodes of 10 steps, beside the published figures.

Mean total rewards of Duan et al. 2016 (arXiv:1611.02779, table 2): random 100.1, PSRL 138.1, OPSRL 144.1,
UCRL2 and BEB below or at 150.2, RL² 156.2. Who knows the task gets 218.6.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.known_answers.answer import Answer
from benchmarks.known_answers.trials import SMALL_WORLDS, Effort, learn, trial_returns
from meta_learners.keys import Stream, numpy_generator
from meta_learners.mdps import TabularMDPs
from meta_learners.rl2 import RL2

EPISODES = 10
RANDOM, BEST_RULE, ORACLE = 100.1, 150.2, 218.6
UNTAUGHT = 10**6  # seed of the test's trials: none of training's


def run(*, short: bool, seed: int, device: str) -> list[Answer]:
    """Learn, then measure on tasks not seen before."""
    family = TabularMDPs()
    effort = Effort(iterations=30 if short else 1200, trials=128 if short else 300, tested=4000)
    settings = replace(
        SMALL_WORLDS,
        episodes=EPISODES,
        memory=EPISODES * family.episode_limit,
        hidden=32 if short else 128,
        reward_scale=0.3,
        decay=effort.iterations,
    )
    untrained = RL2(family, settings, seed=seed, device=device)
    learner = learn(family, settings, effort, seed, device)
    first, last = (
        float(trial_returns(family, each.actor(), EPISODES, effort.tested, (UNTAUGHT + seed,)).mean())
        for each in (untrained, learner)
    )
    tasks = family.sample_tasks(effort.tested, numpy_generator((UNTAUGHT + seed, Stream.TASKS)))
    oracle = EPISODES * float(np.mean([task.best_return(family.episode_limit) for task in tasks]))
    return [
        Answer("mdps: random actions, reward of 10 episodes", first, RANDOM, "equal"),
        Answer("mdps: who knows the task, reward of 10 episodes", oracle, ORACLE, "equal"),
        Answer("mdps: RL², reward of 10 episodes (BEB 150.2, RL² 156.2)", last, BEST_RULE, "higher"),
    ]
