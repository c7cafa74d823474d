"""Real MPI jobs on this machine, and the processes that they are made of."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from runs import variables

MPIRUN = Path(sys.executable).with_name("mpirun")
ROOT = ["--allow-run-as-root"] if os.geteuid() == 0 else []
TOLERANT = ["--with-ft", "ulfm"]


def mpirun(ranks, lines, options=TOLERANT):
    """The command line that runs another one on so many ranks."""
    return [str(MPIRUN), *ROOT, "--oversubscribe", *options, "-n", str(ranks), *lines]


def start(lines, **extra):
    """Start a job with what it prints captured."""
    # BLAS and the simulators stay on one thread: the ranks are the parallelism.
    environment = variables(OMP_NUM_THREADS="1", **extra)
    return subprocess.Popen(lines, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def pids(job, ranks, seconds=60):
    """The process of each rank, once all have started; rank 0 is the master's."""
    deadline = time.monotonic() + seconds
    found = {}
    while len(found) < ranks and job.poll() is None and time.monotonic() < deadline:
        found = {rank: pid for pid in children(job.pid) if (rank := rank_of(pid)) is not None}
        time.sleep(0.05)
    assert len(found) == ranks, found
    return found


def children(pid):
    """The processes that a process has started and that still run."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def rank_of(pid):
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    return next((int(entry[21:]) for entry in entries if entry.startswith(b"OMPI_COMM_WORLD_RANK=")), None)


def kill(*victims):
    """End processes as the kernel does when memory is short."""
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
