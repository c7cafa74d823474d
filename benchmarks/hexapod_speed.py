"""Control steps a second of the hexapod on one core: `python -m benchmarks.hexapod_speed [--json]`.

Whole rollouts with controllers, the Gymnasium environment under random
actions, and, for comparison, `stepSimulation` alone on the same robot and
course with the targets of a walk, in turns, so that whatever else the machine
does meets all of them. Each figure is the median over the turns, in steps per
second of processor time. The share of Bullet is the time inside
`stepSimulation` in a rollout over the rollout's whole time; the clock that
tells costs about a microsecond a step.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable

import numpy as np

from environments.domain import Environment
from environments.hexapod3d import engine
from environments.hexapod3d.engine import CONTROL_RATE, STATE_SIZE, SUBSTEPS, World
from environments.hexapod3d.env import HexapodEnv
from environments.hexapod3d.episode import begin
from environments.hexapod3d.expression import terrain_of
from environments.hexapod3d.gait import Gait, targets
from environments.hexapod3d.simulator import CONTROLLER, LANES, rollout

GENOMES = {
    "flat": {},
    "rough": {"bumps": 0.04, "mounds": 0.1, "hills": 0.3, "step_height": [0.02, 0.06], "boulder_height": [0.0, 0.1]},
}
EPISODES = 2 * LANES
STEPS = 400  # of an episode


def course(name: str) -> Environment:
    """Make the task of that name."""
    return Environment(domain="hexapod3d", encoding="parametric", genome=GENOMES[name], seed=0)


def roll_out(name: str) -> Callable[[], int]:
    """Give a turn of episodes with controllers in the loop."""
    rng = np.random.default_rng(0)
    thetas = (0.05 * rng.standard_normal((EPISODES, CONTROLLER.parameters))).astype(np.float32)
    seeds = np.arange(EPISODES, dtype=np.uint64)
    return lambda: int(rollout(thetas, course(name), seeds, episode_limit=STEPS).lengths.sum())


def step_alone() -> Callable[[], int]:
    """Give a turn of the Gymnasium environment."""
    env = HexapodEnv(course("flat"))
    actions = np.random.default_rng(0).uniform(-0.3, 0.3, (STEPS, 18)).astype(np.float32)

    def turn() -> int:
        env.reset(seed=0)
        for number, action in enumerate(actions, start=1):
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                return number
        return STEPS

    return turn


def physics_alone(name: str) -> Callable[[], int]:
    """Give a turn of PyBullet's step and nothing else but setting the targets of a walk."""
    world, state = World(), np.zeros(STATE_SIZE)
    walk = targets(np.zeros((STEPS, 18), dtype=np.float32), np.arange(STEPS), Gait.TRIPOD).tolist()

    def turn() -> int:
        begin(world, terrain_of(course(name)), 0, state)
        for wanted in walk:
            world.advance(wanted)
        return STEPS

    return turn


class _Stopwatch:
    """PyBullet, whose step is timed."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._step = engine.bullet.stepSimulation

    def __getattr__(self, name: str) -> object:
        return getattr(engine.pybullet, name)

    def stepSimulation(self, **on: int) -> None:  # noqa: N802 - as PyBullet names it
        start = time.perf_counter()
        self._step(**on)
        self.seconds += time.perf_counter() - start


def share_of_bullet(name: str) -> float:
    """Measure which part of a rollout's time PyBullet's step takes."""
    watch, kept = _Stopwatch(), engine.bullet
    turn = roll_out(name)
    engine.bullet = watch
    try:
        start = time.perf_counter()
        turn()
        return watch.seconds / (time.perf_counter() - start)
    finally:
        engine.bullet = kept


def measure(turns: int) -> dict[str, float]:
    """Run all in turns: median steps/s, and the median shares of Bullet."""
    contestants = {
        "gymnasium_flat": step_alone(),
        **{f"rollout_{name}": roll_out(name) for name in GENOMES},
        **{f"physics_{name}": physics_alone(name) for name in GENOMES},
    }
    found: dict[str, list[float]] = {}
    for turn in contestants.values():
        turn()  # engines are made and courses laid
    for _ in range(turns):
        for name, turn in contestants.items():
            start = time.process_time()
            steps = turn()
            found.setdefault(name, []).append(steps / (time.process_time() - start))
        for name in GENOMES:
            found.setdefault(f"share_{name}", []).append(share_of_bullet(name))
    return {name: statistics.median(values) for name, values in found.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    found = measure(arguments.turns)
    if arguments.json:
        print(json.dumps({name: round(value, 3) for name, value in found.items()}))
        return
    print(
        f"{CONTROL_RATE} Hz control, {SUBSTEPS} substeps, {LANES} lanes; one core, steps per second of processor time"
    )
    for name, value in found.items():
        print(f"{name:>16}  {value:9,.0f}" if value > 1 else f"{name:>16}  {value:9.0%}")


if __name__ == "__main__":
    main()
