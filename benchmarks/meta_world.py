"""RL² on Meta-World's ML10: share of episodes of unknown environments in which the task is done.

    pip install metaworld packaging
    python -m benchmarks.meta_world [--steps 100000] [--into benchmarks/results/known_answers/meta_world.json]

A trial is two episodes of 500 steps. An episode is a success where the task was done at any step of it. The first
weights, whose actions are nearly noise, are measured beside.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.known_answers.answer import Answer
from meta_learners.experience.sampling import Sampler
from meta_learners.families.family import Step, Worlds
from meta_learners.families.gymnasium_family import GymnasiumFamily
from meta_learners.families.meta_world import meta_world
from meta_learners.keys import Stream, numpy_generator
from meta_learners.learner import Learner
from meta_learners.registry import make_learner

EPISODES, TASKS = 2, 10  # of a trial, of a meta-step
TESTED = {"train": 20, "test": 20}  # tasks
UNTAUGHT = 10**6  # seed of the test's tasks and actions
SETTINGS = {"episodes": EPISODES, "steps": 250, "window": 50}


class Watched:
    """Worlds that note which episodes succeed."""

    def __init__(self, worlds: Worlds[Any]) -> None:
        self.num_envs, self._worlds = worlds.num_envs, worlds
        self.set_tasks, self.reset, self.close = worlds.set_tasks, worlds.reset, worlds.close
        self.rows: list[NDArray[np.bool_]] = []  # of every step: who had done the task

    def step(self, actions: NDArray[Any]) -> Step:
        """Act."""
        found = self._worlds.step(actions)
        self.rows.append(np.asarray(found[4].get("success", np.zeros(self.num_envs))) > 0)
        return found


def tested(learner: Learner, family: GymnasiumFamily, split: str, seed: int) -> tuple[list[float], list[float]]:
    """Give the mean return and the share of successes of each episode of a trial on tasks of a split."""
    key = (UNTAUGHT + seed,)
    tasks = family.sample_tasks(TESTED[split], numpy_generator((*key, Stream.TASKS)), split)
    sampler = Sampler(family, len(tasks), 1)
    watched = sampler.worlds = Watched(sampler.worlds)
    rollout = sampler.play(tasks, learner.adapt(sampler, tasks, 0, key), key, episodes=EPISODES)
    sampler.close()
    done = np.array(watched.rows)
    episode = family.episode_limit + 1  # a step between episodes only begins the next
    shares = [float(done[at : at + episode - 1].any(0).mean()) for at in range(0, len(done), episode)]
    return rollout.episode_returns(EPISODES)[:, 0].mean(0).tolist(), shares


def measured(learner: Learner, family: GymnasiumFamily, seed: int) -> dict[str, float]:
    """Measure on both splits."""
    found = {}
    for split in TESTED:
        figures = zip(("mean return", "share of successes"), tested(learner, family, split, seed), strict=True)
        for what, values in figures:
            found |= {f"{split} environments, episode {place}, {what}": each for place, each in enumerate(values, 1)}
    return found


def learned(learner: Learner, family: GymnasiumFamily, steps: int, seed: int) -> None:
    """Learn for so many environment steps."""
    sampler, number = Sampler(family, TASKS, 1), 0
    while sampler.steps < steps:
        tasks: Sequence[Any] = family.sample_tasks(TASKS, numpy_generator((seed, number, Stream.TASKS)))
        metrics = learner.meta_step(sampler, tasks, (seed, number))
        number += 1
        if number % 10 == 0:
            told = {name: round(value, 2) for name, value in metrics.items()}
            print(f"{sampler.steps} steps, {time.process_time():.0f} s: {told}", file=sys.stderr, flush=True)
    sampler.close()


def main() -> None:
    """Measure, learn, measure again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100_000, help="environment steps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--into", type=Path, metavar="FILE", help="where to write the figures, as JSON")
    options = parser.parse_args()
    try:
        import metaworld  # noqa: PLC0415 - not installed with this project
    except ImportError as error:
        parser.error(f"Meta-World cannot be imported ({error}); pip install metaworld packaging")
    torch.set_num_threads(1)
    family = meta_world(metaworld.ML10(seed=options.seed), name="ml10")
    learner = make_learner("rl2", family, SETTINGS, seed=options.seed)
    before = measured(learner, family, options.seed)
    learned(learner, family, options.steps, options.seed)
    label = f"ML10: rl2 after {options.steps:,} steps"
    answers = [
        Answer(f"{label}, {what}", after, before[what], "beside", 0, "the same before it has learned", "computed")
        for what, after in measured(learner, family, options.seed).items()
    ]
    if options.into:
        figures = [{**asdict(each), "reached": each.reached} for each in answers]
        options.into.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print("\n".join(map(str, answers)))


if __name__ == "__main__":
    main()
