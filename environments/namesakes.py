"""Find a user's own package of a name that we bear too: with both on Python's path, one hides the other."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def namesake(name: str, ours: Path, path: Sequence[str]) -> Path | None:
    """Give the first package or module of this name on the path that is not ours and holds Python code."""
    for place in path:
        folder = Path(place, name)
        try:
            if folder.with_suffix(".py").is_file():
                return folder.with_suffix(".py").resolve()
            if folder.resolve() != ours.resolve() and any(folder.glob("*.py")):
                return folder.resolve()
        except OSError:
            continue
    return None


def refuse_namesake(name: str, ours: Path) -> None:
    """Raise ImportError, naming both, if another package of this name is on Python's path."""
    other = namesake(name, ours, sys.path)
    if other is not None:
        raise ImportError(
            f"Python's path holds two packages {name!r}: POET's ({ours}) and {other}, and the first hides the other: "
            "rename yours, or in a checkout of POET run `make setup`, which makes both the same",
            name=name,
            path=str(other),
        )
