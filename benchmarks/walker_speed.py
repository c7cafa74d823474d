"""Control steps a second on one core: `python -m benchmarks.walker_speed [--json]`.

Gymnasium's BipedalWalker, the reference, EnvPool's walker where installed, and
the native engine, in one process on one core, in turns, so that whatever else
the machine does meets all of them. Each figure is the median over the turns,
in steps per second of processor time (all threads), which time slices given
to other processes do not lengthen. Resets are part of the time; a reset's own
physics step counts as a step nowhere.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import gymnasium
import numpy as np

from environments.domain import Environment
from environments.walker2d import native
from environments.walker2d.env import WalkerEnv, start_pushes
from environments.walker2d.simulator import CONTROLLER
from environments.walker2d.terrain import terrain_of
from environments.walker2d.vector import WalkerVectorEnv

FLAT = Environment(domain="walker2d", encoding="parametric", genome={}, seed=0)
OBSTACLES = Environment(
    domain="walker2d",
    encoding="parametric",
    genome={"roughness": 1.0, "pit_gap": [0.0, 1.6], "stump_height": [0.0, 0.6], "stair_height": [0.0, 0.6]},
    seed=0,
)
WALKER = Path(__file__).parent / "walker.npy"  # trained on flat ground by benchmarks.walker_transfer
STEPS = 2000  # of the slow engines, a turn
WORLDS = 512  # of the fast ones: one evolution step of POET


def population(sigma: float) -> np.ndarray:
    """Lay out the perturbed controllers of one evolution step about a trained walker."""
    theta = np.load(WALKER).astype(np.float32)
    noise = np.random.default_rng(0).standard_normal((WORLDS, CONTROLLER.parameters), dtype=np.float32)
    return theta + np.float32(sigma) * noise


def step_alone(env: gymnasium.Env) -> Callable[[], int]:
    """Give a turn of one environment under random actions."""
    actions = np.random.default_rng(0).uniform(-1, 1, (STEPS, 4)).astype(np.float32)
    env.reset(seed=0)

    def turn() -> int:
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
        return STEPS

    return turn


def step_vector() -> Callable[[], int]:
    """Give a turn of the native vector environment under random actions."""
    worlds = WalkerVectorEnv([FLAT] * WORLDS)
    actions = np.random.default_rng(0).uniform(-1, 1, (40, WORLDS, 4)).astype(np.float32)
    worlds.reset(seed=0)

    def turn() -> int:
        steps = 0
        over = np.zeros(WORLDS, dtype=bool)
        for action in actions:
            steps += int((~over).sum())
            _, _, terminated, truncated, _ = worlds.step(action)
            over = terminated | truncated
        return steps

    return turn


def step_envpool() -> Callable[[], int] | None:
    """Give a turn of EnvPool's walker on one thread; None where EnvPool is not installed."""
    if importlib.util.find_spec("envpool") is None:
        return None
    import envpool  # noqa: PLC0415 - optional

    worlds = envpool.make_gymnasium("BipedalWalker-v3", num_envs=64, num_threads=1)
    actions = np.random.default_rng(0).uniform(-1, 1, (100, 64, 4)).astype(np.float32)
    worlds.reset()

    def turn() -> int:
        for action in actions:
            worlds.step(action)
        return 64 * len(actions)

    return turn


Stages = dict[str, float]


def roll_out(environment: Environment, stages: Stages) -> Callable[[], int]:
    """Give a turn of whole episodes with the controllers in the loop; adds up the core's stages."""
    thetas = population(0.05)
    course = native.build_course(terrain_of(environment))
    pushes, places = start_pushes(np.arange(WORLDS, dtype=np.uint64)), np.zeros(WORLDS, dtype=np.int32)

    def turn() -> int:
        _, lengths, _, ticks = native.core.rollout([course], places, thetas, pushes, 2000)
        for stage, count in ticks.items():
            stages[stage] = stages.get(stage, 0) + count
        return int(lengths.sum())

    return turn


def measure(turns: int) -> tuple[dict[str, float | None], dict[str, Stages]]:
    """Run every contestant in turns: median steps/s, and how the native engine spent its time."""
    stages: dict[str, Stages] = {"native_flat": {}, "native_obstacles": {}}
    contestants: dict[str, Callable[[], int] | None] = {
        "gymnasium": step_alone(gymnasium.make("BipedalWalker-v3").unwrapped),
        "reference": step_alone(WalkerEnv(FLAT)),
        "envpool": step_envpool(),
        "native_vector": step_vector(),
        "native_flat": roll_out(FLAT, stages["native_flat"]),
        "native_obstacles": roll_out(OBSTACLES, stages["native_obstacles"]),
    }
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(turns):
        for name, turn in contestants.items():
            if turn is not None:
                start = time.process_time()
                rates[name].append(turn() / (time.process_time() - start))
    return {name: statistics.median(values) if values else None for name, values in rates.items()}, stages


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--turns", type=int, default=7)
    arguments = parser.parse_args()
    if native.problem():
        sys.exit(f"the native engine is needed, but {native.problem()}")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rates, stages = measure(arguments.turns)
    if arguments.json:
        print(json.dumps({**rates, "kernel": native.kernel()}))
        return
    print(f"kernel {native.kernel()}, medians of {arguments.turns} turns")
    print(f"{'':18}  steps/s   x Gymnasium   x EnvPool")
    for name, rate in rates.items():
        if rate is None:
            print(f"{name:18}  not installed")
            continue
        pool = f"{rate / rates['envpool']:9.1f}" if rates["envpool"] else "        -"
        print(f"{name:18} {rate:8,.0f} {rate / (rates['gymnasium'] or 1):13.1f} {pool:>11}")
    for name, spent in stages.items():
        total = sum(spent.values())
        shares = ", ".join(f"{stage} {100 * count / total:.0f}%" for stage, count in sorted(spent.items(), key=_most))
        print(f"{name}: {shares}")


def _most(item: tuple[str, float]) -> float:
    return -item[1]


if __name__ == "__main__":
    main()
