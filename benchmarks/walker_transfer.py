"""Train walkers on one engine and score them on the other: `python -m benchmarks.walker_transfer`.

The question that matters most for a fast simulator: is what is learnt on it
worth the same in the reference? Evolution strategies as in POET, from a
common start, for the same number of steps on each engine and course; each
result is scored on both engines over the same episodes. `--save` keeps the
controllers, which `benchmarks.walker_speed` can then use as its load.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment
from environments.walker2d.simulator import CONTROLLER, rollout
from evolution.es import ESSettings, Learner, es_gradient, es_update, perturbed

COURSES = {
    "flat": {},
    "rough": {"roughness": 0.6},
    "stumps": {"stump_height": [0.0, 0.4]},
    "pits": {"pit_gap": [0.0, 0.8]},
}
SCORED = 100  # episodes for each number in the table


@dataclass(frozen=True, slots=True)
class Row:
    """A trained controller and its mean return, with the standard error, on each engine."""

    course: str
    trained_on: str
    steps: int  # of evolution strategies
    seconds: float
    native: tuple[float, float]
    reference: tuple[float, float]


def environment_of(course: str) -> Environment:
    """Give the task called so."""
    return Environment(domain="walker2d", encoding="parametric", genome=COURSES[course], seed=7)


def train(course: str, engine: str, steps: int, pairs: int, seed: int, limit: int) -> NDArray[np.float64]:
    """Run evolution strategies for some steps from the course's common start."""
    settings = ESSettings(pairs=pairs, step_size=0.03)
    rng = np.random.default_rng(seed)
    learner = Learner.fresh(CONTROLLER.initial_theta(rng), settings)
    environment = environment_of(course)
    for step in range(steps):
        noise = rng.standard_normal((pairs, CONTROLLER.parameters), dtype=np.float32)
        thetas = perturbed(learner.theta.astype(np.float32), learner.sigma, noise)
        seeds = rng.integers(2**63, size=len(thetas)).astype(np.uint64)
        returns = rollout(thetas, environment, seeds, engine=engine, episode_limit=limit).returns
        learner = es_update(learner, es_gradient(noise, returns.reshape(-1, 2), learner.sigma), settings)
        if step % 10 == 9:
            print(f"{course}, {engine}, step {step + 1}: mean return {returns.mean():.1f}", file=sys.stderr)
    return learner.theta


def score(theta: NDArray[np.float64], course: str, engine: str) -> tuple[float, float]:
    """Average the return over fresh episodes: mean and standard error."""
    seeds = np.arange(10**6, 10**6 + SCORED, dtype=np.uint64)
    thetas = np.repeat(theta.astype(np.float32)[None], SCORED, axis=0)
    returns = rollout(thetas, environment_of(course), seeds, engine=engine).returns
    return float(returns.mean()), float(returns.std(ddof=1) / np.sqrt(SCORED))


def main() -> None:
    """Train, score, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--courses", nargs="+", default=list(COURSES), choices=COURSES)
    parser.add_argument("--engines", nargs="+", default=["native", "reference"])
    parser.add_argument("--steps", type=int, default=100, help="of evolution strategies")
    parser.add_argument("--pairs", type=int, default=64)
    parser.add_argument("--limit", type=int, default=2000, help="control steps of a training episode")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", type=Path, help="folder for the controllers, one .npy each")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = []
    for course in arguments.courses:
        for engine in arguments.engines:
            start = time.perf_counter()
            theta = train(course, engine, arguments.steps, arguments.pairs, arguments.seed, arguments.limit)
            seconds = time.perf_counter() - start
            if arguments.save:
                arguments.save.mkdir(parents=True, exist_ok=True)
                np.save(arguments.save / f"{course}-{engine}.npy", theta)
            scores = score(theta, course, "native"), score(theta, course, "reference")
            row = Row(course, engine, arguments.steps, seconds, *scores)
            rows.append(row)
            if not arguments.json:
                shown = "   ".join(f"{mean:7.1f} ± {error:4.1f}" for mean, error in scores)
                print(f"{course:8} trained on {engine:10} scored on native, reference: {shown}   ({seconds:.0f} s)")
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows]))


if __name__ == "__main__":
    main()
