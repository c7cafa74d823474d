"""Commands of ours as processes of their own: run to their end, stopped by Ctrl-C, or killed."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.gpu_check.target import CheckError

INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    said: str  # on standard error

    def must(self, *allowed: int) -> str:
        """Give its output.

        Raises:
            CheckError: it ended otherwise than allowed (0 if nothing is named), or showed a traceback.
        """
        if self.status not in (allowed or (0,)) or "Traceback" in self.said:
            raise CheckError(f"a command ended with {self.status}: {self.last}")
        return self.out

    @property
    def last(self) -> str:
        """The last that it said, on one line."""
        lines = (self.said.strip() or self.out.strip()).splitlines()
        return " / ".join(lines[-4:]) or "it said nothing"


def python(
    *words: object,
    seconds: float = math.inf,
    until: Callable[[], bool] = lambda: False,
    kill: bool = False,
    **extra: str,
) -> Ended:
    """Run a program of Python's.

    Args:
        words: of its command line.
        seconds: after which it is stopped.
        until: asked again and again; it is stopped once this is so.
        kill: stop it by kill -9, with all that it has started, and not by Ctrl-C.
        extra: variables of its environment.
    """
    stop_at = time.monotonic() + seconds
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [sys.executable, *map(str, words)],
            stdout=out,
            stderr=said,
            env={**os.environ, **extra},
            start_new_session=True,
        )
        try:
            while process.poll() is None and time.monotonic() < stop_at and not until():
                time.sleep(0.05)
            if process.poll() is None:
                if kill:
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    process.send_signal(signal.SIGINT)
                process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        out.seek(0)
        said.seek(0)
        return Ended(process.returncode, out.read().decode(errors="replace"), said.read().decode(errors="replace"))


def poet(*words: object, **how: Any) -> Ended:
    """Run a command of ours, as `python` does."""
    return python("-m", "poet", *words, **how)
