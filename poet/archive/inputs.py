"""What people put into a run that may be going on: environments, each a candidate at its next reproduction.

They come as files in the folder `inbox` of the run, whole or not at all, and the run's writer takes them when
environments reproduce. A file is what works from other processes and other hosts alike: a network file system
renames for certain, but may keep no locks, so that a second writer of the archive could spoil it. What was taken is
committed with the iteration that took it (tables `input` and `receipt`), and only then is the file removed: a writer
that is killed takes it again, or knows by its receipt that it has.
"""

from __future__ import annotations

import json
import logging
import re
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from environments.documents import parse_json
from environments.domain import Environment
from environments.files import explained, write_aside
from poet.config import Config
from poet.errors import InputError
from poet.grounds import check_environment
from poet.records import Input

logger = logging.getLogger(__name__)

Row = dict[str, Any]

INBOX = "inbox"
NAME = re.compile(r"\d{20}-[0-9a-f]{8}\.json")  # nanoseconds, so that they are taken in the order they came in
REFUSED = ".refused"  # what follows the name of a file that was not taken


@dataclass(frozen=True, slots=True)
class Waiting:
    """An environment that has not been taken yet."""

    file: str  # its name in the inbox
    environment: Environment
    iteration: int | None  # of the reproduction that is to take it; the next if None


def put(folder: Path, environment: Environment, iteration: int | None) -> Path:
    """Lay an environment into a run's inbox.

    Raises:
        PlaceError: it cannot be written.
        DiskError: the disk is full or broken.
    """
    inbox = folder / INBOX
    with explained(inbox, ""):
        inbox.mkdir(exist_ok=True)
    path = inbox / f"{time.time_ns():020}-{uuid.uuid4().hex[:8]}.json"
    content = {"environment": json.loads(environment.to_json()), "iteration": iteration}
    write_aside(path, json.dumps(content).encode())
    return path


def waiting(folder: Path, connection: Connection, config: Config) -> Iterator[Waiting | tuple[Path, Exception]]:
    """Give what lies in a run's inbox and was not taken, in order.

    Of what cannot be taken its path and why: an OSError where it could not be read, a ValueError where it is no input.
    """
    taken = {row[0] for row in connection.execute("SELECT file FROM receipt")}
    inbox = folder / INBOX
    try:
        names = sorted(path.name for path in inbox.iterdir() if NAME.fullmatch(path.name))
    except OSError:  # mostly there is none
        return
    for name in names:
        if name not in taken:
            try:
                yield _read(inbox / name, config)
            except (OSError, ValueError) as error:
                yield inbox / name, error


def _read(path: Path, config: Config) -> Waiting:
    held = parse_json(path.read_bytes())
    if not isinstance(held, dict) or held.keys() != {"environment", "iteration"}:
        raise InputError("it is no JSON object with environment and iteration")
    iteration = held["iteration"]
    if iteration is not None and (not isinstance(iteration, int) or isinstance(iteration, bool)):
        raise InputError(f"its iteration is {iteration!r}; it must be a whole number or null")
    environment = check_environment("it", Environment.from_fields(held["environment"]), config)
    return Waiting(path.name, environment, iteration)


def take(folder: Path, connection: Connection, config: Config, iteration: int) -> list[Input]:
    """Give what the reproduction of an iteration is to try; what cannot be tried is logged.

    What is no input is put aside. What could not be read may only be out of reach: the next reproduction tries again.
    """
    _sweep(folder, connection)
    found = []
    for each in waiting(folder, connection, config):
        if not isinstance(each, Waiting):
            path, error = each
            if isinstance(error, OSError):
                logger.warning("%s waits for the next reproduction, since it cannot be read: %s", path, error)
                continue
            logger.warning("%s is not taken into the run: %s", path, error)
            with suppress(OSError):
                path.rename(path.with_name(path.name + REFUSED))
        elif each.iteration is None or each.iteration <= iteration:
            found.append(Input(each.environment, each.file))
    return found


def receipt_row(entry: Input, iteration: int, number: int) -> Row:
    """Lay out by which file an input came, where and when it was taken."""
    return {
        "file": entry.file,
        "iteration": iteration,
        "number": number,
        "host": socket.gethostname(),
        "received": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }


def discard(folder: Path, entry: Input) -> None:
    """Remove the file of an input that is committed."""
    with suppress(OSError):
        (folder / INBOX / entry.file).unlink()


def _sweep(folder: Path, connection: Connection) -> None:
    """Remove files whose receipts are committed: their writer was killed before it could."""
    for row in connection.execute("SELECT file FROM receipt"):
        with suppress(OSError):
            if NAME.fullmatch(row[0]):
                (folder / INBOX / row[0]).unlink()
