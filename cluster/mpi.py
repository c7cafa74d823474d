"""Work items on the ranks of an MPI job: rank 0 is the master, the others serve.

One message carries a chunk of items to a worker, one its results back; both
are pickled (cluster/parcels.py) and sent as bytes. With fault tolerance in the
MPI library (ULFM: `mpirun --with-ft ulfm`) the loss of workers costs only
their unanswered items, which run elsewhere. The loss of the master ends every
worker. Scheduling is in cluster/dispatch.py; this file moves bytes.

The one file that imports mpi4py, and only once a rank connects.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import pickle
import queue
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from cluster.costs import Costs
from cluster.dispatch import AHEAD, Dispatch, Load, Patience
from cluster.executor import (
    Executor,
    Failure,
    InProcess,
    WorkersError,
    WorkItem,
    answers,
    failure,
    room_for,
    run,
    work,
)
from cluster.launch import Launch, LaunchError
from cluster.parcels import PROTOCOL, Ledger, Sharing, Store
from cluster.processes import CREW, Processes
from cluster.starting import watched

logger = logging.getLogger(__name__)

WORK, GREETING, ANSWER, STOP, READY, LEAVE = range(1, 7)  # tags; the last three in this order at the end
MASTER = 0
PAUSES = (5e-5, 2e-3)  # s between polls while nothing comes: at first, at most
QUEUED_PAUSE = 2e-2  # s between polls of a worker that has its next chunk
CHECK_SECONDS = 0.1  # between looks for lost and hanging workers
REPORT_SECONDS = 60.0
STALL_SECONDS = 5.0
LEAVE_SECONDS = 10.0  # for all workers to be ready to leave, then for all ranks to leave MPI together


class Link:
    """This rank's end of the communicator: bytes out, bytes in, who is lost.

    Raises:
        LaunchError: the launcher and MPI do not agree on how many ranks there are.
    """

    def __init__(self, launch: Launch) -> None:
        launch.check_launcher()
        import mpi4py  # noqa: PLC0415 - only the ranks of a job have to do with MPI

        mpi4py.rc.initialize = mpi4py.rc.finalize = False
        from mpi4py import MPI  # noqa: PLC0415

        self._mpi = MPI
        # Where MPI may wait for ever it is called past mpi4py, which would keep Python's other threads from running.
        self._library = ctypes.CDLL(MPI.__file__)
        with watched(launch.rank):
            self._library.MPI_Init_thread(None, None, MPI.THREAD_FUNNELED, ctypes.byref(ctypes.c_int()))
        self._world = MPI.COMM_WORLD
        self._world.Set_errhandler(MPI.ERRORS_RETURN)
        self._sent: list[tuple[Any, bytes]] = []  # a buffer must outlive its request
        self._launcher = os.getppid()
        self._any = MPI.ANY_SOURCE
        self._lost: set[int] = set()
        self.rank: int = self._world.rank
        self.size: int = self._world.size
        launch.check_size(self.size)

    def send(self, data: bytes, rank: int, tag: int) -> None:
        """Send without waiting; a rank that is lost never answers, which is noticed elsewhere."""
        with self._tolerating():
            self._sent.append((self._world.Isend([data, self._mpi.BYTE], rank, tag), data))

    def receive(self) -> Iterator[tuple[int, int, bytearray]]:
        """Give what has come: sender, tag, bytes."""
        self._sent = [(request, data) for request, data in self._sent if not self._is_sent(request)]
        status = self._mpi.Status()
        while True:
            buffer = None
            with self._tolerating():
                message = self._world.Improbe(self._any, self._mpi.ANY_TAG, status)
                if message is None:
                    return
                incoming = bytearray(status.Get_count(self._mpi.BYTE))
                message.Recv([incoming, self._mpi.BYTE])
                buffer = incoming  # whole, its sender alive to the end
            if buffer is not None:
                yield status.source, status.tag, buffer

    def lost(self) -> set[int]:
        """Give the ranks known to be lost.

        Raises:
            WorkersError: nobody watches over this job any more.
        """
        if os.getppid() != self._launcher:
            raise WorkersError("the launcher of this job (mpirun or srun) is gone")
        with contextlib.suppress(self._mpi.Exception, NotImplementedError):  # without fault tolerance nobody is
            failed = self._world.Get_failed()
            if failed.size > len(self._lost):
                ranks = self._mpi.Group.Translate_ranks(failed, list(range(failed.size)), self._world.group)
                self._lost = set(ranks)
        return self._lost

    def leave(self, status: int, alone: bool = False) -> NoReturn:
        """End this process: together with the others, or alone, as when some are lost, who would be waited for."""
        sys.stdout.flush()
        sys.stderr.flush()
        if not alone and not self._misses_any():
            threading.Thread(target=_exit_in, args=(LEAVE_SECONDS, status), daemon=True).start()
            self._library.MPI_Finalize()
        os._exit(status)

    def _misses_any(self) -> bool:
        try:
            return bool(self.lost())
        except WorkersError:
            return True

    def settle(self, seconds: float) -> None:
        """Give messages on their way out a moment."""
        deadline = time.monotonic() + seconds
        while self._sent and time.monotonic() < deadline:
            self._sent = [(request, data) for request, data in self._sent if not self._is_sent(request)]
            time.sleep(PAUSES[0])

    def _is_sent(self, request: Any) -> bool:
        try:
            return bool(request.Test())
        except self._mpi.Exception:
            return True  # its receiver is lost

    @contextlib.contextmanager
    def _tolerating(self) -> Iterator[None]:
        """Go on after the loss of a rank, whoever of the others it was."""
        try:
            yield
        except self._mpi.Exception as error:
            if error.Get_error_class() not in (self._mpi.ERR_PROC_FAILED, self._mpi.ERR_PROC_FAILED_PENDING):
                raise
            # From now on a receive from anybody means anybody who is left.
            self._world.Ack_failed()


def _exit_in(seconds: float, status: int) -> None:
    time.sleep(seconds)
    os._exit(status)


class Ranks:
    """Runs items on the other ranks of the job; rank 0's executor.

    Raises:
        LaunchError: the launcher and MPI do not agree on how many ranks there are.
    """

    def __init__(self, launch: Launch, patience: Patience | None = None) -> None:
        self._link = Link(launch)
        self._costs = Costs()
        others = range(1, self._link.size)
        self._patience = patience or Patience()
        self._dispatch = Dispatch(others, self._costs, self._patience)
        self._sharing = Sharing()  # of what is under way
        self._ledgers = {rank: Ledger() for rank in others}
        self._hosts = dict.fromkeys(others, "?")
        self._processes = dict.fromkeys(others, 0)
        self._load, self._reported = Load(), time.monotonic()
        self._checked = self._heard = time.monotonic()
        self._ready: set[int] = set()  # to leave
        self._fragile = not launch.fault_tolerant

    @property
    def workers(self) -> int:
        """How many workers are left."""
        return max(len(self._dispatch.workers), 1)

    def submit(self, items: Sequence[WorkItem[Any]], urgency: int = 0) -> Sequence[int]:
        """Take on items; see `Executor.submit`."""
        if self._fragile:  # said with the first work, so that a mistaken command is answered by its mistake alone
            logger.warning(
                "this job ends with the first rank that it loses, and resumes by the same command; "
                "mpirun --with-ft ulfm would go on with the rest"
            )
            self._fragile = False
        if self._dispatch.done:
            self._heard = time.monotonic()
            self._sharing = Sharing()
        tickets = self._dispatch.submit(items, urgency)
        self._feed()
        return tickets

    def collect(self) -> Sequence[tuple[int, Any]]:
        """Wait for results; see `Executor.collect`.

        Raises:
            WorkersError: no worker is left, or nobody watches over this job any more.
        """
        pause = PAUSES[0]
        while True:
            moved = self._receive() + self._feed()
            self._check()
            found = self._dispatch.collect()
            if found or self._dispatch.done:
                return found
            pause = PAUSES[0] if moved else min(1.5 * pause, PAUSES[1])
            if not moved:
                time.sleep(pause)

    def abandon(self) -> None:
        """Forget what was not collected; what a worker is at, it ends in vain."""
        self._dispatch.abandon()

    def close(self) -> None:
        """Say how busy the workers were; they go with `leave`."""
        self._report()

    def leave(self, status: int) -> NoReturn:
        """End every worker, and rank 0 with this exit status, whatever state the workers are in."""
        stuck = self._stop_workers(status)
        for rank in self._ready:
            self._link.send(pickle.dumps(stuck, PROTOCOL), rank, LEAVE)
        self._link.settle(1.0)
        for host, pid in stuck:
            _end_sibling(host, pid)
        self._link.leave(status, alone=bool(stuck))

    def _stop_workers(self, status: int) -> list[tuple[str, int]]:
        """Have the workers stop; return host and process of those that do not hear."""
        left = set(self._dispatch.workers)
        for rank in left:
            self._link.send(pickle.dumps(status, PROTOCOL), rank, STOP)
        deadline = time.monotonic() + LEAVE_SECONDS
        with contextlib.suppress(WorkersError):  # the launcher is gone: nobody needs to hear anything any more
            while left and time.monotonic() < deadline:
                time.sleep(PAUSES[1])
                self._receive()
                left -= self._ready | self._link.lost()
        hosts = {self._hosts[rank] for rank in self._ready} | {socket.gethostname()}
        for rank in sorted(left):
            out_of_reach = "" if self._hosts[rank] in hosts else "; the launcher waits for it"
            logger.warning("worker rank=%d host=%s does not stop%s", rank, self._hosts[rank], out_of_reach)
        return [(self._hosts[rank], self._processes[rank]) for rank in left]

    def _feed(self) -> int:
        sent = 0
        while (handed := self._dispatch.next(time.monotonic())) is not None:
            rank, chunk = handed
            parcel = self._ledgers[rank].parcel(
                [self._dispatch.tasks[ticket].item for ticket in chunk.tickets], self._sharing
            )
            self._link.send(pickle.dumps((len(chunk.tickets), chunk.careful, parcel), PROTOCOL), rank, WORK)
            sent += 1
        return sent

    def _receive(self) -> int:
        received = 0
        for rank, tag, data in self._link.receive():
            received, self._heard = received + 1, time.monotonic()
            message: Any = pickle.loads(data)
            if tag == GREETING:
                self._hosts[rank], self._processes[rank] = message
            elif tag == ANSWER:
                results, seconds, idle, room = message
                self._load.add(rank, sum(seconds), idle, len(results))
                self._dispatch.answer(rank, results, seconds, time.monotonic(), room)
            elif tag == READY:
                self._ready.add(rank)
        return received

    def _check(self) -> None:
        """Look for workers that are lost or hang, now and then."""
        now = time.monotonic()
        passed = now - self._checked
        if passed < CHECK_SECONDS:
            return
        self._checked = now
        if passed > STALL_SECONDS:
            self._dispatch.postpone(passed)  # we were stopped ourselves, and with us perhaps everybody
        for rank in self._link.lost() & self._dispatch.workers.keys():
            again = self._dispatch.lose(rank)
            left = len(self._dispatch.workers)
            logger.warning(
                "lost worker rank=%d host=%s; items to run again: %d; workers left: %d",
                *(rank, self._hosts[rank], again, left),
            )
        for rank in self._dispatch.overdue(now):
            logger.warning("worker rank=%d host=%s does not answer; its items run elsewhere", rank, self._hosts[rank])
        if not self._dispatch.workers:
            raise WorkersError(f"all {self._link.size - 1} workers are lost")
        hanging = all(worker.hangs for worker in self._dispatch.workers.values())
        if hanging and now - self._heard > self._patience.unknown:
            raise WorkersError(
                f"none of {len(self._dispatch.workers)} workers has answered for {now - self._heard:.0f} s"
            )
        if now - self._reported > REPORT_SECONDS:
            self._report()

    def _report(self) -> None:
        now = time.monotonic()
        if self._load.items:
            logger.info("%s", self._load.report(self._hosts, len(self._dispatch.workers), now - self._reported))
        self._load, self._reported = Load(), now


def _end_sibling(host: str, pid: int) -> None:
    """Kill a process if it is of this machine and launcher, as a rank beside this one is."""
    with contextlib.suppress(OSError):
        parent = int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        if host == socket.gethostname() and parent == os.getppid():
            os.kill(pid, signal.SIGKILL)


def serve(launch: Launch) -> NoReturn:
    """Be a worker until the master says stop or is lost; never returns.

    All MPI calls are made by a second thread, so that messages move while an
    item runs, and so that a long item does not outlive the master.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)  # rank 0 alone decides what they mean
    logging.disable()
    os.environ.setdefault(CREW, str(os.getppid()))  # the ranks of this host have one launcher
    inbox: queue.SimpleQueue[tuple[int, bool, Any]] = queue.SimpleQueue()
    # Not a SimpleQueue: after a wake-up for nothing past its deadline, its `get` waits for ever (CPython 3.11).
    outbox: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_carry, args=(launch, inbox, outbox), daemon=True).start()
    bench, finished = _Bench(), time.monotonic()
    while True:
        count, careful, parcel = inbox.get()
        idle = time.monotonic() - finished
        results, seconds, room = bench.work(count, careful, parcel)
        outbox.put(_pickled_answer(results, seconds, idle, room))
        finished = time.monotonic()


class _Bench:
    """Where a worker's items are run: here, or apart if they may end their process."""

    def __init__(self) -> None:
        self._store = Store()
        self._here = InProcess()
        self._apart: Processes | None = None

    def work(self, count: int, careful: bool, parcel: Any) -> tuple[list[Any], list[float], float]:
        """Run the items of a chunk: results and seconds of each, and how much more it could have been at once."""
        try:
            items = self._store.unpack(parcel)
        except Exception:
            return [Failure("an item that could not be read", traceback.format_exc())] * count, [0.0] * count, 0.0
        executor = self._choose(careful)
        room = 0.0 if careful or not items else room_for(items[0])
        if room and len(items) > 1:
            return *_together(items), room
        results, seconds = [], []
        for item in items:
            started = time.monotonic()
            results += run(executor, [item])
            seconds.append(time.monotonic() - started)
        return results, seconds, room

    def _choose(self, careful: bool) -> Executor:
        """Keep a process apart for as long as careful items follow one another: it is slow to start."""
        if not careful and self._apart is not None:
            self._apart.close()
            self._apart = None
        if careful and self._apart is None:
            self._apart = Processes(1)
        return self._apart or self._here


def _together(items: list[Any]) -> tuple[list[Any], list[float]]:
    """Run items in this process, together where that is meant; the time is shared out by their work."""
    started = time.monotonic()
    try:
        results = answers(items)
    except Exception as error:  # the machine's fault, which here there is no way to say
        results = [failure(item, error) for item in items]
    each = (time.monotonic() - started) / sum(work(item) for item in items)
    return results, [each * work(item) for item in items]


def _pickled_answer(results: list[Any], seconds: list[float], idle: float, room: float) -> bytes:
    try:
        return pickle.dumps((results, seconds, idle, room), PROTOCOL)
    except Exception:
        failures = [Failure("an item whose result cannot be sent", traceback.format_exc())] * len(results)
        return pickle.dumps((failures, seconds, idle, room), PROTOCOL)


def _carry(launch: Launch, inbox: queue.SimpleQueue[Any], outbox: queue.Queue[bytes]) -> None:
    """Move messages between the master and this worker's queues; ends the process when either says so."""
    status = 1  # should the master be lost: without it a worker is nothing
    try:
        link = Link(launch)
        link.send(pickle.dumps((socket.gethostname(), os.getpid()), PROTOCOL), MASTER, GREETING)
        held, pause, checked = 0, PAUSES[0], time.monotonic()
        while True:
            with contextlib.suppress(queue.Empty):
                link.send(outbox.get(timeout=QUEUED_PAUSE if held >= AHEAD else pause), MASTER, ANSWER)
                held -= 1
            pause = min(1.5 * pause, PAUSES[1])
            for _, tag, data in link.receive():
                message, pause = pickle.loads(data), PAUSES[0]
                if tag == STOP:
                    status = message  # the run's: the master may be gone before its last word arrives
                    link.send(pickle.dumps(None, PROTOCOL), MASTER, READY)
                elif tag == LEAVE:
                    for host, pid in message:
                        _end_sibling(host, pid)
                    link.leave(0, alone=bool(message))
                else:
                    inbox.put(message)
                    held += 1
            if time.monotonic() - checked > CHECK_SECONDS:
                checked = time.monotonic()
                if MASTER in link.lost():
                    os._exit(status)
    except LaunchError:
        os._exit(2)  # rank 0 says it
    except BaseException:
        os._exit(status)
