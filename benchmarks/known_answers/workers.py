"""Several problems, and parts of one, side by side: each in a process of its own, with one thread.

They are independent, and all that is random comes from keys, so that figures and their order are those of one after
another, whatever ends first. What takes longest starts first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib import import_module
from threading import Lock
from typing import Any

# Minutes of a core that the long forms take, roughly, by problem or part; the rest takes less than one, mostly.
MINUTES = {
    "curves anp": 50,
    "curves cnp": 34,
    "in_context snail-mdps": 8.5,
    "curves np": 8,
    "in_context transformer-mdps": 8,
    "hull varibad": 7.5,
    "in_context snail-navigation": 7,
    "hull transformer": 6,
    "in_context snail-bandits-5": 3,
    "mdps": 5,
    **{f"sinusoid {name}-{shots}": 5.0 for name in ("meta-curvature", "mt-net") for shots in (5, 10)},
    **{f"sinusoid {name}-{shots}": 4.0 for name in ("imaml", "t-net") for shots in (5, 10)},
    "in_context varibad-navigation": 4.5,
    "in_context varibad-bandits-5": 4,
    "hull rl2": 4,
    **{f"sinusoid {name}-{shots}": 3.0 for name in ("maml", "meta-sgd") for shots in (5, 10)},
    "in_context transformer-navigation": 3,
    "niches metric": 3,
    "in_context snail-bandits-10": 3,
    "navigation": 3,
    "in_context snail-bandits-50": 3,
    **{f"sinusoid warpgrad-{shots}": 3.0 for shots in (5, 10)},
    "optimisers": 4,
    "omniglot anchors": 2,
}
USUAL = 0.7
# glibc gives large blocks back to the system at once, which costs a fifth of the time of small networks.
THRIFTLESS = {
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "4000000000",
    "MALLOC_TOP_PAD_": "67108864",
}


@dataclass(frozen=True)
class Job:
    """What one process runs: a problem, or one part of its long form."""

    problem: str
    part: str | None = None

    def __str__(self) -> str:
        return self.problem if self.part is None else f"{self.problem} {self.part}"

    @property
    def minutes(self) -> float:
        """Roughly, of a core."""
        return MINUTES.get(str(self), USUAL)


def jobs_of(problems: Sequence[str], *, short: bool) -> list[Job]:
    """Take problems apart, in the order of their figures."""
    found = []
    for name in problems:
        parts = () if short else getattr(import_module(f"benchmarks.known_answers.{name}"), "PARTS", ())
        found += [Job(name, part) for part in parts] or [Job(name)]
    return found


class Side:
    """Runs jobs by so many processes at once.

    Args:
        workers: how many.
        options: of each process's command.
    """

    def __init__(self, workers: int, options: Sequence[str]) -> None:
        self._workers, self._options = workers, list(options)
        self._lock, self._running, self._over = Lock(), set[subprocess.Popen[str]](), False

    def run(self, jobs: Sequence[Job], keep: Callable[[Job, list[dict[str, Any]]], None]) -> dict[Job, str]:
        """Hand over each job's figures as it ends; gives why those failed that did.

        One that fails has no figures, and the others go on. An interrupt ends all.
        """
        failed: dict[Job, str] = {}
        pool = ThreadPoolExecutor(self._workers)
        try:
            longest_first = sorted(jobs, key=lambda job: -job.minutes)
            waiting = {pool.submit(self._done, job): job for job in longest_first}
            for number, each in enumerate(as_completed(waiting), 1):
                job, (found, told) = waiting[each], each.result()
                if found is None:
                    failed[job] = told
                else:
                    keep(job, found)
                print(f"{told or job} ({number} of {len(jobs)})", file=sys.stderr, flush=True)
        finally:
            self._end()
            pool.shutdown(cancel_futures=True)
        return failed

    def _done(self, job: Job) -> tuple[list[dict[str, Any]] | None, str]:
        """Run one: its figures, and the last that it told; None and why where there are none."""
        command = [sys.executable, "-m", "benchmarks.known_answers", job.problem, "--json", *self._options]
        command += [] if job.part is None else ["--part", job.part]
        with self._lock:
            if self._over:
                return None, f"{job}: not begun"
            print(f"{job}: begins", file=sys.stderr, flush=True)
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                env={**THRIFTLESS, **os.environ, "OMP_NUM_THREADS": "1"},
            )
            self._running.add(process)
        out, said = process.communicate()
        with self._lock:
            self._running.discard(process)
        lines = said.strip().splitlines() or [""]
        try:
            return json.loads(out), told_of(job, lines)
        except ValueError:
            return None, f"{job} failed: {lines[-1] or f'status {process.returncode}'}"

    def _end(self) -> None:
        """End what still runs."""
        with self._lock:
            self._over = True
            for process in self._running:
                process.kill()


def told_of(job: Job, lines: Sequence[str]) -> str:
    """Take what a job's process said of it at last: its time, and behind that the aims that were missed."""
    own = [place for place, line in enumerate(lines) if line.startswith(f"{job}: ")]
    return "; ".join(lines[own[-1] if own else -1 :])
