"""An evaluation as a picture: every agent's mean on every terrain, the best one's with its interval."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from poet.errors import InputError
from poet.figures import Figure, plain_style
from poet.scoring import best_rows

Row = dict[str, Any]

PICTURES = (".png", ".svg", ".pdf")
MOST_TERRAINS = 60  # of which the picture keeps the first


def check_plot(path: Path) -> None:
    """Raise InputError unless a picture can be written there: said before hours of episodes, not after."""
    if path.suffix not in PICTURES:
        raise InputError(f"cannot write {path}: its ending must be one of {', '.join(PICTURES)}")
    aside = _aside(path)
    try:
        aside.touch()
        aside.unlink()
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder")


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")


@plain_style()
def plot(rows: Sequence[Row], title: str, solved_above: float, path: Path) -> None:
    """Draw rows of `poet.scoring.summarise`.

    Raises:
        InputError: the file cannot be written, or its ending names no picture.
    """
    best = best_rows(rows)[:MOST_TERRAINS]
    place = {row["terrain"]: len(best) - number for number, row in enumerate(best)}
    figure = Figure(figsize=(7.5, 1.4 + 0.3 * len(best)), layout="constrained")
    axes = figure.subplots()
    others = [row for row in rows if row["terrain"] in place]
    axes.scatter([row["mean"] for row in others], [place[row["terrain"]] for row in others], s=9, color="#b8c2cc")
    for row in best:
        low, high = row["interval"]
        axes.plot([low, high], [place[row["terrain"]]] * 2, color="#2f6fb3", linewidth=2.2)
    axes.scatter([row["mean"] for row in best], list(place.values()), s=26, color="#2f6fb3", zorder=3)
    axes.axvline(solved_above, color="#9b2f4f", linewidth=1, linestyle=":")
    labels = [f"{row['terrain']}  {row['solved']:.0%}" for row in best]
    axes.set_yticks(list(place.values()), labels, fontsize=8)
    meaning = "blue: the best agent, its 95 % interval and how often it solved; grey: the others; dotted: solved"
    axes.set_xlabel("mean return", fontsize=8)
    figure.supxlabel(meaning, fontsize=8)  # under the terrains' names too: it is wider than the axes
    axes.set_title(title, fontsize=10, loc="left")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    axes.grid(axis="x", color="#e6e8eb")
    axes.set_axisbelow(True)
    aside = _aside(path)
    try:
        figure.savefig(aside, dpi=130)
        aside.replace(path)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot write {path}: {error}") from error
    finally:
        aside.unlink(missing_ok=True)
