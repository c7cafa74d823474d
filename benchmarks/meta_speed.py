"""Where meta-training on walkers spends its time: `python -m benchmarks.meta_speed [--json] [LEARNER ...]`.

Whole meta-steps over random courses: the seconds in the worlds, in the sampler
outside of them (the policy's forward passes, noise, bookkeeping), and in the
rest, which is advantages and gradients. Beside it, the same worlds stepped with
actions drawn beforehand: what a sampler without any cost would reach. `--worlds`
makes more or fewer of them, and `--world-threads` shares their steps.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import numpy as np
import torch

from environments.domain import Environment
from meta_learners.black_box.ppo import PPOSettings
from meta_learners.black_box.rl2 import RL2Settings
from meta_learners.devices import prepare_device
from meta_learners.experience.sampling import Sampler
from meta_learners.families.environments import EnvironmentFamily
from meta_learners.gradient.policy_learner import PolicySettings
from meta_learners.keys import Stream, numpy_generator
from meta_learners.networks.policies import PRECISIONS
from meta_learners.registry import learner_names, make_learner

TASKS, WORLDS, STEPS = 20, 400, 200
COURSES = [
    Environment(domain="walker2d", encoding="parametric", genome={"roughness": number / 10}, seed=number)
    for number in range(40)
]


def measure(name: str, turns: int, device: str, worlds: int, threads: int, **options: Any) -> dict[str, float]:
    """Take meta-steps: environment steps a second, and shares of the time; medians over the turns."""
    family = EnvironmentFamily("walker2d", {"train": COURSES}, episode_limit=STEPS, threads=threads)
    sampler = Sampler(family, TASKS, worlds // TASKS, device=device)
    settings: Any = {"rl2": RL2Settings(episodes=2), "ppo": PPOSettings(steps=STEPS)}.get(name) or PolicySettings(
        steps=STEPS, deviation=0.5, inner_rate=0.05, **({} if name == "promp" else {"curvature_tasks": 4}), **options
    )
    learner = make_learner(name, family, settings, seed=0, device=device)
    rows = []
    for turn in range(turns + 1):
        tasks = family.sample_tasks(TASKS, numpy_generator((0, turn, Stream.TASKS)))
        sampler.simulating = sampler.sampling = 0.0
        sampler.steps = 0
        started = time.perf_counter()
        learner.meta_step(sampler, tasks, (0, turn))
        if sampler.device.type == "cuda":
            torch.cuda.synchronize()
        spent = time.perf_counter() - started
        shares = (sampler.simulating / spent, sampler.sampling / spent)
        rows.append((sampler.steps / spent, *shares, 1 - sum(shares), sampler.steps / sampler.simulating))
    # The first turn warms up.
    middle = [statistics.median(column) for column in zip(*rows[1:], strict=True)]
    names = ("steps_per_second", "simulation", "sampling", "gradients", "steps_per_simulated_second")
    return dict(zip(names, middle, strict=True))


def worlds_alone(turns: int, count: int, threads: int) -> float:
    """Step the same number of walkers with actions drawn beforehand: steps a second, resets not counted."""
    worlds = EnvironmentFamily("walker2d", {"train": COURSES}, threads=threads).worlds(count)
    actions = 0.5 * np.random.default_rng(0).standard_normal((STEPS, count, 4)).astype(np.float32)
    rates = []
    for _ in range(turns):
        worlds.set_tasks([course for course in COURSES[:TASKS] for _ in range(count // TASKS)])
        started, steps, over = time.perf_counter(), 0, np.zeros(count, dtype=np.bool_)
        worlds.reset(seed=range(count))
        for action in actions:
            steps += int((~over).sum())
            _, _, terminated, truncated, _ = worlds.step(action)
            over = terminated | truncated
        rates.append(steps / (time.perf_counter() - started))
    return statistics.median(rates)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("learners", nargs="*", metavar="LEARNER", help=", ".join(learner_names()))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--worlds", type=int, default=WORLDS, help=f"a multiple of {TASKS}, which are the tasks")
    parser.add_argument("--world-threads", type=int, default=1, help="that share the steps of worlds on the processor")
    parser.add_argument("--compile", action="store_true", help="the gradient of ProMP and its like by torch.compile")
    parser.add_argument("--precision", default="float32", choices=PRECISIONS, help="of their matrix products")
    options = parser.parse_args()
    if options.worlds < TASKS or options.worlds % TASKS:
        parser.error(f"--worlds is {options.worlds}; it must be a multiple of {TASKS}, as there are so many tasks")
    torch.set_num_threads(1)
    prepare_device(options.device)
    sizes = {"worlds": options.worlds, "threads": options.world_threads}
    alone = worlds_alone(options.turns, options.worlds, options.world_threads)
    chosen = {"compile": options.compile, "precision": options.precision, **sizes}
    names = options.learners or ("maml", "promp", "rl2", "ppo")
    found = {name: measure(name, options.turns, options.device, **chosen) for name in names}
    if options.json:
        print(json.dumps({"worlds_alone": alone, **sizes, **found}))
        return
    each = options.worlds // TASKS
    print(f"{TASKS} tasks x {each} walkers x {STEPS} steps a phase or an episode; worlds alone {alone:,.0f} steps/s")
    print(f"{'':10} steps/s   simulation  sampling  gradients")
    for name, row in found.items():
        shares = (f"{100 * row[part]:9.0f}%" for part in ("simulation", "sampling", "gradients"))
        print(f"{name:10} {row['steps_per_second']:7,.0f} {' '.join(shares)}")


if __name__ == "__main__":
    main()
