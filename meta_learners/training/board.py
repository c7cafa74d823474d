"""Curves as TensorBoard reads them: a file of records, written at once and by this thread alone."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import masked_crc32c
from tensorboardX.summary import scalar

from environments.files import explained, open_own


class Board:
    """One file of curves in a folder, from a step on; what earlier files say of that step and later is void.

    Raises:
        PlaceError: the folder cannot be written.
        DiskError: the disk is full or broken.
    """

    def __init__(self, folder: Path, first: int) -> None:
        self.path = folder / f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}.{os.getpid()}"
        with explained(self.path, ""):
            folder.mkdir(exist_ok=True)
            self._file = os.fdopen(open_own(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab")
        self._write(Event(file_version="brain.Event:2"), first)
        self._write(Event(session_log=SessionLog(status=SessionLog.START)), first)

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Add a point to every curve."""
        for name, value in values.items():
            self._write(Event(summary=scalar(name, value)), step)

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
