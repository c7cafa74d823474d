"""An evaluation as a picture: every agent's mean on every terrain, the best one's with its interval."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from environments.files import check_file, write_aside
from poet.errors import InputError
from poet.evaluate.scoring import chosen_rows
from poet.figures import Figure, plain_style
from poet.foreign import printable

Row = dict[str, Any]

PICTURES = (".png", ".svg", ".pdf")
MOST_TERRAINS = 60  # of which the picture keeps the first


def check_plot(path: Path) -> None:
    """Raise InputError or PlaceError unless a picture can be written there: before hours of episodes, not after."""
    if path.suffix not in PICTURES:
        raise InputError(f"cannot write {path}: its ending must be one of {', '.join(PICTURES)}")
    check_file(path)


@plain_style()
def plot(rows: Sequence[Row], title: str, solved_above: float, path: Path) -> None:
    """Draw rows of `poet.evaluate.scoring.summarise`.

    Raises:
        PlaceError: the file cannot be written there.
        DiskError: the disk is full or broken; an older picture is kept.
    """
    best = chosen_rows(rows)[:MOST_TERRAINS]
    place = {row["terrain"]: len(best) - number for number, row in enumerate(best)}
    figure = Figure(figsize=(7.5, 1.4 + 0.3 * len(best)), layout="constrained")
    axes = figure.subplots()
    others = [row for row in rows if row["terrain"] in place]
    axes.scatter([row["mean"] for row in others], [place[row["terrain"]] for row in others], s=9, color="#b8c2cc")
    for row in best:
        low, high = row["interval"] or (row["mean"], row["mean"])
        axes.plot([low, high], [place[row["terrain"]]] * 2, color="#2f6fb3", linewidth=2.2)
    axes.scatter([row["mean"] for row in best], list(place.values()), s=26, color="#2f6fb3", zorder=3)
    axes.axvline(solved_above, color="#9b2f4f", linewidth=1, linestyle=":")
    labels = [f"{row['terrain']}  {row['solved']:.0%}" for row in best]
    # Names are a stranger's: a dollar in one begins no formula.
    axes.set_yticks(list(place.values()), [printable(label) for label in labels], fontsize=8, parse_math=False)
    meaning = "blue: the best agent, its 95 % interval and how often it solved; grey: the others; dotted: solved"
    axes.set_xlabel("mean return", fontsize=8)
    figure.supxlabel(meaning, fontsize=8)  # under the terrains' names too: it is wider than the axes
    axes.set_title(printable(title), fontsize=10, loc="left", parse_math=False)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    axes.grid(axis="x", color="#e6e8eb")
    axes.set_axisbelow(True)
    picture = io.BytesIO()
    figure.savefig(picture, dpi=130, format=path.suffix.removeprefix("."))
    write_aside(path, picture.getvalue())
