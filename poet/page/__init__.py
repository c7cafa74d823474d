"""Pages that need no network, no server and no framework: what they share, and how they are put together.

A page is one HTML file with its data in it. The scripts and the style here draw charts and matrices, save figures
and follow the theme; `poet.report` and `poet.compare` add what they show.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from environments.files import check_file, write_aside
from poet.errors import InputError
from poet.foreign import printable_values

ENDINGS = (".html", ".htm")
SCRIPTS = ("base", "colours", "vector", "saving", "charts", "grid")  # in order of need


def check_page(path: Path, what: str) -> None:
    """Raise InputError or PlaceError unless a page can be written there; `what` it is, for the message."""
    if path.suffix.lower() not in ENDINGS and not path.is_dir():
        ending = f"in {path.suffix}" if path.suffix else "in nothing"
        raise InputError(f"{path} ends {ending}; {what} is a page, which ends in {' or '.join(ENDINGS)}")
    check_file(path)


def write_page(path: Path, page: str) -> int:
    """Write a page, aside and then renamed; gives its size in bytes.

    Raises:
        PlaceError: the file cannot be written there.
        DiskError: the disk is full or broken; an older page is kept.
    """
    content = page.encode()
    write_aside(path, content)
    return len(content)


def assemble(data: object, package: str, scripts: Sequence[str], styles: Sequence[str] = ()) -> str:
    """Put a page together: the `page.html` of a package, its scripts and styles after those of all pages, its data."""
    # "<" never stands in the data's text as such, so nothing in it can end the script element.
    text = json.dumps(printable_values(data), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    script = [_part("poet.page", f"{name}.js") for name in SCRIPTS] + [_part(package, f"{name}.js") for name in scripts]
    style = [_part("poet.page", "style.css"), *(_part(package, f"{name}.css") for name in styles)]
    page = _part(package, "page.html").replace("/* STYLE */", "\n".join(style))
    return page.replace("/* SCRIPT */", "\n".join(script)).replace("/* DATA */", text)


def _part(package: str, name: str) -> str:
    return (files(package) / name).read_text(encoding="utf-8")
