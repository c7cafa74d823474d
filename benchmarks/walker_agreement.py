"""Whole episodes on both engines, by the bit: `python -m benchmarks.walker_agreement [--json]`.

Controllers of every skill, from untrained to trained, drive the native engine
and the reference over each kind of course. What counts is how many episodes
have the same return to the last bit, the same length and the same outcome.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from environments.domain import Batch, Environment
from environments.walker2d import DOMAIN
from environments.walker2d.simulator import CONTROLLER

COURSES = {
    "flat": {},
    "rough": {"roughness": 1.0},
    "stumps": {"stump_height": [0.0, 0.6]},
    "pits": {"pit_gap": [0.0, 1.2]},
    "stairs": {"stair_height": [0.0, 0.6], "stair_steps": 3},
    "everything": {"roughness": 0.8, "stump_height": [0.0, 0.6], "pit_gap": [0.0, 1.2], "stair_height": [0.0, 0.6]},
}


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many episodes of one course are the same on both engines."""

    course: str
    episodes: int
    equal: int  # return to the last bit, length and outcome
    steps: int  # of all episodes
    returns: tuple[float, float, float]  # lowest, median, highest


def controllers(n: int) -> NDArray[np.float32]:
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


def compare(course: str, n: int, limit: int) -> Agreement:
    """Play every controller on both engines."""
    environment = Environment(domain="walker2d", encoding="parametric", genome=COURSES[course], seed=3)
    thetas, seeds = controllers(n), np.arange(n, dtype=np.uint64)
    ours = DOMAIN.run(Batch.of(thetas, environment, seeds), engine="native", episode_limit=limit)
    theirs = DOMAIN.run(Batch.of(thetas, environment, seeds), engine="reference", episode_limit=limit)
    same = (ours.returns == theirs.returns) & (ours.lengths == theirs.lengths) & (ours.outcomes == theirs.outcomes)
    low, middle, high = np.quantile(theirs.returns, [0, 0.5, 1]).tolist()
    return Agreement(course, n, int(same.sum()), int(theirs.lengths.sum()), (low, middle, high))


def main() -> None:
    """Compare on every course and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--controllers", type=int, default=200)
    parser.add_argument("--limit", type=int, default=2000)
    arguments = parser.parse_args()
    rows = [compare(course, arguments.controllers, arguments.limit) for course in COURSES]
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows]))
        return
    for row in rows:
        low, middle, high = row.returns
        print(
            f"{row.course:10} {row.equal} of {row.episodes} episodes equal, {row.steps:,} steps; "
            f"returns {low:.0f} to {high:.0f}, median {middle:.0f}"
        )


if __name__ == "__main__":
    main()
