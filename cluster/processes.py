"""Work items on this machine's cores: one process each, fed over a pipe of its own.

A worker that dies is replaced and its items run again elsewhere. A worker
whose master dies reads the end of its pipe and leaves: no orphans.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import traceback
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from cluster.executor import Failure, Progress, WorkersError, WorkItem

logger = logging.getLogger(__name__)

T = TypeVar("T")

AHEAD = 2  # items at a worker, so that none waits for a round trip
ATTEMPTS = 3  # deaths of a worker that one item may be charged with
GREETING = 0  # in place of a run's number, which start at 1
STILLBIRTHS = 10  # in a row, after which it is no use to try again
HELD_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    # (run number, index) of items sent and not yet answered; it works on the first.
    items: deque[tuple[int, int]] = field(default_factory=deque)
    started: bool = False


@dataclass
class _Round:
    """One call of `run`: what is still to do, what came back."""

    items: Sequence[WorkItem[Any]]
    waiting: deque[int]
    results: dict[int, Any] = field(default_factory=dict)
    deaths: Counter[int] = field(default_factory=Counter)


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Processes:
    """Runs items in `workers` processes of this machine; one per core by default."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or cores()
        self._context = multiprocessing.get_context("spawn")
        self._pool = [self._hire() for _ in range(self.workers)]
        self._run_number = 0
        self._stillborn = 0  # workers that died before they greeted, since one last did

    def run(self, items: Sequence[WorkItem[T]], progress: Progress | None = None) -> list[T | Failure]:
        """Run every item and return the results in order; see `Executor.run`."""
        self._run_number += 1
        work = _Round(items, deque(range(len(items))))
        while len(work.results) < len(items):
            self._feed(work)
            ready = wait([worker.pipe for worker in self._pool])
            for worker in list(self._pool):
                if worker.pipe in ready:
                    self._receive(worker, work)
            if progress is not None:
                progress(len(work.results))
        return [work.results[index] for index in range(len(items))]

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
        with _single_threaded(), _interrupts_held():
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def _feed(self, work: _Round) -> None:
        for depth in range(1, AHEAD + 1):
            for worker in list(self._pool):
                if work.waiting and len(worker.items) < depth:
                    index = work.waiting.popleft()
                    worker.items.append((self._run_number, index))
                    try:
                        worker.pipe.send((self._run_number, index, work.items[index]))
                    except OSError:
                        self._replace(worker, work)

    def _receive(self, worker: _Worker, work: _Round) -> None:
        try:
            run_number, index, result, failure = worker.pipe.recv()
        except (EOFError, OSError):
            self._replace(worker, work)
            return
        if run_number == GREETING:
            worker.started, self._stillborn = True, 0
            return
        worker.items.popleft()
        if run_number != self._run_number:
            return  # an answer to a run that was given up
        work.results[index] = result if failure is None else Failure(str(work.items[index]), failure)

    def _replace(self, worker: _Worker, work: _Round) -> None:
        worker.process.join()
        self._stillborn += not worker.started
        if self._stillborn == STILLBIRTHS:
            raise WorkersError(f"{STILLBIRTHS} workers ended while starting, the last with {worker.process.exitcode}")
        logger.warning("replaced worker pid=%s exitcode=%s", worker.process.pid, worker.process.exitcode)
        worker.pipe.close()
        self._pool[self._pool.index(worker)] = self._hire()
        lost = [index for run_number, index in worker.items if run_number == self._run_number]
        work.waiting.extendleft(reversed(lost))
        if worker.started and lost:
            work.deaths[lost[0]] += 1
            if work.deaths[lost[0]] == ATTEMPTS:
                work.waiting.popleft()
                work.results[lost[0]] = Failure(str(work.items[lost[0]]), f"it ended its worker {ATTEMPTS} times")


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Start a child whose numerical libraries keep to one thread: processes are the parallelism."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
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


def _serve(pipe: Connection) -> None:
    """Answer items until the master hangs up."""
    # Ctrl-C and schedulers' warnings go to the whole group; the master alone decides what they mean.
    for number in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_SIGNALS)
    try:
        pipe.send((GREETING, 0, None, None))  # whatever ends this worker from now on is an item's doing
        while True:
            run_number, index, item = pipe.recv()
            result, failure = None, None
            try:
                result = item()
            except (MemoryError, OSError):
                os._exit(1)  # the machine's fault, not the item's: it may run elsewhere
            except Exception:
                failure = traceback.format_exc()
            pipe.send((run_number, index, result, failure))
    except (EOFError, OSError):
        return
