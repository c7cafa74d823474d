"""Real MPI jobs on this machine, and the processes that they are made of."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from runs import variables

from poet.archive.reading import reading
from poet.errors import InputError

MARK = "POET_TEST_JOB"  # in the environment of all that belongs to a job, whoever its parent is by now
_started: dict[str, subprocess.Popen] = {}
MPIRUN = Path(sys.executable).with_name("mpirun")
ROOT = ["--allow-run-as-root"] if os.geteuid() == 0 else []
TOLERANT = ["--with-ft", "ulfm"]


def mpirun(ranks, lines, options=TOLERANT):
    """The command line that runs another one on so many ranks."""
    return [str(MPIRUN), *ROOT, "--oversubscribe", *options, "-n", str(ranks), *lines]


def start(lines, **extra):
    """Start a job with what it prints captured; `end_jobs` ends it whatever becomes of the test."""
    # A folder of its own: launchers that start at once on one host trip over each other's files in TMPDIR.
    folder = tempfile.mkdtemp(prefix="job-")
    # BLAS and the simulators stay on one thread: the ranks are the parallelism.
    environment = variables(**{"OMP_NUM_THREADS": "1", "TMPDIR": folder, MARK: folder, **extra})
    job = subprocess.Popen(lines, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    _started[folder] = job
    return job


def end_jobs():
    """Kill what is left of every job, and let go of its pipes and files."""
    for folder, job in _started.items():
        with job:  # closes the pipes and waits
            while family := [pid for pid in processes() if marked(pid, folder)]:
                for pid in family:
                    with suppress(ProcessLookupError):
                        kill(pid)
                job.poll()
                time.sleep(0.02)
        shutil.rmtree(folder, ignore_errors=True)
    _started.clear()


def processes():
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def marked(pid, folder):
    """Whether a process belongs to a job; one that has ended no longer tells."""
    try:
        return f"{MARK}={folder}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def iterations(folder):
    """How many iterations a run has on disk."""
    try:
        with reading(folder) as connection:
            return connection.execute("SELECT count(*) FROM iteration").fetchone()[0]
    except InputError:
        return 0


def wait_for(folder, number, job, seconds=100):
    """Wait until a job's run has so many iterations on disk."""
    deadline = time.monotonic() + seconds
    while iterations(folder) < number and job.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert iterations(folder) >= number, f"job status {job.poll()}"


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
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]
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
