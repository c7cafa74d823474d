"""A comparison as one page that needs no network: `page.html` and the scripts here, after those of all pages."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from poet import page as pages
from poet.compare.comparison import Comparison

SCRIPTS = ("runs", "curves", "cost", "matrix", "settings", "main")  # in order of need


def page_of(comparison: Comparison) -> str:
    """Put the page of a comparison together."""
    data = {
        **comparison.to_plain(),
        "title": " and ".join(comparison.names) if len(comparison.runs) < 3 else f"{len(comparison.runs)} runs",
        "version": version("poet-trailblazer"),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return pages.assemble(data, "poet.compare", SCRIPTS, ("style",))


def write(comparison: Comparison, path: Path) -> int:
    """Write the page, aside and then renamed; gives its size in bytes.

    Raises:
        InputError: the file's ending is another's.
        PlaceError: the file cannot be written there.
        DiskError: the disk is full or broken; an older page is kept.
    """
    check(path)
    return pages.write_page(path, page_of(comparison))


def check(path: Path) -> None:
    """Raise InputError or PlaceError unless a page can be written there: before hours of episodes, not after."""
    pages.check_page(path, "a comparison")
