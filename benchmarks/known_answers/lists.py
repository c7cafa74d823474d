"""Lists of figures in files, as --json writes them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["check_place", "figures_in", "write_figures"]


def check_place(path: Path) -> None:
    """Raise ValueError unless a list can be written there; a folder of lists may be, too, if it is there."""
    if not path.parent.is_dir():
        raise ValueError(f"--into is {path}, but there is no folder {path.parent}")
    if not path.exists() and path.suffix != ".json":
        raise ValueError(
            f"--into is {path}, which is not there; it must be a folder, or a file whose name ends in .json"
        )
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ValueError(f"--into is {path}, which cannot be written")


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
