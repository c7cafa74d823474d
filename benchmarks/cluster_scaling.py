"""How many workers one master feeds: `python -m benchmarks.cluster_scaling [--json] [--ranks 64,256]`.

Measured: efficiency from 1 to 2 workers on walkers, and the master's processor
time for a message, an item and a byte. Modelled from these, with the very code
that schedules a run (`cluster.dispatch`) against a simulated clock: the share
of the workers' time that is work, at the papers' settings. Checked: the same
model against real jobs of 64 and 256 ranks on this machine that sleep through
recorded costs.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cluster_probe import Nap
from cluster.costs import Costs
from cluster.dispatch import AHEAD, Chunk, Dispatch, Patience
from environments.domain import Environment
from evolution.evaluation import PerturbationRequest, Simulation, item_episodes

WALKER = Path(__file__).parent / "walker.npy"
MPIRUN = Path(sys.executable).with_name("mpirun")
ROOT = ["--allow-run-as-root"] if os.geteuid() == 0 else []

# The papers' settings (arXiv:1901.01753, arXiv:2003.08536).
NICHES, EPISODES, SCORED, EVERY, ARCHIVE = 40, 512, 5, 25, 500
REPRODUCTION, CHILDREN = 150, 8
THETA_BYTES, REQUEST_BYTES = 4 * 2804, 600
SERIAL = 0.05  # s an iteration that only the master works: optimiser steps and the commit
GRADIENT = 0.045  # s to draw 256 directions again and to sum them up


@dataclass(frozen=True, slots=True)
class Master:
    """What the master spends, and how long a message is under way."""

    message: float  # s, one sent and one received
    item: float  # s
    byte: float  # s
    latency: float = 1e-3  # s, most of it until the next poll


def requests(pairs: int, episode_limit: int = 2000) -> list[PerturbationRequest]:
    """Make ES steps of a walker in courses from flat to hard."""
    theta = np.load(WALKER).astype(np.float32)
    simulation = Simulation(domain="walker2d", seed=0, episode_limit=episode_limit)
    genomes: list[dict[str, Any]] = [
        {},
        {"roughness": 1.0},
        {"roughness": 3.0, "pit_gap": [0.0, 1.6]},
        {"roughness": 5.0, "stump_height": [0.4, 1.6], "pit_gap": [1.6, 4.0]},
    ]
    return [
        PerturbationRequest(
            simulation=simulation,
            environment=Environment(domain="walker2d", encoding="parametric", genome=genome, seed=number),
            theta=theta,
            sigma=0.05,
            key=(0, number),
            start=0,
            stop=pairs,
        )
        for number, genome in enumerate(genomes)
    ]


def record(pairs: int = 32) -> list[list[tuple[float, float]]]:
    """Time items of 16 episodes in each course: (seconds, steps) by course."""
    found = []
    for request in requests(pairs):
        items = list(request.split(16))
        items[0]()
        times = []
        for item in items:
            started = time.process_time()  # whatever else this machine does
            rollouts = item()
            times.append((time.process_time() - started, float(rollouts.lengths.sum())))
        found.append(times)
    return found


def play(naps: Sequence[Nap], workers: int, master: Master, costs: Costs, item_bytes: float) -> tuple[float, float]:
    """Run a phase against a simulated clock: seconds until all is done, and how much of them the master worked."""
    dispatch = Dispatch(range(workers), costs, Patience(unknown=1e9, floor=1e9))
    dispatch.begin(naps)
    clock = spent = len(naps) * master.item / 2
    queues: list[deque[Chunk]] = [deque() for _ in range(workers)]
    free = [0.0] * workers
    ends: list[tuple[float, int]] = []

    def feed(worker: int, depth: int) -> None:
        nonlocal clock, spent
        chunk = dispatch.take(worker, depth, 0.0)
        if chunk is None:
            return
        work = master.message / 2 + len(chunk.indices) * (master.item / 2 + item_bytes * master.byte)
        clock, spent = clock + work, spent + work
        free[worker] = max(free[worker], clock + master.latency) + sum(naps[index].seconds for index in chunk.indices)
        queues[worker].append(chunk)
        heapq.heappush(ends, (free[worker], worker))

    for depth in range(1, AHEAD + 1):
        for worker in range(workers):
            feed(worker, depth)
    while not dispatch.done:
        end, worker = heapq.heappop(ends)
        clock, spent = max(clock, end + master.latency) + master.message / 2, spent + master.message / 2
        chunk = queues[worker].popleft()
        seconds = [naps[index].seconds for index in chunk.indices]
        dispatch.answer(worker, chunk.run, chunk.indices, seconds, 0.0)
        for depth in range(1, AHEAD + 1):
            feed(worker, depth)
    return clock, spent


def cut(episodes: int, total: int, workers: int, finest: int) -> list[int]:
    """Cut a request as `evolution.evaluation` does, or finer."""
    size = item_episodes(total, workers, finest)
    return [min(size, episodes - start) for start in range(0, episodes, size)]


def model(costs: Sequence[Sequence[float]], workers: int, master: Master, finest: int, lanes: int) -> dict[str, float]:
    """Predict 25 iterations at the papers' settings: busy share, seconds an iteration, the master's share.

    Args:
        costs: s of an item of `lanes` episodes, samples by course.
        workers: ranks but the first.
        master: what it spends.
        finest: episodes in the smallest item that the engine asks for.
        lanes: episodes that the engine runs for the price of one.
    """
    rng = np.random.default_rng(0)
    learned, elapsed, worked, spent = Costs(), 0.0, 0.0, 0.0

    def phase(groups: Sequence[tuple[int, int]], item_bytes: float) -> None:
        """Run groups of (niche, episodes)."""
        nonlocal elapsed, worked, spent
        total = sum(episodes for _, episodes in groups)
        naps = []
        for niche, episodes in groups:
            sample = costs[niche % len(costs)]
            for size in cut(episodes, total, workers, finest):
                naps.append(Nap(float(rng.choice(sample)) * -(-size // lanes), niche))
        run(naps, item_bytes)

    def run(naps: Sequence[Nap], item_bytes: float) -> None:
        nonlocal elapsed, worked, spent
        seconds, busy = play(naps, workers, master, learned, item_bytes)
        elapsed, worked, spent = elapsed + seconds, worked + sum(nap.seconds for nap in naps), spent + busy

    for _ in range(EVERY):
        phase([(niche, EPISODES) for niche in range(NICHES)], REQUEST_BYTES)
        run([Nap(GRADIENT, -1)] * NICHES, 8 * EPISODES)
        phase([(niche, SCORED) for niche in range(NICHES)], REQUEST_BYTES + THETA_BYTES)
        elapsed, spent = elapsed + SERIAL, spent + SERIAL
    meetings = [target for target in range(NICHES) for _ in range(NICHES - 1)]
    # Every worker soon holds all 40 agents: what travels is the references to them.
    phase([(target, EPISODES + SCORED) for target in meetings], REQUEST_BYTES)
    run([Nap(GRADIENT, -1)] * len(meetings), 8 * EPISODES)
    phase([(target, SCORED) for target in meetings], REQUEST_BYTES + THETA_BYTES)
    # PATA-EC of the children, spread over the iterations between two rounds of reproduction.
    judged = CHILDREN * (ARCHIVE + NICHES) * EVERY // REPRODUCTION
    phase([(agent, SCORED) for agent in range(judged)], REQUEST_BYTES + THETA_BYTES)
    return {
        "workers": workers,
        "busy": worked / (elapsed * workers),
        "seconds": elapsed / EVERY,
        "master": spent / elapsed,
    }


def job(ranks: int, *arguments: str) -> dict[str, float]:
    """Run a probe as an MPI job."""
    lines = [str(MPIRUN), *ROOT, "--oversubscribe", "--bind-to", "none", "--with-ft", "ulfm", "-n", str(ranks)]
    lines += [sys.executable, "-m", "benchmarks.cluster_probe", *arguments]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(lines, capture_output=True, text=True, timeout=600, check=False, env=variables)
    found = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not found:
        raise RuntimeError(done.stderr)
    result: dict[str, float] = json.loads(found[0].removeprefix("RESULT "))
    return result


def check(ranks: int, sample: Sequence[Sequence[float]], master: Master) -> dict[str, float]:
    """Sleep through recorded costs, stretched to a second each, on so many ranks, and predict the same."""
    rng, workers = np.random.default_rng(1), ranks - 1
    mean = float(np.mean([np.mean(course) for course in sample]))
    kinds = rng.integers(len(sample), size=8 * workers)
    naps = [Nap(float(rng.choice(sample[kind])) / mean, int(kind)) for kind in kinds]
    learned = Costs()
    for kind in range(len(sample)):
        learned.learn(Nap(0.01, kind), 0.01)
    predicted, _ = play(naps, workers, master, learned, 100)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "naps.json"
        path.write_text(json.dumps([(nap.seconds, nap.kind) for nap in naps]))
        measured = job(ranks, "naps", str(path))
    work = sum(nap.seconds for nap in naps)
    return {**measured, "predicted_seconds": predicted, "predicted_busy": work / predicted / workers}


def main() -> None:
    """Measure, model, check, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="write JSON to standard output")
    parser.add_argument("--ranks", default="64,256", help="sizes of the jobs that check the model; empty for none")
    options = parser.parse_args()
    times = {ranks: job(ranks, "walker", "128")["seconds"] for ranks in (2, 3)}
    spent = job(2, "master", "")
    master = Master(1e-6 * spent["message_us"], 1e-6 * spent["item_us"], 1e-9 * spent["byte_ns"])
    recorded = record()
    native = [[seconds for seconds, _ in course] for course in recorded]
    # The reference engine's items: the same steps, one episode after another, at its speed on this machine's like.
    reference = [[steps / 16 / 4400 for _, steps in course] for course in recorded]
    sizes = (16, 64, 256, 1000, 2000)
    found = {
        "efficiency_2_workers": times[2] / times[3] / 2,
        "seconds_by_workers": {ranks - 1: seconds for ranks, seconds in times.items()},
        "master": spent,
        "item_ms": [1000 * float(np.mean(course)) for course in native],
        "model_native": [model(native, workers, master, finest=16, lanes=16) for workers in sizes],
        "model_reference": [model(reference, workers, master, finest=2, lanes=1) for workers in sizes],
        "check": [check(int(ranks), native, master) for ranks in options.ranks.split(",") if ranks],
    }
    print(json.dumps(found, indent=2) if options.json else table(found))


def table(found: dict[str, Any]) -> str:
    """Lay the findings out for people."""
    spent = found["master"]
    lines = [
        f"efficiency from 1 to 2 workers  {found['efficiency_2_workers']:.2f}",
        f"master: {spent['message_us']:.0f} us a message each way, {spent['item_us']:.1f} us an item, "
        f"{spent['byte_ns']:.2f} ns a byte, {100 * spent['idle_share']:.1f}% of a core waiting",
    ]
    for name, rows in found.items():
        if name.startswith("model_"):
            lines.append(f"{name.removeprefix('model_')} engine")
            lines += [
                f"  {row['workers']:5.0f} workers  {100 * row['busy']:5.1f}% busy  {row['seconds']:8.3f} s an iteration"
                f"  master {100 * row['master']:5.1f}%"
                for row in rows
            ]
    lines += [
        f"check: {row['workers']:.0f} workers asleep: {100 * row['busy']:.1f}% busy, predicted "
        f"{100 * row['predicted_busy']:.1f}%; master {100 * row['processor'] / row['seconds']:.1f}% of a core"
        for row in found["check"]
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
