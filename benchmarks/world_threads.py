"""What threads bring to the walker's vector worlds: `python -m benchmarks.world_threads [--json]`.

The same worlds under the same random actions, 32 to 1,024 of them, by one thread and by more, in turns, so that
whatever else the machine does meets all of them. Steps by the clock; the median of the turns and the best one, which
other programs disturb least. A group of the kernel's lanes is one thread's, so that threads need that many worlds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time

import numpy as np

from environments.domain import Environment
from environments.walker2d import native
from environments.walker2d.vector import WalkerVectorEnv

ROUGH = Environment(domain="walker2d", encoding="parametric", genome={"roughness": 1.0}, seed=0)
COUNTS = (32, 64, 256, 1024)
STEPS = 8192  # of all worlds together, a turn


def turn(worlds: WalkerVectorEnv, actions: np.ndarray) -> float:
    """Step some worlds: steps a second by the clock, those that only begin an episode not counted."""
    steps, over = 0, np.zeros(worlds.num_envs, dtype=bool)
    started = time.perf_counter()
    for action in actions:
        steps += int((~over).sum())
        _, _, terminated, truncated, _ = worlds.step(action)
        over = terminated | truncated
    return steps / (time.perf_counter() - started)


def measure(turns: int, threads: list[int]) -> dict[str, dict[str, float]]:
    """Measure all counts of worlds and threads in turns."""
    contestants = {}
    for count in COUNTS:
        shape = (STEPS // count, count, 4)
        actions = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
        for number in threads:
            worlds = WalkerVectorEnv([ROUGH] * count, threads=number)
            worlds.reset(seed=0)
            contestants[f"{count}x{number}"] = (worlds, actions)
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(turns):
        for name, contestant in contestants.items():
            rates[name].append(turn(*contestant))
    return {name: {"median": statistics.median(found), "best": max(found)} for name, found in rates.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    if native.problem():
        sys.exit(f"the native engine is needed, but {native.problem()}")
    found = measure(options.turns, options.threads)
    machine = {"kernel": native.kernel(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    if options.json:
        print(json.dumps({**machine, "steps_per_second": found}))
        return
    print(f"kernel {machine['kernel']}, {machine['cores']} cores, load {machine['load']:.1f} at the end")
    print(f"{'worlds':>6} {'threads':>7} {'median':>9} {'best':>9}  steps/s")
    for name, rates in found.items():
        count, number = name.split("x")
        print(f"{count:>6} {number:>7} {rates['median']:9,.0f} {rates['best']:9,.0f}")


if __name__ == "__main__":
    main()
