"""Who runs what: the master's book of items, chunks and workers, apart from any transport.

Items go out largest expected cost first, in chunks that shrink as the end of a
run nears (guided self-scheduling, Polychronopoulos and Kuck 1987), with one
chunk queued ahead at every worker; what is more urgent goes before all else. What a lost worker held is handed out
again, as is what a worker holds too long; the first answer to an item counts.
"""

from __future__ import annotations

import heapq
import logging
import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any

from cluster.costs import Costs
from cluster.executor import LEAST, Failure, WorkItem, goes_together, work

logger = logging.getLogger(__name__)

AHEAD = 2  # chunks at a worker: one that it works on, one queued
SHARE = 4  # a chunk is at most this part of a worker's share of what is left
CHUNK_SECONDS = (0.02, 2.0)  # below, messages cost too much; above, a loss does
CHUNK_ITEMS = 256
FIRST, LAST = -math.inf, math.inf  # urgencies of what is handed out again
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

    tickets: tuple[int, ...]
    careful: bool  # run in a process apart: their worker was lost before
    limit: float  # s to wait for the answer


@dataclass
class Worker:
    """What the master knows of one worker."""

    chunks: deque[Chunk] = field(default_factory=deque)  # sent and unanswered; it works on the first
    since: float = 0.0  # when it began the first
    hangs: bool = False
    room: float = 0.0  # work that it had best take at once; see `cluster.executor`
    speed: float | None = None  # of one with room: how often it is as fast as expected of others, once measured


@dataclass
class Task:
    """An item under way."""

    item: WorkItem[Any]
    urgency: int
    expected: float  # s; NaN before anything was measured
    hangs: int = 0  # workers that it made hang

    @property
    def cost(self) -> float:
        return 0.0 if math.isnan(self.expected) else self.expected


class Dispatch:
    """Hands out items and takes in their results; items may join at any time."""

    def __init__(self, workers: Iterable[int], costs: Costs, patience: Patience) -> None:
        self.workers = {worker: Worker() for worker in workers}
        self.tasks: dict[int, Task] = {}  # by ticket, until there is a result
        self._costs, self._patience = costs, patience
        self._tickets = count()
        self._results: list[tuple[int, Any]] = []  # not collected yet
        self._waiting: list[tuple[float, float, int]] = []  # a heap: urgency, -s expected, ticket
        self._careful: deque[int] = deque()
        self._left = 0.0  # s expected of what waits
        self._more = 0.0  # speed of the workers with room beyond one each; a sum over all would be slow with thousands
        # Workers that should have more, by how many chunks they hold: a set for each, in order.
        self._hungry: list[dict[int, None]] = [dict.fromkeys(self.workers), *({} for _ in range(AHEAD - 1))]

    def submit(self, items: Sequence[WorkItem[Any]], urgency: int) -> list[int]:
        """Take on items and return their tickets; without measurements they go in their order."""
        tickets = list(islice(self._tickets, len(items)))
        for ticket, item in zip(tickets, items, strict=True):
            guess = self._costs.expect(item)
            self.tasks[ticket] = Task(item, urgency, math.nan if guess is None else guess)
            self._wait(ticket, urgency)
        return tickets

    def collect(self) -> list[tuple[int, Any]]:
        """Give the results that came since the last time, by ticket."""
        found, self._results = self._results, []
        return found

    def abandon(self) -> None:
        """Forget every item and result; answers still to come will not count."""
        self.tasks.clear()
        self._results.clear()
        self._waiting.clear()
        self._careful.clear()
        self._left = 0.0

    @property
    def done(self) -> bool:
        """Whether every item has its result."""
        return not self.tasks

    def next(self, now: float) -> tuple[int, Chunk] | None:
        """Cut the next chunk, for one of the workers that hold least; None if nobody or nothing waits."""
        worker = next((next(iter(hungry)) for hungry in self._hungry if hungry), None)
        chunk = None if worker is None else self._cut(self.workers[worker])
        if worker is None or chunk is None:
            return None
        held = self.workers[worker]
        if not held.chunks:
            held.since = now
        held.chunks.append(chunk)
        self._note(worker)
        return worker, chunk

    def answer(
        self, worker: int, results: Sequence[Any], seconds: Sequence[float], now: float, room: float = 0.0
    ) -> None:
        """Take in a worker's answer to the first of its chunks, and how much work it had best take at once."""
        held = self.workers.get(worker)
        if held is None or not held.chunks:
            return
        first = held.chunks.popleft()
        held.since, held.hangs, held.room = now, False, room
        self._note(worker)
        # Costs are those of workers that do one item after another, as long as there are any.
        learns = not room or all(each.room for each in self.workers.values())
        if room and not learns:
            self._measure(held, first, sum(seconds))
        for ticket, result, spent in zip(first.tickets, results, seconds, strict=True):
            task = self.tasks.pop(ticket, None)
            if task is not None:  # else it was abandoned, or another worker was faster
                if learns:
                    self._costs.learn(task.item, spent)
                self._results.append((ticket, result))

    def _measure(self, held: Worker, chunk: Chunk, seconds: float) -> None:
        """Compare what a worker with room took for a chunk with what others would have."""
        expected = [self._costs.expect(self.tasks[ticket].item) for ticket in chunk.tickets if ticket in self.tasks]
        known = sum(each for each in expected if each is not None)
        done = sum(work(self.tasks[ticket].item) for ticket in chunk.tickets if ticket in self.tasks)
        if len(expected) > 1 and known > 0 and done >= LEAST * held.room:
            self._more -= self._speed(held)
            held.speed = known / max(seconds, 1e-6)
            self._more += held.speed

    def lose(self, worker: int) -> int:
        """Forget a worker that is no more; return how many items will be run again."""
        held = self.workers.pop(worker)
        self._more -= self._speed(held) - 1.0
        for hungry in self._hungry:
            hungry.pop(worker, None)
        # Any chunk may have been what ended it: the answer to the first can be lost with the worker.
        return sum(self._again(chunk, careful=True) for chunk in held.chunks)

    def overdue(self, now: float) -> list[int]:
        """Find workers that have begun to hang and give what they hold to others."""
        found = []
        for rank, held in self.workers.items():
            if held.chunks and not held.hangs and now - held.since > held.chunks[0].limit:
                held.hangs = True
                self._note(rank)
                found.append(rank)
                self._charge(held.chunks[0])
                for chunk in held.chunks:
                    self._again(chunk, careful=False)
                    # Once more at the end: the next worker may be on a host that is cut off as well.
                    for ticket in chunk.tickets:
                        self._wait(ticket, LAST)
        return found

    def postpone(self, seconds: float) -> None:
        """Move every deadline, after a time in which nobody could have met one."""
        for held in self.workers.values():
            held.since += seconds

    def _note(self, worker: int) -> None:
        """Remember how hungry a worker is."""
        held = self.workers[worker]
        for depth, hungry in enumerate(self._hungry):
            if depth == len(held.chunks) and not held.hangs:
                hungry[worker] = None
            else:
                hungry.pop(worker, None)

    def _wait(self, ticket: int, urgency: float) -> None:
        task = self.tasks.get(ticket)
        if task is not None:
            heapq.heappush(self._waiting, (urgency, -task.cost, ticket))
            self._left += task.cost

    def _charge(self, chunk: Chunk) -> None:
        """Give up an item that no worker answers to."""
        if len(chunk.tickets) != 1:
            return
        (ticket,) = chunk.tickets
        task = self.tasks.get(ticket)
        if task is None:
            return
        task.hangs += 1
        if task.hangs == ATTEMPTS:
            del self.tasks[ticket]
            reason = f"{ATTEMPTS} workers did not answer within {chunk.limit:.0f} s"
            self._results.append((ticket, Failure(str(task.item), reason)))

    def _again(self, chunk: Chunk, careful: bool) -> int:
        lost = [ticket for ticket in chunk.tickets if ticket in self.tasks]
        if careful or chunk.careful:
            self._careful.extend(lost)
        else:
            for ticket in lost:
                self._wait(ticket, FIRST)
        return len(lost)

    def _cut(self, worker: Worker) -> Chunk | None:
        """Take the next items that should travel together to a worker."""
        while self._careful:
            ticket = self._careful.popleft()
            if ticket in self.tasks:
                # Starting a process apart takes a while.
                return Chunk((ticket,), True, self._limit([ticket]) + self._patience.floor)
        speeds = max(len(self.workers) + self._more, 1e-6)
        if worker.room:
            whole = math.inf if worker.speed is None else self._left * worker.speed / speeds
            return self._cut_for_room(worker.room, whole)
        low, high = CHUNK_SECONDS
        target = min(max(self._left / (SHARE * max(speeds, 1.0)), low), high)
        tickets: list[int] = []
        expected = 0.0
        while self._waiting and len(tickets) < CHUNK_ITEMS:
            _, negative, ticket = self._waiting[0]
            task = self.tasks.get(ticket)
            if task is not None:
                # An item whose cost is not known travels alone.
                if tickets and (ticket in tickets or not expected + task.expected <= target):
                    break
                tickets.append(ticket)
                expected += task.expected
            heapq.heappop(self._waiting)
            self._left += negative
        return Chunk(tuple(tickets), False, self._limit(tickets)) if tickets else None

    def _cut_for_room(self, room: float, target: float) -> Chunk | None:
        """Take as much work as a worker has room for and is its share, in items that may run together."""
        tickets: list[int] = []
        taken: set[int] = set()
        expected, rest = 0.0, (1 - LEAST) * room  # rest: what may stay free of a worker that gets the least
        while self._waiting:
            _, negative, ticket = self._waiting[0]
            task = self.tasks.get(ticket)
            if ticket in taken:
                break  # handed out again: it goes to another as well
            if task is not None:
                is_share = expected + task.cost <= target or room - work(task.item) >= rest
                joins = goes_together(task.item) and work(task.item) <= room and is_share
                if tickets and not joins:
                    break
                taken.add(ticket)
                tickets.append(ticket)
                expected += task.cost
                room = room - work(task.item) if goes_together(task.item) else 0.0
            heapq.heappop(self._waiting)
            self._left += negative
        return Chunk(tuple(tickets), False, self._limit(tickets)) if tickets else None

    @staticmethod
    def _speed(worker: Worker) -> float:
        return 1.0 if worker.speed is None else worker.speed

    def _limit(self, tickets: Sequence[int]) -> float:
        expected = sum(self.tasks[ticket].expected for ticket in tickets)
        return self._patience.limit(None if math.isnan(expected) else expected)


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

    def report(self, hosts: dict[int, str], workers: int, seconds: float) -> str:
        """Say it in one line, with how many workers are left and the host that took longest for an item."""
        busy = sum(self.busy.values())
        by_host: dict[str, list[float]] = {}
        for worker, items in self.items.items():
            spent = by_host.setdefault(hosts.get(worker, "?"), [0.0, 0.0])
            spent[0] += self.busy[worker]
            spent[1] += items
        share = 100 * self.idle / (busy + self.idle) if busy + self.idle else 0.0
        line = f"load: {workers} workers, {share:.0f}% idle, {sum(self.items.values()) / seconds:,.1f} items/s"
        if by_host:
            slowest = max(by_host, key=lambda host: by_host[host][0] / by_host[host][1])
            spent = by_host[slowest]
            line += f", slowest host {slowest} at {1000 * spent[0] / spent[1]:,.1f} ms an item"
        return line
