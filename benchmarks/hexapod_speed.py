"""Control steps a second of the hexapod on one core: `python -m benchmarks.hexapod_speed [--json]`.

Whole rollouts with controllers, in the C++ core and through PyBullet's Python
interface, the Gymnasium environment under random actions, and, for comparison,
Bullet's step alone: the time inside `stepSimulation` on the same robot and
course under a walk's targets. All run in turns, so that whatever else the
machine does meets all of them. Each figure is the median over the turns, in
control steps per second of processor time. The share of Bullet is the time
inside its step in a rollout over the rollout's whole time, both by the wall's
clock; the core reads the clock around every step, some 50 ns each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable

import numpy as np

from environments.domain import Batch, Environment
from environments.hexapod3d import DOMAIN, native
from environments.hexapod3d.body import BODY
from environments.hexapod3d.engine import CONTROL_RATE, SUBSTEPS
from environments.hexapod3d.env import HexapodEnv
from environments.hexapod3d.expression import terrain_of
from environments.hexapod3d.gait import Gait, targets
from environments.hexapod3d.simulator import CONTROLLER, ENGINES, LANES

GENOMES = {
    "flat": {},
    "rough": {"bumps": 0.04, "mounds": 0.1, "hills": 0.3, "step_height": [0.02, 0.06], "boulder_height": [0.0, 0.1]},
}
EPISODES = 2 * LANES
STEPS = 400  # of an episode


def course(name: str) -> Environment:
    """Make the task of that name."""
    return Environment(domain="hexapod3d", encoding="parametric", genome=GENOMES[name], seed=0)


def roll_out(name: str, engine: str) -> Callable[[], int]:
    """Give a turn of episodes with controllers in the loop."""
    rng = np.random.default_rng(0)
    thetas = (0.05 * rng.standard_normal((EPISODES, CONTROLLER.parameters))).astype(np.float32)
    seeds = np.arange(EPISODES, dtype=np.uint64)
    return lambda: int(
        DOMAIN.run(Batch.of(thetas, course(name), seeds), episode_limit=STEPS, engine=engine).lengths.sum()
    )


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


def physics_alone(name: str) -> Callable[[], float]:
    """Give a turn of a walk by given targets: its steps per second inside Bullet's step."""
    robot = native.Robot()
    walk = targets(np.zeros((STEPS, BODY.joints), dtype=np.float32), np.arange(STEPS), Gait.TRIPOD)
    start = np.array([0.0, 0.0, 1.0])

    def turn() -> float:
        robot.lay(terrain_of(course(name)))
        inside, processor, wall = robot.core.stepping, time.process_time(), time.perf_counter()
        robot.core.follow(start, walk)
        busy = (time.process_time() - processor) / (time.perf_counter() - wall)  # others may have had the core
        return STEPS / ((robot.core.stepping - inside) * busy)

    return turn


def share_of_bullet(name: str) -> float:
    """Measure which part of a rollout's time Bullet's step takes."""
    turn, core = roll_out(name, "native"), native.shared_robot().core
    inside, start = core.stepping, time.perf_counter()
    turn()
    return (core.stepping - inside) / (time.perf_counter() - start)


def measure(turns: int) -> dict[str, float]:
    """Run all in turns: median steps/s, and the median shares of Bullet."""
    contestants = {
        "gymnasium_flat": step_alone(),
        **{f"{engine}_{name}": roll_out(name, engine) for engine in ENGINES for name in GENOMES},
    }
    alone = {f"bullet_{name}": physics_alone(name) for name in GENOMES}
    found: dict[str, list[float]] = {}
    for turn in (*contestants.values(), *alone.values()):
        turn()  # engines are made and courses laid
    for _ in range(turns):
        for name, turn in contestants.items():
            start = time.process_time()
            steps = turn()
            found.setdefault(name, []).append(steps / (time.process_time() - start))
        for name, turn in alone.items():
            found.setdefault(name, []).append(turn())
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
    print(f"{CONTROL_RATE} Hz control, {SUBSTEPS} substeps; one core, steps per second of processor time")
    for name, value in found.items():
        print(f"{name:>16}  {value:9,.0f}" if value > 1 else f"{name:>16}  {value:9.0%}")


if __name__ == "__main__":
    main()
