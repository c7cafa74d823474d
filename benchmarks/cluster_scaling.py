"""How many workers one master feeds: `python -m benchmarks.cluster_scaling [--json] [--ranks 64,256]`.

Measured: efficiency from 1 to 2 workers on walkers, and the master's processor
time for a message, an item and a byte. Modelled from these, with a run's own code
against a simulated clock (`benchmarks.cluster_model`): the share of the
workers' time that is work, at the papers' settings. Checked: the same
model against real jobs of 64 and 256 ranks on this machine that sleep through
recorded costs.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cluster_model import Master, Prices, Simulated, model
from benchmarks.cluster_probe import Load, Nap
from cluster.executor import run
from cluster.parcels import Ledger, Sharing
from environments.domain import Environment
from evolution.optimisers.es import GradientRequest
from evolution.requests import PerturbationRequest, Simulation

WALKER = Path(__file__).parent / "walker.npy"
MPIRUN = Path(sys.executable).with_name("mpirun")
ROOT = ["--allow-run-as-root"] if os.geteuid() == 0 else []

SIZES = (2, 4, 8, 16, 32, 64)  # episodes in an item


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


def record(pairs: int = 64) -> Prices:
    """Time items of several sizes in each course, and a gradient; processor time, whatever else this machine does."""
    episodes = {}
    for size in SIZES:
        episodes[size] = [
            [_seconds(item) for item in list(request.split(size))[: max(3, 64 // size)]] for request in requests(pairs)
        ]
    returns = np.random.default_rng(0).standard_normal((256, 2))
    gradient = GradientRequest(seed=0, key=(0,), size=2804, sigma=0.05, returns=returns)
    return Prices(episodes, float(np.mean([_seconds(gradient) for _ in range(10)])))


def _seconds(item: Callable[[], Any]) -> float:
    started = time.process_time()
    item()
    return time.process_time() - started


def handling() -> float:
    """Give the processor time to pickle a real item and to read its result, by itself, beyond that for a blank one."""
    real = [item for request in requests(256) for item in request.split(16)]
    blank = [Load(b"")] * len(real)

    def handle(items: Sequence[Any], answer: bytes) -> None:
        sharing, ledger = Sharing(), Ledger()
        for item in items:
            ledger.parcel([item], sharing)
            pickle.loads(answer)

    answers = [pickle.dumps(items[0]()) for items in (real, blank)]
    times = [
        min(_seconds(partial(handle, items, answer)) for _ in range(20))
        for items, answer in zip((real, blank), answers, strict=True)
    ]
    return (times[0] - times[1]) / len(real)


def one_by_one(prices: Prices) -> Prices:
    """Give the prices of an engine that runs one episode at a time, at 4,400 steps a second."""
    steps = [float(request().lengths.mean()) for request in requests(16)]
    return replace(prices, episodes={size: [[size * mean / 4400] for mean in steps] for size in prices.episodes})


def job(ranks: int, *arguments: str) -> dict[str, float]:
    """Run a probe as an MPI job."""
    lines = [str(MPIRUN), *ROOT, "--oversubscribe", "--bind-to", "none", "--with-ft", "ulfm", "-n", str(ranks)]
    lines += [sys.executable, "-m", "benchmarks.cluster_probe", *arguments]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(lines, capture_output=True, encoding="utf-8", timeout=600, check=False, env=variables)
    found = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not found:
        raise RuntimeError(done.stderr)
    result: dict[str, float] = json.loads(found[0].removeprefix("RESULT "))
    return result


def check(ranks: int, prices: Prices, master: Master) -> dict[str, float]:
    """Sleep through recorded costs, stretched to a second each, on so many ranks, and predict the same."""
    rng, workers = np.random.default_rng(1), ranks - 1
    courses = prices.episodes[16]
    mean = float(np.mean([np.mean(course) for course in courses]))
    kinds = rng.integers(len(courses), size=8 * workers)
    naps = [Nap(float(rng.choice(courses[kind])) / mean, int(kind)) for kind in kinds]
    simulated = Simulated(workers, master, prices)
    run(simulated, [Nap(0.01, kind) for kind in range(len(courses))])
    begun = simulated.clock
    run(simulated, naps)
    predicted = simulated.clock - begun
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "naps.json"
        path.write_text(json.dumps([(nap.seconds, nap.kind) for nap in naps]), encoding="utf-8")
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
    spent = job(4, "master", "")
    spent["item_us"] += 1e6 * handling()
    master = Master(1e-6 * spent["message_us"], 1e-6 * spent["item_us"], 1e-9 * spent["byte_ns"])
    prices = record()
    workers = (16, 64, 256, 500, 1000, 2000)
    found = {
        "efficiency_2_workers": times[2] / times[3] / 2,
        "seconds_by_workers": {ranks - 1: seconds for ranks, seconds in times.items()},
        "master": spent,
        "item_ms": {size: 1000 * float(np.mean(courses)) for size, courses in prices.episodes.items()},
        "gradient_ms": 1000 * prices.gradient,
        "model_native": [model(number, master, prices, "native") for number in workers],
        "model_reference": [model(number, master, one_by_one(prices), "reference") for number in workers],
        "check": [check(int(ranks), prices, master) for ranks in options.ranks.split(",") if ranks],
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
