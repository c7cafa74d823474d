"""The last words of a run: what was solved, and the two commands that show it."""

from __future__ import annotations

import shlex
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from poet.archive import inspection

Row = dict[str, Any]


def headline(connection: Connection, run: Path) -> str:
    """Say what was solved, how to see the hardest of it, and how to see all."""
    niches = inspection.niches(connection)
    solved = [niche for niche in niches if niche["solved"] is not None]
    folder = shlex.quote(str(run))
    if solved:
        shown = max(solved, key=lambda niche: (niche["difficulty"] or 0.0, _worth(niche)))
        result = f"solved {len(solved)} of {len(niches)} environments; the hardest, niche {shown['id']}"
    else:
        shown = max(niches, key=_worth)
        result = f"solved none of {len(niches)} environments yet; the best agent, that of niche {shown['id']}"
    score = "" if shown["mean_return"] is None else f": mean return {shown['mean_return']:.1f}"
    return (
        f"{result} ({shown['description']}){score}\n"
        f"next: poet render {folder} {shown['id']} -o film.gif\n"
        f"      poet report {folder} -o report.html"
    )


def _worth(niche: Row) -> float:
    """Give the mean over fresh episodes, which an ended run has; before, the run's own scores."""
    known = [niche[name] for name in ("mean_return", "best_score") if niche[name] is not None]
    return float(known[0]) if known else float("-inf")
