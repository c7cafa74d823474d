"""One job at a time: whoever evolves a run holds a claim on its folder.

On a local disk the claim is a file lock, which the kernel takes back with the
process. A network file system may keep no locks between hosts and not say so
(sshfs, Lustre without `flock`), so there the owner also writes a file again
every few seconds: another job watches it, and takes over only where it stands
still. An owner that was taken for dead finds out before its next commit.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

from environments.files import explained, open_lock, open_own
from environments.leftovers import is_dead, machine
from poet.archive.filesystem import place_of
from poet.errors import ArchiveError, InputError

logger = logging.getLogger(__name__)

LOCK_NAME, OWNER_NAME = "lock", "owner"
BEAT = 5.0  # s between two signs of life
WATCH = 30.0  # s without one, after which the owner is taken for dead; longer than attributes stay cached
LOCKS = Path("/proc/locks")  # the kernel's table of them
NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """What the owner's file says of it."""

    host: str
    machine: str  # this boot and process namespace: where a process id means something
    process: int
    token: str  # of this claim alone
    beat: int = 0

    @staticmethod
    def here() -> Owner:
        """Describe this process, under a new token."""
        return Owner(host=socket.gethostname(), machine=machine(), process=os.getpid(), token=uuid.uuid4().hex)

    @property
    def surely_dead(self) -> bool:
        """Whether it ran on this machine and no longer does."""
        return self.machine == machine() and is_dead(self.process)


class Claim:
    """The right to write a run, until `close`."""

    def __init__(self, folder: Path, lock: IO[str], owner: Owner | None) -> None:
        self._path = folder / OWNER_NAME
        self._lock = lock
        self._owner = owner  # None on a local disk, where the lock says all
        self._closing = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="claim", daemon=True)
        if owner:
            self._heart.start()

    @staticmethod
    def take(folder: Path) -> Claim:
        """Claim a run's folder, if need be after watching its last owner for `WATCH` seconds.

        Raises:
            InputError: another process has it, or the folder cannot be written.
        """
        lock = _take_lock(folder)
        try:
            return Claim(folder, lock, _succeed(folder) if place_of(folder).shared else None)
        except BaseException:
            lock.close()
            raise

    def check(self) -> None:
        """Raise ArchiveError if another job has taken over the run."""
        if self._owner is None:
            return
        found = _read(self._path)
        if found is None or found.token != self._owner.token:
            who = f"process {found.process} on {found.host}" if found else "somebody who removed its owner file"
            raise ArchiveError(f"{self._path.parent} has been taken over by {who}; this job has stopped writing")

    def close(self) -> None:
        """Let go of the run."""
        self._closing.set()
        if self._owner is not None:
            self._heart.join()
            with suppress(ArchiveError, OSError):
                self.check()
                self._path.unlink()
        self._lock.close()

    def _beat(self) -> None:
        assert self._owner is not None  # nothing else starts this thread
        beat = 0
        while not self._closing.wait(BEAT):
            beat += 1
            # A file server that is away for a while is no reason to end a run.
            with suppress(ArchiveError, OSError):
                self.check()
                _write(self._path, replace(self._owner, beat=beat), os.O_RDWR)


class Lookout:
    """Tells whether somebody writes a run, without touching its lock: a look must not keep an owner away.

    On a local disk the kernel's table of locks says so. On a network file system, and where there is no such table,
    the owner's file and the process of the last session do.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._owner: Owner | None = None
        self._changed = time.monotonic()

    def held(self, host: str | None = None, process: int | None = None) -> bool:
        """Say whether a run has a living owner; host and process are of its last session, where there was one."""
        if place_of(self._folder).shared:
            return self._beats()
        locked = _is_locked(self._folder / LOCK_NAME)
        if locked is not None:
            return locked
        return process is not None and host == socket.gethostname() and not is_dead(process)

    def _beats(self) -> bool:
        found = _read(self._folder / OWNER_NAME)
        if found != self._owner:
            self._owner, self._changed = found, time.monotonic()
        return found is not None and not found.surely_dead and time.monotonic() - self._changed < 2 * BEAT + 2


def _is_locked(path: Path) -> bool | None:
    """Say whether any process has a lock on a file; None where the kernel does not tell."""
    try:
        lines = LOCKS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    try:
        status = path.stat()
    except OSError:
        return False
    # "1: FLOCK  ADVISORY  WRITE 4242 08:01:1234 0 EOF": a file's device and number; of who waits "->" comes second.
    wanted = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    number = f":{status.st_ino}"
    held = [words[-3] for line in lines if "FLOCK" in (words := line.split())[:2] and len(words) >= 8]
    # Some file systems tell programs another device than the kernel's table has; the number is the same.
    return any(place == wanted or place.endswith(number) for place in held)


def _take_lock(folder: Path) -> IO[str]:
    with explained(folder / LOCK_NAME, ""):
        lock = open_lock(folder / LOCK_NAME)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in NO_LOCKS:
            return lock
        lock.close()
        raise InputError(f"another process is evolving {folder}; stop it first, or name another folder") from error
    return lock


def _succeed(folder: Path) -> Owner:
    """Become the owner named in the folder's file, once no other is alive."""
    path, owner = folder / OWNER_NAME, Owner.here()
    try:
        _write(path, owner, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        last = _read(path)
        if last is None or not last.surely_dead:
            last = _watch(path, last)
        _replace(path, last, owner)
    except OSError as error:
        raise InputError(f"cannot write in {folder}: {error.strerror}") from error
    return owner


def _watch(path: Path, first: Owner | None) -> Owner | None:
    """Wait until the owner has given no sign of life for `WATCH` seconds."""
    logger.info("%s has an owner; watching it for %g s", path.parent, WATCH)
    end = time.monotonic() + WATCH
    while time.monotonic() < end:
        time.sleep(BEAT / 5)
        if not path.exists():
            break  # its owner has closed it
        now = _read(path)
        if now is not None and now != first:
            raise InputError(
                f"process {now.process} on {now.host} is evolving {path.parent}; stop it first, or name another folder"
            )
    return first


def _replace(path: Path, last: Owner | None, owner: Owner) -> None:
    """Put a new owner in a dead one's place; of several who try, the file system lets one make the successor's file."""
    successor = path.with_name(f"{OWNER_NAME}.after-{last.token if last else 'nobody'}")
    try:
        _write(successor, owner, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    except FileExistsError as error:
        raise InputError(
            f"another process is taking over {path.parent}; if there is none, remove {successor}"
        ) from error
    successor.rename(path)


def _write(path: Path, owner: Owner, flags: int) -> None:
    with os.fdopen(open_own(path, flags), "r+", encoding="utf-8") as file:
        # Of one length, so that a cached size never cuts a newer text short.
        file.write(json.dumps(asdict(owner)).ljust(400))
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> Owner | None:
    """Read the owner's file; None where it is missing or half-written."""
    try:
        return Owner(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
