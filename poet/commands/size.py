"""`poet size`: how large a run's archive is."""

from __future__ import annotations

from environments.files import ARCHIVE_NAME
from poet import archive as archives
from poet.display.output import Json, Run, show


def size(run: Run, as_json: Json = False) -> None:
    """Say how many bytes a run's archive takes."""
    with archives.reading(run):
        figures = {"bytes": (run / ARCHIVE_NAME).stat().st_size}
    show(figures, as_json, lambda shown: f"{shown['bytes']:,} bytes")
