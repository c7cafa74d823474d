"""What filling lanes across environments brings: `python -m benchmarks.mixed_batches [--output DIR]`.

Three phases of a run with 40 niches, each by the old cutting, in which an item held the episodes of one agent in one
environment, and by the new, which fills an item's lanes across environments. In one process on one core, in turns,
so that whatever else the machine does meets both. Seconds are of processor time, medians over the turns; every turn
checks that both give the same bits. Agents are a trained walker under small perturbations, courses are a curriculum
of growing difficulty, so that some episodes end early and others last to the limit.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from cluster.executor import InProcess, run
from environments.domain import Environment, Rollouts
from environments.walker2d import native
from evolution.evaluator import Evaluator
from evolution.packing import item_episodes
from evolution.requests import Item, Request, Simulation

WALKER = Path(__file__).parent / "walker.npy"


def courses(count: int) -> list[Environment]:
    """Give so many courses, each a little harder than the one before."""
    return [
        Environment(
            domain="walker2d",
            encoding="parametric",
            genome={"roughness": 0.05 * number, "stump_height": [0.0, 0.02 * number], "pit_gap": [0.0, 0.05 * number]},
            seed=number,
        )
        for number in range(count)
    ]


def agents(count: int) -> list[np.ndarray]:
    """Give so many walkers, no two alike."""
    theta, rng = np.load(WALKER).astype(np.float64), np.random.default_rng(0)
    return [theta + 0.02 * rng.standard_normal(theta.size) for _ in range(count)]


def scoring(evaluator: Evaluator, niches: int, episodes: int) -> list[Request]:
    """Ask for every agent's score in its own niche."""
    pairs = zip(agents(niches), courses(niches), strict=True)
    return [evaluator.score_request(theta, place, (1, i), episodes) for i, (theta, place) in enumerate(pairs)]


def transfers(evaluator: Evaluator, niches: int, episodes: int) -> list[Request]:
    """Ask for every agent as it is in every niche: the direct candidates of a transfer."""
    return [
        evaluator.score_request(theta, place, (2, i), episodes)
        for i, place in enumerate(courses(niches))
        for theta in agents(niches)
    ]


def novelty(evaluator: Evaluator, niches: int, episodes: int) -> list[Request]:
    """Ask for what PATA-EC compares: every agent in eight new environments, the others being known."""
    return [
        evaluator.score_request(theta, place, (5, i), episodes)
        for i, place in enumerate(courses(niches + 8)[niches:])
        for theta in agents(niches)
    ]


PHASES = {"scores": scoring, "transfers": transfers, "PATA-EC": novelty}


def cut_apart(evaluator: Evaluator, requests: Sequence[Request]) -> list[Rollouts]:
    """Run requests as before: an item holds rows of one request, in as many as then were chosen."""
    lanes = evaluator.domain.capabilities().lanes
    sizes = [item_episodes(len(requests) * request.episodes, 1, lanes) for request in requests]
    items = [[Item((part,)) for part in request.split(size)] for request, size in zip(requests, sizes, strict=True)]
    done = iter(run(InProcess(), [item for each in items for item in each]))
    return [Rollouts.join([next(done) for _ in each]) for each in items]


def packed(evaluator: Evaluator, requests: Sequence[Request]) -> list[Rollouts]:
    """Run requests as now."""
    return evaluator.run("benchmark", requests)


def timed(
    way: Callable[[Evaluator, Sequence[Request]], list[Rollouts]], requests: Sequence[Request]
) -> tuple[float, Rollouts]:
    """Give the seconds that a way takes, and what came out."""
    evaluator = Evaluator(requests[0].simulation, InProcess())
    started = time.process_time()
    found = way(evaluator, requests)
    return time.process_time() - started, Rollouts.join(found)


def measure(phase: str, niches: int, episodes: int, limit: int, turns: int) -> dict[str, object]:
    """Run a phase both ways in turns."""
    simulation = Simulation(domain="walker2d", seed=0, episode_limit=limit)
    requests = PHASES[phase](Evaluator(simulation, InProcess()), niches, episodes)
    seconds: dict[str, list[float]] = {"apart": [], "packed": []}
    for _ in range(turns):
        results = []
        for name, way in (("apart", cut_apart), ("packed", packed)):
            spent, found = timed(way, requests)
            seconds[name].append(spent)
            results.append(found)
        if not all(np.array_equal(results[0].returns, each.returns) for each in results):
            sys.exit("the two ways differ")
    apart, together = (statistics.median(seconds[name]) for name in ("apart", "packed"))
    ratios = [one / other for one, other in zip(*seconds.values(), strict=True)]
    return {
        "phase": phase,
        "episodes_each": episodes,
        "episodes": len(results[0].returns),
        "steps": int(results[0].lengths.sum()),
        "seconds_apart": round(apart, 3),
        "seconds_packed": round(together, 3),
        "times_faster": round(statistics.median(ratios), 2),
        "each_turn": [round(ratio, 2) for ratio in ratios],
    }


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--niches", type=int, default=40)
    parser.add_argument("--episodes", type=int, nargs="+", default=[5, 1], help="of a score; with a fixed push one")
    parser.add_argument("--limit", type=int, default=400, help="control steps of an episode; a run's are 2,000")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--output", type=Path, help="folder to keep results.json in")
    arguments = parser.parse_args()
    if native.problem():
        sys.exit(f"the native engine is needed, but {native.problem()}")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rows = []
    for episodes, phase in product(arguments.episodes, PHASES):
        rows.append(measure(phase, arguments.niches, episodes, arguments.limit, arguments.turns))
        print(json.dumps(rows[-1]), flush=True)
    if arguments.output is not None:
        arguments.output.mkdir(parents=True, exist_ok=True)
        told = {
            "kernel": native.kernel(),
            "niches": arguments.niches,
            "limit": arguments.limit,
            "turns": arguments.turns,
            "phases": rows,
        }
        (arguments.output / "results.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
