"""Who works and who is idle: how much of a core each process of a run took since it was last looked at.

Read from /proc, so of runs on this machine under Linux alone; of others nothing is known here.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

IDLE = 0.1  # of a core; below it a worker waits
FIELDS_BEFORE_TIMES = 11  # in /proc/PID/stat, after the name


class Workers:
    """The processes of a run, master first."""

    def __init__(self) -> None:
        self._before: dict[int, float] = {}
        self._at = 0.0

    def look(self, master: int) -> list[dict[str, float | int | bool]]:
        """Give the share of a core that each process took since the last look; nothing at the first, or of no run."""
        now = time.monotonic()
        times = {process: spent for process in _family(master) if (spent := _seconds(process)) is not None}
        passed, before = now - self._at, self._before
        self._before, self._at = times, now
        if not before or passed <= 0:
            return []
        return [
            {"process": process, "share": round(share, 2), "idle": share < IDLE, "master": process == master}
            for process, spent in times.items()
            if process in before
            for share in [(spent - before[process]) / passed]
        ]


def _family(master: int) -> list[int]:
    """List a process and its children, which are its workers."""
    try:
        tasks = list(Path(f"/proc/{master}/task").iterdir())
        children = [int(word) for task in tasks for word in (task / "children").read_text(encoding="ascii").split()]
    except (OSError, ValueError):
        return [master]
    return [master, *sorted(children)]


def _seconds(process: int) -> float | None:
    """Give the processor time that a process has taken, s."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        user, system = (int(ticks) for ticks in fields[FIELDS_BEFORE_TIMES : FIELDS_BEFORE_TIMES + 2])
    except (OSError, ValueError):
        return None
    return (user + system) / os.sysconf("SC_CLK_TCK")
