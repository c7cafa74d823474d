"""One run: a learner trained on a curriculum by a budget of steps, then tested for how fast it adapts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from environments.domain import Environment
from meta_learners.evaluation import Protocol, adaptation_curve
from meta_learners.keys import Stream, numpy_generator
from meta_learners.learner import Learner
from meta_learners.policy_learner import PolicySettings
from meta_learners.ppo import PPOSettings
from meta_learners.registry import make_learner
from meta_learners.rl2 import RL2Settings
from meta_learners.sampling import Sampler
from meta_learners.tasks import EnvironmentFamily

TASKS, COPIES = 16, 2  # of a meta-step
OPEN = 0.7  # of the budget by which a staged curriculum's last task is open
TESTED = 10**6  # added to seeds: the test's chances are none of training's

Ground = tuple[str, Sequence[Environment]]


def settings_of(learner: str, episode_limit: int) -> Any:
    """Give what a learner is run with here; the same for every curriculum."""
    if learner == "rl2":
        return RL2Settings(memory=2 * episode_limit)
    if learner == "ppo":
        return PPOSettings(steps=episode_limit)
    return PolicySettings(deviation=0.6, trace=0.95, steps=episode_limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What is trained, and for how long."""

    learner: str
    curriculum: str
    exported: str  # sha256 of the POET curriculum that all is compared on
    seed: int
    steps: int  # environment steps; 0 leaves the learner as it is made
    episode_limit: int

    @property
    def name(self) -> str:
        return f"{self.learner}-{self.curriculum}-{self.seed}"


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
    curves = {}
    for name, tasks in grounds.items():
        family = EnvironmentFamily("walker2d", {"test": tasks}, episode_limit=run.episode_limit)
        found = adaptation_curve(learner, family, tasks, protocol, (TESTED + run.seed,))
        curves[name] = found.round(3).tolist()
    return curves
