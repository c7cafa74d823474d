"""A run as one self-contained page: no network, no framework, opens from a file.

`data` gathers what the page shows; the page itself is `page.html`,
`style.css` and the scripts, put together here.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from sqlite3 import Connection

from environments.files import check_file, write_aside
from poet.archive.inspection import Known
from poet.errors import InputError
from poet.foreign import printable_values
from poet.report.data import gather

ENDINGS = (".html", ".htm")
SCRIPTS = (
    "base",
    "colours",
    "vector",
    "saving",
    "charts",
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
    if path.suffix.lower() not in ENDINGS and not path.is_dir():
        ending = f"in {path.suffix}" if path.suffix else "in nothing"
        raise InputError(f"{path} ends {ending}; a report is a page, which ends in {' or '.join(ENDINGS)}")
    check_file(path)
    page = assemble(printable_values(gather(connection, title, films, fresh))).encode()
    write_aside(path, page)
    return len(page)


def assemble(data: object) -> str:
    """Put the page together around its data."""
    # "<" never stands in the data's text as such, so nothing in it can end the script element.
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    scripts = "\n".join(_part(f"{name}.js") for name in SCRIPTS)
    page = _part("page.html").replace("/* STYLE */", _part("style.css")).replace("/* SCRIPT */", scripts)
    return page.replace("/* DATA */", text)


def _part(name: str) -> str:
    return (files("poet.report") / name).read_text(encoding="utf-8")
