"""A run at the papers' settings on workers that exist in a simulated clock alone.

The outer loop, the evaluator, the scheduler and the archive are those of a real
run. Work items take the time that others like them were measured to take, and
give back figures that mean nothing; the master takes the time that it really
takes, and what its messages were measured to cost.
"""

from __future__ import annotations

import heapq
import tempfile
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cluster_probe import Nap
from cluster.costs import Costs
from cluster.dispatch import Chunk, Dispatch, Patience
from environments.domain import Environment, Outcome, Rollouts
from evolution.evaluator import Evaluator
from evolution.optimisers.es import GradientRequest, Learner
from evolution.requests import Item
from poet.algorithm import evolve
from poet.archive.store import Archive
from poet.config import Config, build, read_preset
from poet.population import Niche, Pair, Population, initial_theta

# The papers' settings (arXiv:1901.01753, arXiv:2003.08536).
NICHES, EVERY, ARCHIVE, REPRODUCTION, CHILDREN = 40, 25, 500, 150, 8
THETA_BYTES, REQUEST_BYTES = 4 * 2804, 600
SYNC = 0.005  # s that a commit waits for the disk


@dataclass(frozen=True, slots=True)
class Master:
    """What the master spends, and how long a message is under way."""

    message: float  # s, one sent and one received
    item: float  # s
    byte: float  # s
    latency: float = 1e-3  # s, most of it until the next poll


@dataclass(frozen=True, slots=True)
class Prices:
    """What work items took."""

    episodes: Mapping[int, Sequence[Sequence[float]]]  # s by size of the item and by course, some samples
    gradient: float  # s

    def of(self, item: Any, rng: np.random.Generator) -> float:
        """Draw what an item takes; between the sizes measured, in proportion, above them as several."""
        if isinstance(item, Nap):
            return item.seconds
        if isinstance(item, GradientRequest):
            return self.gradient
        sizes = sorted(self.episodes)
        above = min(bisect_left(sizes, item.episodes), len(sizes) - 1)
        around = sizes[max(above - 1, 0) : above + 1]
        draws = []
        for size in around:
            courses, total = self.episodes[size], 0.0
            for part in item.parts:
                sample = courses[part.environment.seed % len(courses)]
                total += part.episodes * sample[rng.integers(len(sample))]
            draws.append(total / item.episodes)
        return float(np.interp(item.episodes, around, draws)) * max(1.0, item.episodes / sizes[-1])


class Simulated:
    """An executor whose workers only let a simulated clock go on."""

    def __init__(self, workers: int, master: Master, prices: Prices) -> None:
        self.workers = workers
        self.clock = self.worked = self.spent = 0.0
        self._master, self._prices = master, prices
        self._dispatch = Dispatch(range(workers), Costs(), Patience(unknown=1e9, floor=1e9))
        self._rng = np.random.default_rng(0)
        self._free = [0.0] * workers
        self._queues: list[deque[tuple[Chunk, list[float]]]] = [deque() for _ in range(workers)]
        self._ends: list[tuple[float, int]] = []
        self._left = time.process_time()

    def submit(self, items: Sequence[Any], urgency: int = 0) -> Sequence[int]:
        """Take on items; see `Executor.submit`."""
        self._enter()
        tickets = self._dispatch.submit(items, urgency)
        self._feed()
        self._left = time.process_time()
        return tickets

    def collect(self) -> Sequence[tuple[int, Any]]:
        """Let the clock go on to the next answer; see `Executor.collect`."""
        self._enter()
        found: list[tuple[int, Any]] = []
        while not found and not self._dispatch.done:
            end, worker = heapq.heappop(self._ends)
            self.clock = max(self.clock, end + self._master.latency)
            self._spend(self._master.message / 2)
            chunk, seconds = self._queues[worker].popleft()
            results = [self._result(self._dispatch.tasks[ticket].item) for ticket in chunk.tickets]
            self._dispatch.answer(worker, results, seconds, self.clock)
            self._feed()
            found = self._dispatch.collect()
        self._left = time.process_time()
        return found

    def abandon(self) -> None:
        """Forget what was not collected."""
        self._dispatch.abandon()

    def close(self) -> None:
        """Nothing to let go of."""

    def wait(self, seconds: float) -> None:
        """Let the master wait, as for a disk."""
        self._spend(seconds)

    def _enter(self) -> None:
        """Charge the master for what it did since it was here last."""
        self._spend(time.process_time() - self._left)

    def _spend(self, seconds: float) -> None:
        self.clock += seconds
        self.spent += seconds

    def _feed(self) -> None:
        while (handed := self._dispatch.next(self.clock)) is not None:
            worker, chunk = handed
            items = [self._dispatch.tasks[ticket].item for ticket in chunk.tickets]
            size = sum(_bytes(item) for item in items)
            size += THETA_BYTES  # of a worker that has not met this agent yet
            self._spend(self._master.message / 2 + len(items) * self._master.item + size * self._master.byte)
            seconds = [self._prices.of(item, self._rng) for item in items]
            self.worked += sum(seconds)
            self._free[worker] = max(self._free[worker], self.clock + self._master.latency) + sum(seconds)
            self._queues[worker].append((chunk, seconds))
            heapq.heappush(self._ends, (self._free[worker], worker))

    def _result(self, item: Any) -> Any:
        if isinstance(item, Nap):
            return None
        if isinstance(item, GradientRequest):
            return self._rng.standard_normal(item.size)
        n = item.episodes
        return Rollouts(self._rng.normal(100, 50, n), np.full(n, 1000, np.int32), np.full(n, Outcome.FELL, np.int8))


def _bytes(item: Any) -> int:
    if isinstance(item, GradientRequest):
        return 8 * item.returns.size
    return REQUEST_BYTES * len(item.parts) if isinstance(item, Item) else REQUEST_BYTES


def population(config: Config, theta: np.ndarray[Any, np.dtype[np.float64]]) -> Population:
    """Make a population as large as the papers', before its second iteration."""
    encoding = config.make_encoding()
    places = [
        Environment(domain=config.domain, encoding=encoding.name, genome=encoding.initial(), seed=number)
        for number in range(NICHES)
    ]
    niches = [Niche(number, place, 0 if number else None, 0) for number, place in enumerate(places)]
    pairs = [Pair(niche, Learner.fresh(theta, config.es).state(), 0.0) for niche in niches]
    return Population(1, tuple(pairs), tuple(niches))


def model(workers: int, master: Master, prices: Prices, engine: str) -> dict[str, float]:
    """Predict 25 iterations and their transfers, and the share of PATA-EC that falls to them.

    Returns:
        busy: share of the workers' time that is work; seconds: an iteration, transfers and PATA-EC included;
        master: share of the time that it works.
    """
    table = {**read_preset("original"), "iterations": EVERY + 1, "engine": engine}
    config = build(table, "model")
    simulated = Simulated(workers, master, prices)
    evaluator = Evaluator(config.simulation(), simulated)
    theta = initial_theta(config)
    now = population(config, theta)
    with tempfile.TemporaryDirectory() as folder:
        archive = Archive.create(Path(folder) / "run", config, now)
        for later, journal in evolve(now, config, evaluator):
            archive.commit(later, journal, 1.0, workers)
            simulated.wait(SYNC)
            now = later
        archive.close()
    judged = CHILDREN * (ARCHIVE + NICHES) * EVERY // REPRODUCTION
    pairs = [now.pairs[number % NICHES] for number in range(judged)]
    evaluator.run(
        "novelty",
        [
            evaluator.score_request(pair.learner.theta, pair.niche.environment, (9, number), config.episodes_per_score)
            for number, pair in enumerate(pairs)
        ],
    )
    return {
        "workers": workers,
        "busy": simulated.worked / (simulated.clock * workers),
        "seconds": simulated.clock / EVERY,
        "master": simulated.spent / simulated.clock,
    }
