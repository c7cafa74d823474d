"""What PPO's gradient steps cost in C++ and by torch: `python -m benchmarks.proximal_speed [--json]`.

Both learners, of one pair in evolution and over the tasks of a curriculum, with their own settings: the gradient steps
alone, and whole iterations with the worlds that they play in. One thread; turn by turn, one after the other.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from cluster.executor import InProcess
from environments import FLAT
from environments.domain import find_domain
from evolution import proximal
from evolution.evaluator import Evaluator
from evolution.optimisers.asking import Asking
from evolution.optimisers.ppo import PPOSettings as InnerSettings
from evolution.optimisers.ppo import learner_of
from evolution.optimisers.ppo_experience import gather, worlds_of
from evolution.optimisers.ppo_learning import actor, improve
from evolution.requests import Simulation
from meta_learners.black_box.ppo import PPO, PPOSettings
from meta_learners.experience.sampling import Sampler
from meta_learners.families.environments import EnvironmentFamily

WALKER, TASKS, COPIES = find_domain("walker2d"), 16, 2


def inner() -> tuple[Callable[[], object], Callable[[], object], int]:
    """Give what an iteration of evolution's PPO does, its gradient steps alone, and how many control steps it is."""
    settings = InnerSettings()
    optimiser = settings.make(WALKER.controller)
    rng = np.random.default_rng(0)
    state = optimiser.fresh(WALKER.controller.initial_theta(rng), rng)
    simulation = Simulation(domain="walker2d", seed=0, episode_limit=2000)
    evaluator = Evaluator(simulation, InProcess())
    ask = Asking(key=(0, 0, 0), simulation=simulation, evaluator=evaluator, purpose="optimise")
    iteration = optimiser._iteration(learner_of(state), FLAT, ask)
    worlds, steps = settings.worlds, settings.steps
    spread = np.exp(iteration.learner.log_deviation).astype(np.float32)
    with (
        worlds_of(WALKER, FLAT, worlds, episode_limit=None, engine=None) as played,
        actor(optimiser.shapes.controller, iteration.learner.theta) as mean,
    ):
        experience = gather(played, mean, spread, steps=steps, seeds=iteration._seeds, noise=rng)

    def gradients() -> None:
        improve(iteration.learner, experience, optimiser.shapes, settings.learning, np.random.default_rng(0))

    return iteration, gradients, worlds * steps


def over_tasks() -> tuple[Callable[[], object], Callable[[], object], int]:
    """Give the same of the learner over tasks."""
    courses = [replace(FLAT, genome={"roughness": number / 10}, seed=number) for number in range(TASKS)]
    family = EnvironmentFamily("walker2d", {"train": courses})
    sampler = Sampler(family, TASKS, COPIES, fall_reward=-10.0)
    learner = PPO(family, PPOSettings())
    turns = iter(range(10**6))
    rollout = sampler.play(courses, learner._policy.actor(learner._adam.parameters), (0,), steps=128, go_on=True)

    def step() -> None:
        learner.meta_step(sampler, courses, (1, next(turns)))

    def gradients() -> None:
        data = learner._data(learner._adam.parameters, rollout)
        learner._improve(learner._adam, {name: each.flatten(0, 1)[None] for name, each in data.items()}, (2,))

    return step, gradients, TASKS * COPIES * learner.settings.steps


def measure(turns: int) -> dict[str, dict[str, float]]:
    """Give microseconds a control step, medians over the turns."""
    found = {}
    for name, make in (("evolution", inner), ("tasks", over_tasks)):
        whole, gradients, steps = make()
        rows: dict[str, list[float]] = {}
        for _ in range(turns + 1):
            for what, do in (("gradients", gradients), ("whole", whole)):
                rows.setdefault(f"{what}_core", []).append(timed(do, steps))
                with proximal.set_aside():
                    rows.setdefault(f"{what}_torch", []).append(timed(do, steps))
        found[name] = {what: statistics.median(row[1:]) for what, row in rows.items()}  # the first turn warms up
    return found


def timed(do: Callable[[], object], steps: int) -> float:
    """Take microseconds a step, of this process."""
    started = time.process_time()
    do()
    return 1e6 * (time.process_time() - started) / steps


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    if proximal.problem():
        parser.error(f"there is nothing to compare: {proximal.problem()}")
    torch.set_num_threads(1)
    found = measure(options.turns)
    if options.json:
        print(json.dumps({"kernel": proximal.kernel(), **found}))
        return
    print(f"microseconds a control step, kernel {proximal.kernel()}")
    print(f"{'':24} core  torch  ratio")
    for name, row in found.items():
        for what in ("gradients", "whole"):
            core, other = row[f"{what}_core"], row[f"{what}_torch"]
            print(f"{name:10} {what:10} {core:7.1f} {other:6.1f} {other / core:6.1f}")


if __name__ == "__main__":
    main()
