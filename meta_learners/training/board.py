"""Curves as TensorBoard reads them: a file of records, written at once and by this thread alone."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from google.protobuf.message import DecodeError
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import masked_crc32c

from environments.files import PlaceError, explained, open_own

PATTERN = "events.out.tfevents.*"
HEAD, TAIL = 12, 4  # bytes before and after a record's content: its length and checksums


class Board:
    """One file of curves in a folder, from a step on; what earlier files say of that step and later is void.

    `whose` names what the curves are of, so that another's can be told apart (`next_step`).

    Raises:
        PlaceError: the folder cannot be written.
        DiskError: the disk is full or broken.
    """

    def __init__(self, folder: Path, first: int, whose: str = "") -> None:
        self.path = folder / f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}.{os.getpid()}"
        with explained(self.path, ""):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.fdopen(open_own(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab")
        self._write(Event(file_version="brain.Event:2"), first)
        self._write(Event(session_log=SessionLog(status=SessionLog.START, msg=whose)), first)

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Add a point to every curve: one record, which a kill leaves whole or not there."""
        points = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(Event(summary=Summary(value=points)), step)

    def flush(self) -> None:
        """Hand to the system what was added."""
        with explained(self.path, ""):
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        with explained(self.path, ""):
            self._file.close()

    def _write(self, event: Event, step: int) -> None:
        event.wall_time, event.step = time.time(), step
        content = event.SerializeToString()
        length = struct.pack("<Q", len(content))
        record = (length, struct.pack("<I", masked_crc32c(length)), content, struct.pack("<I", masked_crc32c(content)))
        with explained(self.path, ""):
            self._file.write(b"".join(record))


def next_step(folder: Path, whose: str) -> int:
    """Say which step the curves in a folder go on with: the first that no file of it has, 0 where there is none.

    Raises:
        PlaceError: they are curves of something else, or cannot be read.
    """
    step = 0
    for path in sorted(folder.glob(PATTERN), key=lambda path: (path.stat().st_mtime_ns, path.name)):
        with explained(path, ""):
            content = path.read_bytes()
        for event in _events(content):
            if event.HasField("session_log"):
                if event.session_log.msg != whose:
                    raise PlaceError(f"{folder} holds curves of something else, {path.name}; name another folder")
                step = min(step, event.step)
            elif event.HasField("summary"):
                step = max(step, event.step + 1)
    return step


def _events(content: bytes) -> Iterator[Event]:
    """Read a file's records as far as they are whole: a writer that was killed leaves the last one cut."""
    place = 0
    while place + HEAD <= len(content):
        head = content[place : place + 8]
        (length,) = struct.unpack("<Q", head)
        end = place + HEAD + length + TAIL
        if end > len(content) or struct.pack("<I", masked_crc32c(head)) != content[place + 8 : place + HEAD]:
            return
        try:
            yield Event.FromString(content[place + HEAD : end - TAIL])
        except DecodeError:
            return
        place = end
