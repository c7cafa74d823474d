"""Results that are written after each learner, so that a program which is stopped, or run again, does nothing twice."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Kept:
    """A table in a file.

    Args:
        path: of the file, which need not be there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def begin(self, setting: Mapping[str, Any]) -> None:
        """Go on if what was measured was measured so, and else begin anew."""
        if self.found.get("setting") != dict(setting):
            self.found = {"setting": dict(setting), "results": {}}

    def has(self, name: str) -> bool:
        """Tell whether a result is there."""
        return name in self.found["results"]

    def keep(self, name: str, result: Mapping[str, Any]) -> None:
        """Add a result, and write all."""
        self.found["results"][name] = dict(result)
        self._path.write_text(
            json.dumps(self.found, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8"
        )
        print(f"{name}: {json.dumps(result)[:200]}", file=sys.stderr, flush=True)
