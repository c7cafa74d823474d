"""A run as one self-contained page: no network, no framework, opens from a file.

`data` gathers what the page shows; the page itself is `page.html` and the scripts here, after those of all pages
(`poet.page`).
"""

from __future__ import annotations

from pathlib import Path
from sqlite3 import Connection

from poet import page as pages
from poet.archive.inspection import Known
from poet.report.data import gather

SCRIPTS = (
    "niches",
    "curves",
    "relief",
    "drawing",
    "scene",
    "sticks",
    "tree",
    "film",
    "map",
    "matrix",
    "gallery",
    "detail",
    "address",
    "about",
    "main",
)  # in order of need


def write(connection: Connection, path: Path, title: str, films: int, fresh: Known | None = None) -> int:
    """Write the report of a run, aside and then renamed.

    Args:
        connection: the archive.
        path: of the page.
        title: what to call the run.
        films: how many agents are recorded at most.
        fresh: the fresh episodes of every niche's best agent, where the caller has them (`poet.archive.rescoring`).

    Returns:
        The page's size in bytes.

    Raises:
        InputError: the file's ending is another's.
        PlaceError: the file cannot be written there.
        DiskError: the disk is full or broken; an older page is kept.
    """
    pages.check_page(path, "a report")
    return pages.write_page(path, assemble(gather(connection, title, films, fresh)))


def assemble(data: object) -> str:
    """Put the page together around its data."""
    return pages.assemble(data, "poet.report", SCRIPTS)
