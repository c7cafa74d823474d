"""When a run of POET admitted its first challenging ground, by the paper's bounds; read from its archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.long_runs.summary import summarise

Row = dict[str, Any]


def first_challenging(folder: Path) -> Row:
    """Say what a run had cost when it admitted its first ground of level 1 or higher, or that it has not yet."""
    found = summarise(folder)
    admitted = [row for row in found["niches"] if row["parent"] is not None and row["level"] >= 1]
    first = min(admitted, key=lambda row: row["admitted"]["iteration"], default=None)
    settings = found["settings"]
    return {
        "run": folder.name,
        "seed": settings["seed"],
        "optimiser": settings["optimiser"]["name"],
        "iterations": found["iterations"],
        "steps": found["steps"],
        "core_hours": found["core_hours"],
        "niches": len(found["niches"]),
        "admitted": found["levels"]["admitted"],
        "solved": found["levels"]["solved"],
        "first_challenging": first and {**first["admitted"], "niche": first["id"], "ground": first["description"]},
    }
