"""Pages of results, of which programs write the tables and people the rest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from environments.files import write_aside


def into_page(path: Path, named: Mapping[str, str]) -> None:
    """Put tables into a page, each between its marks; those that have none are put at its end."""
    page = path.read_text(encoding="utf-8") if path.exists() else ""
    for name, rows in named.items():
        if f"<!-- table: {name} -->\n" not in page:
            page += f"\n<!-- table: {name} -->\n<!-- end -->\n"
        begin, rest = page.split(f"<!-- table: {name} -->\n")
        page = f"{begin}<!-- table: {name} -->\n\n{rows.rstrip()}\n\n<!-- end -->{rest.split('<!-- end -->', 1)[1]}"
    write_aside(path, page.encode())
