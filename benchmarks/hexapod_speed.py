"""Control steps a second of the hexapod on one core: `python -m benchmarks.hexapod_speed [--json]`.

Whole rollouts with controllers, in the C++ core, by each of its kernels that run
here, and through PyBullet's Python interface; the Gymnasium environment under
random actions, and vectors of it as learners step them, Gymnasium's own of
reference environments and the core's; and, for comparison, physics alone under a walk's targets: Bullet
driven from C++, of which the time inside `stepSimulation` counts, and MuJoCo
where it is installed, with the same robot, drives, field and step. All run in
turns, so that whatever else the machine does meets all of them. Each figure is
the median over the turns, in control steps per second of processor time. The
share of physics is that of its stages in a rollout's time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from benchmarks.hexapod_mujoco import mujoco_alone
from environments.domain import Batch, Environment
from environments.hexapod3d import DOMAIN, native
from environments.hexapod3d.body import HEXAPOD as BODY
from environments.hexapod3d.engine import CONTROL_RATE, SUBSTEPS
from environments.hexapod3d.env import HexapodEnv
from environments.hexapod3d.episode import starts
from environments.hexapod3d.expression import terrain_of
from environments.hexapod3d.gait import Gait, targets
from environments.hexapod3d.simulator import ENGINES, LANES
from environments.hexapod3d.vector import HexapodVectorEnv
from environments.tasks.env import TaskEnv, TaskSource
from environments.tasks.worlds import TaskWorlds

GENOMES = {
    "flat": {},
    "rough": {"bumps": 0.04, "mounds": 0.1, "hills": 0.3, "step_height": [0.02, 0.06], "boulder_height": [0.0, 0.1]},
}
EPISODES = 2 * LANES
STEPS = 400  # of an episode
WORLDS = 64  # of the core's vector, as a meta-learner has them


def course(name: str) -> Environment:
    """Make the task of that name."""
    return Environment(domain="hexapod3d", encoding="parametric", genome=GENOMES[name], seed=0)


def episodes_on(name: str) -> Batch:
    """Give episodes with controllers of little skill."""
    rng = np.random.default_rng(0)
    thetas = (0.05 * rng.standard_normal((EPISODES, DOMAIN.controller.parameters))).astype(np.float32)
    return Batch.of(thetas, course(name), np.arange(EPISODES, dtype=np.uint64))


def roll_out(name: str, engine: str) -> Callable[[], int]:
    """Give a turn of episodes with controllers in the loop."""
    batch = episodes_on(name)
    return lambda: int(DOMAIN.run(batch, episode_limit=STEPS, engine=engine).lengths.sum())


def walk() -> NDArray[np.float64]:
    """Give the joint targets of a walk, (STEPS, 18)."""
    return targets(BODY, np.zeros((STEPS, BODY.joints), dtype=np.float32), np.arange(STEPS), Gait.ALTERNATING)


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


def step_worlds(name: str, worlds: Any) -> Callable[[], int]:
    """Give a turn of a vector of worlds under random actions; steps that only begin an episode are not counted."""
    rounds = max(STEPS // worlds.num_envs, 40)
    actions = np.random.default_rng(0).uniform(-0.3, 0.3, (rounds, *worlds.action_space.shape)).astype(np.float32)
    worlds.set_tasks(course(name))
    worlds.reset(seed=0)

    def turn() -> int:
        steps, over = 0, np.zeros(worlds.num_envs, dtype=bool)
        for action in actions:
            steps += int((~over).sum())
            _, _, terminated, truncated, _ = worlds.step(action)
            over = terminated | truncated
        return steps

    return turn


def vectors(name: str) -> dict[str, Callable[[], int]]:
    """Give a turn of each kind of vector: Gymnasium's of `TaskEnv`s, and the core's."""
    task, source = course(name), TaskSource(DOMAIN.name)
    make = partial(TaskEnv, DOMAIN.name, task=task)
    return {
        f"vector_pybullet_{name}": step_worlds(name, TaskWorlds([make] * LANES, source, AutoresetMode.NEXT_STEP)),
        f"vector_native_{name}": step_worlds(name, HexapodVectorEnv([task] * WORLDS, source=source)),
    }


def physics_alone(name: str) -> Callable[[], float]:
    """Give a turn of a walk by given targets: its steps per second inside Bullet's step."""
    robot, wanted = native.Robot(BODY), walk()
    start = np.array([0.0, 0.0, 1.0])

    def turn() -> float:
        robot.lay(terrain_of(course(name)))
        inside, processor, wall = robot.core.stepping, time.process_time(), time.perf_counter()
        robot.core.follow(start, wanted)
        busy = (time.process_time() - processor) / (time.perf_counter() - wall)  # others may have had the core
        return STEPS / ((robot.core.stepping - inside) * busy)

    return turn


def kernel_alone(name: str, kernel: str) -> Callable[[], int]:
    """Give a turn of the core's episodes by one of its kernels."""
    batch, lanes = episodes_on(name), native.Lanes(BODY)
    (environment,) = batch.environments
    ground, places = lanes.core.course(terrain_of(environment).heights), batch.places.astype(np.int32)

    def turn() -> int:
        _, lengths, _, _ = lanes.core.rollout(
            [ground], places, batch.thetas, starts(batch.seeds), STEPS, tripod=True, kernel=kernel
        )
        return int(lengths.sum())

    return turn


def stages(name: str) -> dict[str, float]:
    """Measure which part of a rollout's time each stage takes."""
    batch, lanes = episodes_on(name), native.Lanes(BODY)
    (environment,) = batch.environments
    ground, places = lanes.core.course(terrain_of(environment).heights), batch.places.astype(np.int32)
    *_, ticks = lanes.core.rollout([ground], places, batch.thetas, starts(batch.seeds), STEPS, tripod=True)
    total = sum(ticks.values()) or 1  # a processor without such a clock says nought
    return {stage: spent / total for stage, spent in ticks.items()}


def measure(turns: int) -> dict[str, float]:
    """Run all in turns: median steps/s, and the median shares of the stages."""
    kernels = native.kernels()
    contestants: dict[str, Callable[[], float]] = {
        "gymnasium_flat": step_alone(),
        **{key: turn for name in GENOMES for key, turn in vectors(name).items()},
        **{f"{engine}_{name}": roll_out(name, engine) for engine in ENGINES for name in GENOMES},
        **{f"{kernel}_{name}": kernel_alone(name, kernel) for kernel in kernels for name in GENOMES},
    }
    alone = {f"bullet_{name}": physics_alone(name) for name in GENOMES}
    for name in GENOMES:
        turn = mujoco_alone(terrain_of(course(name)), walk())
        if turn is not None:
            contestants[f"mujoco_{name}"] = turn
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
            shares = stages(name)
            for stage, share in shares.items():
                found.setdefault(f"share_{stage}_{name}", []).append(share)
            found.setdefault(f"share_{name}", []).append(1 - shares["minds"] - shares["tasks"])
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
        print(f"{name:>24}  {value:9,.0f}" if value > 1 else f"{name:>24}  {value:9.0%}")


if __name__ == "__main__":
    main()
