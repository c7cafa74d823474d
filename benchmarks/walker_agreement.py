"""How closely whole episodes agree on the two engines: `python -m benchmarks.walker_agreement [--json]`.

Given equal actions the engines agree to the last bit, which the tests show
step by step. Here the controller is in the loop, and it rounds differently
(NumPy's products and tanh against the core's): a difference in the last bit
of an action grows until the episodes part. So episodes are compared as
distributions, by two-sample tests, and by the step at which they part.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment
from environments.walker2d import native
from environments.walker2d.env import WalkerEnv, start_pushes
from environments.walker2d.simulator import CONTROLLER, rollout
from environments.walker2d.terrain import terrain_of

COURSES = {
    "flat": {},
    "rough": {"roughness": 1.0},
    "stumps": {"stump_height": [0.0, 0.6]},
    "pits": {"pit_gap": [0.0, 1.2]},
    "stairs": {"stair_height": [0.0, 0.6], "stair_steps": 3},
    "everything": {"roughness": 0.8, "stump_height": [0.0, 0.6], "pit_gap": [0.0, 1.2], "stair_height": [0.0, 0.6]},
}
PARTED = 0.01  # an observation this far apart means that the episodes have parted
LIMIT = 1000  # control steps

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the episodes of many controllers on one course compare."""

    course: str
    controllers: int
    mean_return: tuple[float, float]  # native, reference
    mean_length: tuple[float, float]
    p_return: float  # of the two-sample Kolmogorov-Smirnov test
    p_length: float
    same_outcome: float  # share of episodes
    same_length: float
    median_parting: float  # control step; among the episodes traced
    never_parted: float  # share of the episodes traced


def controllers(n: int) -> Floats:
    """Mix skills: a quarter untrained, the rest about a trained walker, from exact to spoilt."""
    rng = np.random.default_rng(1)
    walker = np.load(Path(__file__).parent / "walker.npy")
    thetas = [
        CONTROLLER.initial_theta(rng, scale=rng.choice([0.1, 0.3, 0.6]))
        if i % 4 == 0
        else walker + rng.choice([0.0, 0.02, 0.05, 0.1, 0.2]) * rng.standard_normal(CONTROLLER.parameters)
        for i in range(n)
    ]
    return np.stack(thetas).astype(np.float32)


def core_policy(theta: Floats) -> Callable[[Floats], Floats]:
    """Give the core's controller in plain loops: single precision, sums over the inputs in order."""
    layers = CONTROLLER.layers(theta)

    def act(observation: Floats) -> Floats:
        signal = observation
        for weights, biases in layers:
            total = np.zeros_like(biases)
            for value, row in zip(signal, weights, strict=True):
                total = total + value * row
            signal = native.core.functions(total + biases)[2]
        return signal

    return act


def parting(theta: Floats, environment: Environment, seed: int) -> int | None:
    """Step one controller's episode on both engines until an observation differs; None when none does."""
    worlds = native.core.Worlds(1)
    worlds.set_course(0, native.build_course(terrain_of(environment)))
    ours, rewards, outcomes = np.zeros((1, 24), np.float32), np.zeros(1), np.zeros(1, np.int8)
    no = np.array([False])
    pushes = start_pushes(np.array([seed], dtype=np.uint64))
    worlds.reset(~no, pushes, ours)
    reference = WalkerEnv(environment, episode_limit=LIMIT)
    theirs, _ = reference.reset(seed=seed)
    act, core_act = CONTROLLER.policy(theta), core_policy(theta)
    for step in range(LIMIT):
        worlds.step(core_act(ours[0])[None], no, pushes, ours, rewards, outcomes)
        theirs, _, terminated, truncated, _ = reference.step(act(theirs))
        if np.abs(ours[0] - theirs).max() > PARTED:
            return step + 1
        if terminated or truncated:
            return None
    return None


def kolmogorov_smirnov(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Give the asymptotic p-value of the two-sample test that a and b come from one distribution."""
    values = np.sort(np.concatenate([a, b]))
    gap = np.abs(
        np.searchsorted(np.sort(a), values, side="right") / len(a)
        - np.searchsorted(np.sort(b), values, side="right") / len(b)
    ).max()
    size = np.sqrt(len(a) * len(b) / (len(a) + len(b)))
    scale = (size + 0.12 + 0.11 / size) * gap
    if scale < 0.3:
        return 1.0  # the series below converges too slowly, to 1
    k = np.arange(1, 101)
    return float(np.clip(2 * np.sum((-1.0) ** (k - 1) * np.exp(-2 * (scale * k) ** 2)), 0, 1))


def compare(course: str, n: int, traced: int) -> Agreement:
    """Play every controller on both engines, and trace some of them step by step."""
    environment = Environment(domain="walker2d", encoding="parametric", genome=COURSES[course], seed=3)
    thetas, seeds = controllers(n), np.arange(n, dtype=np.uint64)
    ours = rollout(thetas, environment, seeds, engine="native", episode_limit=LIMIT)
    theirs = rollout(thetas, environment, seeds, engine="reference", episode_limit=LIMIT)
    partings = [parting(thetas[i], environment, i) for i in range(0, n, max(n // traced, 1))]
    parted = [step for step in partings if step is not None]
    return Agreement(
        course,
        n,
        (float(ours.returns.mean()), float(theirs.returns.mean())),
        (float(ours.lengths.mean()), float(theirs.lengths.mean())),
        kolmogorov_smirnov(ours.returns, theirs.returns),
        kolmogorov_smirnov(ours.lengths.astype(np.float64), theirs.lengths.astype(np.float64)),
        float((ours.outcomes == theirs.outcomes).mean()),
        float((ours.lengths == theirs.lengths).mean()),
        float(np.median(parted)) if parted else float("nan"),
        1 - len(parted) / len(partings),
    )


def main() -> None:
    """Compare on every course and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--controllers", type=int, default=200)
    parser.add_argument("--traced", type=int, default=40)
    arguments = parser.parse_args()
    rows = [compare(course, arguments.controllers, arguments.traced) for course in COURSES]
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows]))
        return
    print(f"{arguments.controllers} controllers a course, native / reference")
    for row in rows:
        print(
            f"{row.course:10} return {row.mean_return[0]:7.1f} / {row.mean_return[1]:7.1f} (p {row.p_return:.2f})  "
            f"length {row.mean_length[0]:5.0f} / {row.mean_length[1]:5.0f} (p {row.p_length:.2f})  "
            f"same outcome {row.same_outcome:4.0%}, length {row.same_length:4.0%}; "
            f"part at step {row.median_parting:.0f} (median), {row.never_parted:.0%} never"
        )


if __name__ == "__main__":
    main()
