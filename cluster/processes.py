"""Work items on this machine's cores: one process each, fed over a pipe of its own.

A worker that dies is replaced and its items run again elsewhere. A worker
whose master dies reads the end of its pipe and leaves: no orphans.
"""

from __future__ import annotations

import heapq
import logging
import multiprocessing
import os
import pickle
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, islice
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

from cluster.executor import (
    LEAST,
    Failure,
    WorkersError,
    WorkItem,
    answers,
    goes_together,
    room_for,
    work,
)

logger = logging.getLogger(__name__)

MOST_WORKERS = 1024  # processes of one machine
AHEAD = 2  # items at a worker, so that none waits for a round trip
ATTEMPTS = 3  # deaths of a worker that one item may be charged with
GREETING = None  # in place of results
CREW = "POET_CREW"  # a variable that names the workers of this machine that belong together, to themselves
STILLBIRTHS = 10  # in a row, after which it is no use to try again
HELD_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
CHILD_VARIABLES = {
    # Processes are the parallelism.
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    # They start as `python -c`, which would import what it needs to start from the working folder, whoever wrote it;
    # then they take over their parent's path.
    "PYTHONSAFEPATH": "1",
}


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    tickets: deque[list[int]] = field(default_factory=deque)  # of items sent together and not yet answered, in order
    started: bool = False
    room: float = 0.0  # work that it had best take at once; see `cluster.executor`
    rate: float = 0.0  # work a second, as measured; 0 before


@dataclass
class _Task:
    """An item under way."""

    item: WorkItem[Any]
    urgency: int
    deaths: int = 0  # of workers that it is charged with
    alone: bool = False  # a worker ended while it ran this together with others


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Processes:
    """Runs items in `workers` processes of this machine; one per core by default."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or cores()
        self._context = multiprocessing.get_context("spawn")
        self._pool = [self._hire() for _ in range(self.workers)]
        self._tickets = count()
        self._tasks: dict[int, _Task] = {}  # by ticket, until there is a result
        self._waiting: list[tuple[int, int]] = []  # a heap: urgency, ticket
        self._results: list[tuple[int, Any]] = []  # not collected yet
        self._stillborn = 0  # workers that died before they greeted, since one last did

    def submit(self, items: Sequence[WorkItem[Any]], urgency: int = 0) -> Sequence[int]:
        """Take on items; see `Executor.submit`."""
        tickets = list(islice(self._tickets, len(items)))
        for ticket, item in zip(tickets, items, strict=True):
            self._tasks[ticket] = _Task(item, urgency)
            heapq.heappush(self._waiting, (urgency, ticket))
        self._feed()
        return tickets

    def collect(self) -> Sequence[tuple[int, Any]]:
        """Wait for results; see `Executor.collect`."""
        while self._tasks and not self._results:
            self._feed()
            ready = wait([worker.pipe for worker in self._pool])
            for worker in list(self._pool):
                if worker.pipe in ready:
                    self._receive(worker)
        found, self._results = self._results, []
        return found

    def abandon(self) -> None:
        """Forget what was not collected; what a worker is at, it ends in vain."""
        self._tasks.clear()
        self._waiting.clear()
        self._results.clear()

    def close(self) -> None:
        """Tell every worker to leave, and make those leave that are still busy."""
        for worker in self._pool:
            worker.pipe.close()
            worker.process.terminate()
        for worker in self._pool:
            worker.process.join()
        self._pool = []

    def _hire(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
        with _child_variables(), _interrupts_held(), _main_hidden():
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def _feed(self) -> None:
        for depth in range(1, AHEAD + 1):
            for worker in list(self._pool):
                if self._waiting and len(worker.tickets) < depth:
                    tickets = self._next(worker)
                    worker.tickets.append(tickets)
                    try:
                        items = [self._tasks[ticket].item for ticket in tickets]
                        worker.pipe.send([pickle.dumps(item, pickle.HIGHEST_PROTOCOL) for item in items])
                    except OSError:
                        self._replace(worker)

    def _next(self, worker: _Worker) -> list[int]:
        """Take what a worker runs next: an item, or its share of what waits if it has room for much at once."""
        _, ticket = heapq.heappop(self._waiting)
        tickets = [ticket]
        if not worker.room or not self._joins(ticket):
            return tickets
        share = worker.room
        if worker.rate:
            waiting = sum(work(self._tasks[each].item) for _, each in self._waiting) + work(self._tasks[ticket].item)
            fair = waiting * worker.rate / sum(other.rate for other in self._pool)
            share = min(share, max(fair, LEAST * worker.room))
        left = share - work(self._tasks[ticket].item)
        while self._waiting and self._joins(each := self._waiting[0][1]) and work(self._tasks[each].item) <= left:
            heapq.heappop(self._waiting)
            tickets.append(each)
            left -= work(self._tasks[each].item)
        return tickets

    def _joins(self, ticket: int) -> bool:
        task = self._tasks[ticket]
        return goes_together(task.item) and not task.alone

    def _receive(self, worker: _Worker) -> None:
        try:
            results, seconds, room = worker.pipe.recv()
        except (EOFError, OSError):
            self._replace(worker)
            return
        if results is GREETING:
            worker.started, self._stillborn = True, 0
            return
        done = 0.0
        for ticket, result in zip(worker.tickets.popleft(), results, strict=True):
            task = self._tasks.pop(ticket, None)
            if task is not None:  # else it was abandoned
                self._results.append((ticket, result))
                done += work(task.item)
        worker.room = room
        if done and seconds and done >= LEAST * room:
            worker.rate = done / seconds

    def _replace(self, worker: _Worker) -> None:
        worker.process.join()
        self._stillborn += not worker.started
        if self._stillborn == STILLBIRTHS:
            raise WorkersError(f"{STILLBIRTHS} workers ended while starting, the last with {worker.process.exitcode}")
        logger.warning("replaced worker pid=%s exitcode=%s", worker.process.pid, worker.process.exitcode)
        worker.pipe.close()
        self._pool[self._pool.index(worker)] = self._hire()
        lost = [ticket for tickets in worker.tickets for ticket in tickets if ticket in self._tasks]
        at = worker.tickets[0] if worker.tickets else []
        if worker.started and len(at) == 1 and at[0] in self._tasks:
            self._charge(at[0])
        for ticket in at:
            if ticket in self._tasks and len(at) > 1:  # which of them it was shows when each runs alone
                self._tasks[ticket].alone = True
        for ticket in lost:
            if ticket in self._tasks:
                heapq.heappush(self._waiting, (self._tasks[ticket].urgency, ticket))

    def _charge(self, ticket: int) -> None:
        """Hold a worker's end against the item that it was at, and give the item up if it ended others before."""
        task = self._tasks[ticket]
        task.deaths += 1
        if task.deaths == ATTEMPTS:
            del self._tasks[ticket]
            self._results.append((ticket, Failure(str(task.item), f"it ended its worker {ATTEMPTS} times")))


@contextmanager
def _child_variables() -> Iterator[None]:
    """Start a child whose libraries keep to one thread and which imports nothing from the working folder."""
    variables = CHILD_VARIABLES | {CREW: os.environ.get(CREW, str(os.getpid()))}  # a rank's child is of the rank's crew
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Start a child whole, and so that Ctrl-C and SIGUSR1 cannot hit it before it has said what it does about it."""
    resource_tracker.ensure_running()  # else the first start would start it, which unblocks signals
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _main_hidden() -> Iterator[None]:
    """Start a child that does not run the caller's script again, whose work would be done once more in each.

    So an item must be importable: one whose class stands in the script itself is not.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _serve(pipe: Connection) -> None:
    """Answer items until the master hangs up."""
    # Ctrl-C and schedulers' warnings go to the whole group; the master alone decides what they mean.
    for number in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_SIGNALS)
    try:
        pipe.send((GREETING, 0.0, 0.0))  # whatever ends this worker from now on is an item's doing
        while True:
            pickled, started = pipe.recv(), time.monotonic()
            try:
                results, room = _answers(pickled)
            except (MemoryError, OSError):
                os._exit(1)  # the machine's fault, not the item's: it may run elsewhere
            seconds = time.monotonic() - started
            pipe.send((results, seconds, room))
    except (EOFError, OSError):
        return


def _answers(pickled: list[bytes]) -> tuple[list[Any], float]:
    """Give the results of items, one that cannot be read among them a `Failure`, and what there is room for."""
    try:
        items = [pickle.loads(each) for each in pickled]
    except (MemoryError, OSError):
        raise
    except Exception:
        if len(pickled) == 1:
            return [Failure("an item that could not be read", traceback.format_exc())], 0.0
        return [result for each in pickled for result in _answers([each])[0]], 0.0
    return answers(items), room_for(items[0])
