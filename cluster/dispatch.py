"""Who runs what: the master's book of items, chunks and workers, apart from any transport.

Items go out largest expected cost first, in chunks that shrink as the end of a
run nears (guided self-scheduling, Polychronopoulos and Kuck 1987), with one
chunk queued ahead at every worker. What a lost worker held is handed out
again, as is what a worker holds too long; the first answer to an item counts.
"""

from __future__ import annotations

import logging
import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cluster.costs import Costs
from cluster.executor import Failure, WorkItem

logger = logging.getLogger(__name__)

AHEAD = 2  # chunks at a worker: one that it works on, one queued
SHARE = 4  # a chunk is at most this part of a worker's share of what is left
CHUNK_SECONDS = (0.02, 2.0)  # below, messages cost too much; above, a loss does
CHUNK_ITEMS = 256
ATTEMPTS = 3  # workers that one item may make hang


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer may take before its worker counts as hanging."""

    factor: float = 20.0  # times the expected cost
    floor: float = 60.0  # s, on top of that
    unknown: float = 900.0  # s, before anything was measured

    def limit(self, expected: float | None) -> float:
        """Give the seconds after which a chunk is run elsewhere."""
        return self.unknown if expected is None else self.floor + self.factor * expected


@dataclass(frozen=True, slots=True)
class Chunk:
    """Items that go to a worker together."""

    run: int  # number of the call to `run`
    indices: tuple[int, ...]
    careful: bool  # run in a process apart: their worker was lost before
    limit: float  # s to wait for the answer


@dataclass
class Worker:
    """What the master knows of one worker."""

    chunks: deque[Chunk] = field(default_factory=deque)  # sent and unanswered; it works on the first
    since: float = 0.0  # when it began the first
    hangs: bool = False


class Dispatch:
    """Hands out the items of one run after another."""

    def __init__(self, workers: Iterable[int], costs: Costs, patience: Patience) -> None:
        self.workers = {worker: Worker() for worker in workers}
        self.results: dict[int, Any] = {}
        self._costs, self._patience = costs, patience
        self._run = 0
        self._items: Sequence[WorkItem[Any]] = ()
        self._waiting: deque[int] = deque()  # costliest first
        self._careful: deque[int] = deque()
        self._expected: list[float] = []
        self._left = 0.0  # s expected of what waits
        self._hangs: Counter[int] = Counter()  # by item

    def begin(self, items: Sequence[WorkItem[Any]]) -> None:
        """Start over with new items; answers to the old ones will not count."""
        self._run += 1
        self._items, self.results = items, {}
        self._hangs.clear()
        guesses = [self._costs.expect(item) for item in items]
        self._expected = [math.nan if guess is None else guess for guess in guesses]
        # Before anything is measured, the order they came in.
        order = sorted(range(len(items)), key=lambda index: -(guesses[index] or 0.0))
        self._waiting, self._careful = deque(order), deque()
        self._left = sum(guess for guess in guesses if guess is not None)

    @property
    def done(self) -> bool:
        """Whether every item has its result."""
        return len(self.results) == len(self._items)

    def hungry(self) -> list[int]:
        """Find the workers that should have more, as long as there is more."""
        if not self._waiting and not self._careful:
            return []
        return [rank for rank, held in self.workers.items() if len(held.chunks) < AHEAD and not held.hangs]

    def take(self, worker: int, depth: int, now: float) -> Chunk | None:
        """Cut the next chunk for a worker that holds fewer than `depth`, if it should have one."""
        held = self.workers[worker]
        if held.hangs or len(held.chunks) >= depth:
            return None
        chunk = self._cut()
        if chunk is not None:
            if not held.chunks:
                held.since = now
            held.chunks.append(chunk)
        return chunk

    def answer(self, worker: int, chunk: int, results: Sequence[Any], seconds: Sequence[float], now: float) -> None:
        """Take in a worker's answer to the first of its chunks, unless that belongs to an earlier run."""
        held = self.workers.get(worker)
        if held is None or not held.chunks:
            return
        first = held.chunks.popleft()
        held.since, held.hangs = now, False
        if chunk != self._run or first.run != self._run:
            return
        for index, result, spent in zip(first.indices, results, seconds, strict=True):
            self._costs.learn(self._items[index], spent)
            self.results.setdefault(index, result)

    def lose(self, worker: int) -> int:
        """Forget a worker that is no more; return how many items will be run again."""
        held = self.workers.pop(worker)
        # Any chunk may have been what ended it: the answer to the first can be lost with the worker.
        return sum(self._again(chunk, careful=True) for chunk in held.chunks)

    def overdue(self, now: float) -> list[int]:
        """Find workers that have begun to hang and give what they hold to others."""
        found = []
        for rank, held in self.workers.items():
            if held.chunks and not held.hangs and now - held.since > held.chunks[0].limit:
                held.hangs = True
                found.append(rank)
                self._charge(held.chunks[0])
                for chunk in held.chunks:
                    self._again(chunk, careful=False)
                    # Once more at the end: the next worker may be on a host that is cut off as well.
                    self._waiting.extend(index for index in chunk.indices if chunk.run == self._run)
        return found

    def postpone(self, seconds: float) -> None:
        """Move every deadline, after a time in which nobody could have met one."""
        for held in self.workers.values():
            held.since += seconds

    def _charge(self, chunk: Chunk) -> None:
        """Give up an item that no worker answers to."""
        if chunk.run == self._run and len(chunk.indices) == 1:
            (index,) = chunk.indices
            self._hangs[index] += 1
            if self._hangs[index] == ATTEMPTS:
                reason = f"{ATTEMPTS} workers did not answer within {chunk.limit:.0f} s"
                self.results.setdefault(index, Failure(str(self._items[index]), reason))

    def _again(self, chunk: Chunk, careful: bool) -> int:
        if chunk.run != self._run:
            return 0
        lost = [index for index in chunk.indices if index not in self.results]
        if careful or chunk.careful:
            self._careful.extend(lost)
        else:
            self._waiting.extendleft(reversed(lost))
            self._left += sum(self._cost(index) for index in lost)
        return len(lost)

    def _cut(self) -> Chunk | None:
        """Take the next items that should travel together."""
        if self._careful:
            index = self._careful.popleft()
            if index in self.results:
                return self._cut()
            # Starting a process apart takes a while.
            return Chunk(self._run, (index,), True, self._limit([index]) + self._patience.floor)
        low, high = CHUNK_SECONDS
        target = min(max(self._left / (SHARE * len(self.workers)), low), high)
        indices: list[int] = []
        expected = 0.0
        while self._waiting and len(indices) < CHUNK_ITEMS:
            cost = self._expected[self._waiting[0]]
            if indices and not expected + cost <= target:  # also when the cost is not known
                break
            if self._waiting[0] in indices:
                break
            index = self._waiting.popleft()
            self._left -= self._cost(index)
            if index not in self.results:
                indices.append(index)
                expected += cost
        return Chunk(self._run, tuple(indices), False, self._limit(indices)) if indices else None

    def _limit(self, indices: Sequence[int]) -> float:
        expected = sum(self._expected[index] for index in indices)
        return self._patience.limit(None if math.isnan(expected) else expected)

    def _cost(self, index: int) -> float:
        cost = self._expected[index]
        return 0.0 if math.isnan(cost) else cost


@dataclass
class Load:
    """How busy the workers were since the last report."""

    busy: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))  # s, by worker
    idle: float = 0.0  # s, of all
    items: Counter[int] = field(default_factory=Counter)

    def add(self, worker: int, busy: float, idle: float, items: int) -> None:
        """Count one chunk."""
        self.busy[worker] += busy
        self.idle += idle
        self.items[worker] += items

    def report(self, hosts: dict[int, str], seconds: float) -> str:
        """Say it in one line, with the host that took longest for an item."""
        busy = sum(self.busy.values())
        by_host: dict[str, list[float]] = {}
        for worker, items in self.items.items():
            spent = by_host.setdefault(hosts.get(worker, "?"), [0.0, 0.0])
            spent[0] += self.busy[worker]
            spent[1] += items
        share = 100 * self.idle / (busy + self.idle) if busy + self.idle else 0.0
        line = f"load: {len(hosts)} workers, {share:.0f}% idle, {sum(self.items.values()) / seconds:,.1f} items/s"
        if by_host:
            slowest = max(by_host, key=lambda host: by_host[host][0] / by_host[host][1])
            spent = by_host[slowest]
            line += f", slowest host {slowest} at {1000 * spent[0] / spent[1]:,.1f} ms an item"
        return line
