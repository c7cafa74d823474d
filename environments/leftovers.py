"""Names of half-written files, and how to tell those of a writer that has died.

A name tells who writes: the machine (this boot and process namespace) and the
process. Beside a target, what a dead writer left is swept by the next one; of
a writer elsewhere only silence for an hour says that it is dead.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path

NEW, OLD = "new", "old"  # what is being made, and what it takes the place of
SILENCE = 3600.0  # s without a change, after which a writer of another machine is taken for dead
_numbers = count()


def beside(path: Path, kind: str = NEW) -> Path:
    """Name a file beside a target, of this process alone; it ends as the target does."""
    return path.with_name(f".{path.name}.{_tag()}-{os.getpid()}-{next(_numbers)}.{kind}{path.suffix}")


def left_beside(path: Path, kind: str = NEW) -> Iterator[Path]:
    """Find what dead writers left beside a target; of earlier versions' names too."""
    name, stem, end = re.escape(path.name), re.escape(path.stem), re.escape(path.suffix)
    ours = re.compile(rf"\.{name}\.(?P<machine>[0-9a-f]{{8}})-(?P<process>\d+)-\d+\.{kind}{end}")
    earlier = re.compile(rf"\.{name}\.(?P<process>\d+)\.{kind}" + (rf"|\.{stem}\.(?P<other>\d+){end}" * (kind == NEW)))
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            found = ours.fullmatch(entry.name)
            if found and found["machine"] == _tag():
                dead = is_dead(int(found["process"]))
            elif found or earlier.fullmatch(entry.name):
                dead = time.time() - entry.stat(follow_symlinks=False).st_mtime > SILENCE
            else:
                continue
            if dead:
                yield Path(path.parent, entry.name)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, as far as that can be done; what a link points to stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def is_dead(process: int) -> bool:
    """Say whether a process of this machine has ended."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass
    return False


def machine() -> str:
    """Name this boot of this machine and its process namespace; elsewhere than on Linux only the host."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


@cache
def _tag() -> str:
    return hashlib.sha256(machine().encode()).hexdigest()[:8]
