"""What the ranks of `benchmarks.cluster_scaling` run under mpirun: one measurement, named on the command line.

Ranks that only sleep import neither NumPy nor a simulator, so that hundreds fit on one machine.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from cluster import dispatch, mpi
from cluster.executor import run
from cluster.launch import launched

FIGURES = 16  # returns, lengths and outcomes that an item of so many episodes gives back


@dataclass(frozen=True, slots=True)
class Nap:
    """An item that takes its time and no core."""

    seconds: float
    kind: int

    @property
    def amount(self) -> float:
        """Like episodes, all naps of a kind are expected to take the same."""
        return 1.0

    def __call__(self) -> bytes:
        time.sleep(self.seconds)
        return bytes(13 * FIGURES)


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """An item that carries data and does nothing."""

    data: bytes

    shared: ClassVar = ("data",)

    def __call__(self) -> bytes:
        return bytes(13 * FIGURES)


def naps(ranks: mpi.Ranks, path: str) -> dict[str, float]:
    """Sleep through recorded costs; the share of the workers' time that was work."""
    items = [Nap(seconds, kind) for seconds, kind in json.loads(Path(path).read_text(encoding="utf-8"))]
    run(ranks, [Nap(0.01, -1)] * (4 * ranks.workers))  # everybody is up
    run(ranks, [Nap(0.01, kind) for kind in {item.kind for item in items}])
    elapsed, processor = _timed(lambda: run(ranks, items))
    work = sum(item.seconds for item in items)
    return {
        "workers": ranks.workers,
        "seconds": elapsed,
        "processor": processor,
        "busy": work / elapsed / ranks.workers,
    }


def master(ranks: mpi.Ranks, _: str) -> dict[str, float]:
    """The master's processor time for a message each way, an item and a byte."""
    wait = 2.0
    _, idle = _timed(lambda: run(ranks, [Nap(wait, 0)]))
    blank = Load(b"")
    run(ranks, [blank] * 2000)
    trips = 200
    elapsed, _ = _timed(lambda: [run(ranks, [blank]) for _ in range(trips)])
    many = 20_000
    _, together = _timed(lambda: run(ranks, [blank] * many))
    megabytes = 64
    heavy = [Load(number.to_bytes(4, "big") * 2**18) for number in range(megabytes)]
    _, carried = _timed(lambda: run(ranks, heavy))
    # Every item by itself, and always an answer on its way: the more there is to do, the less the master polls in vain.
    dispatch.CHUNK_ITEMS = 1
    alone = 5000
    _, single = _timed(lambda: run(ranks, [blank] * alone))
    return {
        "idle_share": idle / wait,
        "message_us": 1e6 * single / alone,
        "round_trip_us": 1e6 * elapsed / trips,
        "item_us": 1e6 * together / many,
        "byte_ns": 1e9 * carried / (megabytes * 2**20),
    }


def walker(ranks: mpi.Ranks, episodes: str) -> dict[str, float]:
    """Seconds for an ES step's episodes of walkers, the fastest of several."""
    from benchmarks.cluster_scaling import requests  # noqa: PLC0415 - brings the simulator
    from evolution.evaluator import Evaluator  # noqa: PLC0415

    evaluator = Evaluator(requests(1)[0].simulation, ranks)
    work = requests(int(episodes) // 2)
    evaluator.run("warm up", work)
    return {"seconds": min(_timed(lambda: evaluator.run("optimise", work))[0] for _ in range(5))}


def _timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Wall-clock and processor seconds of this rank."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, spent


PROBES: dict[str, Callable[[mpi.Ranks, str], dict[str, float]]] = {"naps": naps, "master": master, "walker": walker}


def main(arguments: Sequence[str]) -> None:
    """Be a worker, or the master that measures."""
    launch = launched()
    if launch is None:
        sys.exit("run this under mpirun; see benchmarks.cluster_scaling")
    if launch.serves:
        mpi.serve(launch)
    ranks = mpi.Ranks(launch)
    print(f"RESULT {json.dumps(PROBES[arguments[0]](ranks, arguments[1]))}")
    ranks.close()
    ranks.leave(0)


if __name__ == "__main__":
    main(sys.argv[1:])
