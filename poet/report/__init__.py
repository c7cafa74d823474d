"""A run as one self-contained page: no network, no framework, opens from a file.

`data` gathers what the page shows; the page itself is `page.html`,
`style.css` and the scripts, put together here.
"""

from __future__ import annotations

import json
import os
from importlib.resources import files
from pathlib import Path
from sqlite3 import Connection

from poet.errors import InputError
from poet.inspection import Known
from poet.report.data import gather

SCRIPTS = (
    "base",
    "charts",
    "relief",
    "drawing",
    "tree",
    "matrix",
    "gallery",
    "detail",
    "sticks",
    "film",
    "main",
)  # in order of need


def write(connection: Connection, path: Path, title: str, films: int, fresh: Known | None = None) -> int:
    """Write the report of a run, aside and then renamed.

    Args:
        connection: the archive.
        path: of the page.
        title: what to call the run.
        films: how many agents are recorded at most.
        fresh: the fresh episodes of every niche's best agent, where the caller has them (`poet.rescoring`).

    Returns:
        The page's size in bytes.

    Raises:
        InputError: the file cannot be written.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"cannot write {path}: {'it is a folder' if path.is_dir() else 'there is no such folder'}")
    page = assemble(gather(connection, title, films, fresh)).encode()
    aside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        aside.write_bytes(page)
        aside.rename(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
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
