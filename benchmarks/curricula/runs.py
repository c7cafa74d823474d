"""One run: a learner trained on a curriculum by a budget of steps, then tested for how fast it adapts."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from environments.domain import Environment
from meta_learners.black_box.ppo import PPOSettings
from meta_learners.black_box.rl2 import RL2Settings
from meta_learners.experience.sampling import Sampler
from meta_learners.families.environments import EnvironmentFamily
from meta_learners.gradient.policy_learner import PolicySettings
from meta_learners.keys import Stream, numpy_generator
from meta_learners.learner import Learner
from meta_learners.registry import make_learner
from meta_learners.training.evaluation import Protocol, adaptation_curve

TASKS, COPIES = 16, 2  # of a meta-step
OPEN = 0.7  # of the budget by which a staged curriculum's last task is open
TESTED = 10**6  # added to seeds: the test's chances are none of training's


def settings_of(learner: str, episode_limit: int) -> Any:
    """Give what a learner is run with here; the same for every curriculum.

    Chosen among a few by what learned to walk soonest on a POET run's first tasks.
    """
    if learner == "rl2":
        return RL2Settings(
            hidden=32,
            memory=2 * episode_limit,
            reflex=64,
            critic_memory=False,
            window=50,
            minibatches=16,
            step_size=1e-3,
        )
    if learner == "ppo":
        return PPOSettings(steps=episode_limit, run_on=False)
    of_ppo = {"epochs": 10, "meta_rate": 2e-3} if learner == "promp" else {}
    return PolicySettings(deviation=0.6, trace=0.95, steps=episode_limit, inner_rate=0.05, **of_ppo)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What is trained, and for how long."""

    learner: str
    curriculum: str
    seed: int
    steps: int  # environment steps; 0 leaves the learner as it is made
    episode_limit: int
    made_of: str  # see `fingerprint`

    @property
    def name(self) -> str:
        return f"{self.learner}-{self.curriculum}-{self.seed}"


def fingerprint(
    learner: str,
    tasks: Sequence[Environment],
    grounds: Mapping[str, Sequence[Environment]],
    protocol: Protocol,
    episode_limit: int,
) -> str:
    """Hash all else that decides on a run's result, so that a kept one is not taken for another."""
    parts = {
        "settings": asdict(settings_of(learner, episode_limit)),
        "tasks": [task.id for task in tasks],
        "grounds": {name: [task.id for task in each] for name, each in grounds.items()},
        "protocol": asdict(protocol),
        "meta_step": [TASKS, COPIES, OPEN],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def train(run: Run, tasks: Sequence[Environment], staged: bool) -> tuple[Learner, list[dict[str, float]]]:
    """Train until the budget is spent; gives the learner, and its metrics by steps."""
    family = EnvironmentFamily("walker2d", {"train": tasks}, episode_limit=run.episode_limit)
    learner = make_learner(
        run.learner, family, settings_of(run.learner, run.episode_limit), seed=run.seed, device="cpu"
    )
    sampler = Sampler(family, TASKS, COPIES)
    rows = []
    iteration = 0
    while sampler.steps < run.steps:
        share = min((sampler.steps / run.steps) / OPEN, 1.0) if staged else 1.0
        opened = tasks[: max(math.ceil(share * len(tasks)), 1)]
        drawn = EnvironmentFamily("walker2d", {"train": opened}).sample_tasks(
            TASKS, numpy_generator((run.seed, iteration, Stream.TASKS))
        )
        metrics = learner.meta_step(sampler, drawn, (run.seed, iteration))
        rows.append({"steps": sampler.steps, "return": metrics["return_before"]})
        iteration += 1
    sampler.close()
    return learner, rows


def test(
    learner: Learner, grounds: Mapping[str, Sequence[Environment]], protocol: Protocol, run: Run
) -> dict[str, list[list[float]]]:
    """Measure the returns on every ground, a row a task, a column a number of adaptation episodes."""
    tasks = [task for each in grounds.values() for task in each]  # together: steps of many worlds cost least
    family = EnvironmentFamily("walker2d", {"test": tasks}, episode_limit=run.episode_limit)
    found = adaptation_curve(learner, family, tasks, protocol, (TESTED + run.seed,))["stochastic"].round(3)
    ends = np.cumsum([len(each) for each in grounds.values()])
    return {name: rows.tolist() for name, rows in zip(grounds, np.split(found, ends[:-1]), strict=True)}
