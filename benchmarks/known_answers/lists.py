"""Lists of figures in files, as --json writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["figures_in", "write_figures"]


def figures_in(path: Path | None) -> list[dict[str, Any]]:
    """Read what is in a list of figures; nothing where there is none yet.

    Raises:
        ValueError: it is none.
    """
    if path is None or not path.exists():
        return []
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"--into is {path}, which cannot be read as a list of figures: {error}") from error
    if not isinstance(found, list) or not all(isinstance(each, dict) and "name" in each for each in found):
        raise ValueError(f"--into is {path}, which holds no list of figures as --json writes them")
    return found


def write_figures(path: Path, figures: Iterable[Mapping[str, Any]]) -> None:
    """Write a list; of figures of one name the last."""
    merged = {each["name"]: dict(each) for each in figures}
    path.write_text(json.dumps(list(merged.values()), indent=2) + "\n", encoding="utf-8")
