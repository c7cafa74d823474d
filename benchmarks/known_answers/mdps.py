"""RL² on random tabular MDPs: 10 states, 5 actions, 10 episodes of 10 steps, beside the published figures.

Mean total rewards of Duan et al. 2016 (arXiv:1611.02779, table 2): random 100.1, PSRL 138.1, OPSRL 144.1,
UCRL2 and BEB below or at 150.2, RL² 156.2. Who knows the task gets 218.6.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.known_answers.answer import Answer
from benchmarks.known_answers.trials import SMALL_WORLDS, Effort, learn, trial_returns
from meta_learners.black_box.rl2 import RL2
from meta_learners.families.mdps import TabularMDPs
from meta_learners.keys import Stream, numpy_generator

EPISODES = 10
RANDOM, BEST_RULE, ORACLE = 100.1, 150.2, 218.6
SHORT_AIM = RANDOM + 8  # after the seconds' learning of the short form
PAPER = "Duan et al. 2016, arXiv:1611.02779"
UNTAUGHT = 10**6  # seed of the test's trials: none of training's
# Acting greedily by the means of the exact posterior brings 159, so a short horizon, whose advantages are less noisy,
# gives away little.
SETTINGS = replace(
    SMALL_WORLDS,
    episodes=EPISODES,
    memory=300,  # three trials: a memory of one forgets half of its first episodes by the last
    hidden=128,
    products=True,
    hypernetwork=True,
    discount=0.5,
    epochs=2,
    reward_scale=0.3,
    step_size=5e-3,
)


def run(*, short: bool, seed: int, device: str) -> list[Answer]:
    """Learn, then measure on tasks not seen before."""
    family = TabularMDPs()
    effort = Effort(iterations=12 if short else 160, trials=300 if short else 400, tested=4000)
    settings = replace(SETTINGS, decay=effort.iterations)
    untrained = RL2(family, settings, seed=seed, device=device)
    learner = learn(family, settings, effort, seed, device)
    first, last = (
        float(trial_returns(family, each, EPISODES, effort.tested, (UNTAUGHT + seed,)).mean())
        for each in (untrained, learner)
    )
    tasks = family.sample_tasks(effort.tested, numpy_generator((UNTAUGHT + seed, Stream.TASKS)))
    oracle = EPISODES * float(np.mean([task.best_return(family.episode_limit) for task in tasks]))
    aim, target = ("better than random", SHORT_AIM) if short else ("BEB 150.2, RL² 156.2", BEST_RULE)
    return [
        Answer("mdps: random actions, reward of 10 episodes", first, RANDOM, "equal", 1.5, PAPER, "second-hand"),
        Answer("mdps: who knows the task, reward of 10 episodes", oracle, ORACLE, "equal", 1.5, PAPER, "second-hand"),
        Answer(f"mdps: rl2, reward of 10 episodes ({aim})", last, target, "higher", 0, PAPER, "second-hand"),
    ]
