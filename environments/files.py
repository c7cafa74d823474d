"""Files that are whole or not there: written beside, flushed to disk, renamed."""

from __future__ import annotations

import os
from pathlib import Path


def write_aside(path: Path, content: bytes) -> None:
    """Replace a file whole.

    Raises:
        OSError: it cannot be written; the file is as before.
    """
    aside = path.with_name(f"{path.name}.new")
    with aside.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(path)
