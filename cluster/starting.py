"""Watches over the start of an MPI job, in which MPI waits for ever for a rank that is lost.

Every rank has a thread that looks, while MPI starts, whether the launcher and
the ranks of this host are still there, and how long it takes. It ends its own
process with status 1: so all ranks end, and the launcher with them. One rank a
host says why. Needs /proc to see the others; elsewhere only the time counts.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

LOOK_SECONDS = 0.5
GRACE_SECONDS = 5.0  # for the launcher to start its last rank after its first
HEARD_SECONDS = 1.0  # a launcher forgets what it has not passed on of a process that ends
START_SECONDS = 300.0  # hosts may load the program from a slow disk at very different speeds
DEADLINE = "POET_START_SECONDS"
RANK, LOCAL_SIZE = "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"


@contextmanager
def watched(rank: int) -> Iterator[None]:
    """End this rank's process if, while the block runs, the launcher or a rank of this host ends, or time is up."""
    over = threading.Event()
    threading.Thread(target=_watch, args=(over, rank), daemon=True).start()
    try:
        yield
    finally:
        over.set()


def deadline(variables: Mapping[str, str] = os.environ) -> float:
    """Give the seconds that MPI may take to start; what is no number of seconds counts as unsaid."""
    try:
        seconds = float(variables[DEADLINE])
    except (KeyError, ValueError):
        return START_SECONDS
    return seconds if seconds > 0 else START_SECONDS


def _watch(over: threading.Event, rank: int) -> None:
    parent, launcher, mine = os.getppid(), _launcher(), int(os.environ.get(RANK, rank))
    ranks, seconds = int(os.environ.get(LOCAL_SIZE, "0")), deadline()
    # Looks are counted, not seconds: a job that was suspended goes on where it was.
    looks, missed = 0, 0
    while not over.wait(LOOK_SECONDS):
        looks += 1
        if os.getppid() != parent:
            os._exit(1)  # its launcher is gone, and with it whoever could read a word
        here = {} if launcher is None else _ranks_of(launcher)
        missing = ranks - len(here) if here else 0
        missed = missed + 1 if missing > 0 else 0
        reason = None
        if missed * LOOK_SECONDS >= GRACE_SECONDS:
            reason = f"{missing} of the {ranks} ranks on {socket.gethostname()} ended while the job started"
        elif looks * LOOK_SECONDS >= seconds:
            reason = (
                f"MPI did not start within {seconds:.0f} s on {socket.gethostname()}: a rank or a host does not "
                f"answer ({DEADLINE}=N waits for N s)"
            )
        if reason is not None:
            speaks = mine == (min({*here, mine}) if here else 0)  # the kernel's list may lack one while another ends
            _end([pid for rank, pid in here.items() if rank != mine] if speaks else None, reason)


def _end(others: list[int] | None, reason: str) -> NoReturn:
    """End this process, and if it speaks for its host the others that cannot do so themselves."""
    if others is not None:
        os.write(2, f"error: {reason}; nothing was run, start the job again by the same command\n".encode())
        time.sleep(HEARD_SECONDS)
    time.sleep(HEARD_SECONDS)
    for pid in others or []:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    os._exit(1)


def _launcher() -> int | None:
    """Find the process that started the ranks of this host: the first ancestor that is not of a rank itself."""
    pid = os.getppid()
    while pid > 1 and (variables := _variables(pid)) is not None:
        if RANK not in variables:
            return pid
        pid = _parent(pid)
    return None


def _ranks_of(launcher: int) -> dict[int, int]:
    """Give the process of each local rank that is alive; none where that cannot be seen."""
    found = {}
    for children in Path(f"/proc/{launcher}/task").glob("*/children"):
        try:
            pids = [int(pid) for pid in children.read_text(encoding="ascii").split()]
        except OSError:
            continue
        for pid in pids:
            variables = _variables(pid) or {}  # of a process that has ended they are empty
            if variables.get(RANK, "").isdigit():
                found[int(variables[RANK])] = pid
    return found


def _variables(pid: int) -> dict[str, str] | None:
    """Read the variables that a process was started with; None if that is not to be seen."""
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    except OSError:
        return 0
