"""One picture of a run for a terminal of a given size: what is newest is never cut, what matters least goes first.

At 80 x 24 too. Where lines are short of, older niches are counted instead of listed and older events left out;
where columns are, first the score's bar goes, then when and from whom a niche was born.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from poet.population import Pair

WIDEST_BAR, SHORTEST_BAR = 40, 8  # columns
WIDEST_SCORE_BAR = 24
EVENT_LINES = 4  # kept for events, however many pairs there are
BORDERS = 4  # columns of the panel and its padding
DISPENSABLE = ("born", "parent")  # in this order, where descriptions would be cut


@dataclass(frozen=True, slots=True)
class Phase:
    """How far something is; out of a number not known yet where the total is None."""

    name: str
    done: int
    total: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What there is to see of a run."""

    title: str
    iteration: Phase
    remaining: str
    phase: Phase
    figures: str
    pairs: Sequence[Pair]  # oldest first
    descriptions: Mapping[int, str]  # by niche
    full_score: float  # at which a score's bar is full
    events: Sequence[str]  # oldest first


def frame(view: View, console: Console, width: int, height: int) -> RenderableType:
    """Lay the picture out within so many columns and lines, one of which stays free for the cursor."""
    inner = max(width - BORDERS, 20)
    figures = Text("\n").join(Text(view.figures).wrap(console, inner))
    lines = height - 3 - 2 - figures.plain.count("\n") - 1  # borders, cursor; two bars; the figures
    listed = max(min(len(view.pairs), lines - 1 - EVENT_LINES), 1)  # beneath the headings
    left_out = len(view.pairs) - listed
    if left_out:
        listed, left_out = max(listed - 1, 1), len(view.pairs) - max(listed - 1, 1)
    happened = _newest(view.events, lines - 1 - listed - bool(left_out), inner, console)
    body: list[RenderableType] = [_bars(view, inner), figures]
    if left_out:
        body.append(Text(f"{left_out} older niche{'s' if left_out > 1 else ''} not shown", style="dim"))
    body += [_pairs(view, view.pairs[-listed:], inner), *happened]
    return Panel(Group(*body), title=Text(view.title), title_align="left", width=width)


def _bars(view: View, width: int) -> Table:
    """Say how far the run is, and the phase within it."""
    rows = [
        (view.iteration, f"{view.iteration.done:,}/{view.iteration.total:,} {view.remaining}"),
        (view.phase, f"{view.phase.done:,}/{view.phase.total:,} episodes" if view.phase.total is not None else ""),
    ]
    names = max(len(phase.name) for phase, _ in rows)
    room = width - names - 2 - max(len(text) for _, text in rows)
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for phase, text in rows:
        bar = ProgressBar(total=phase.total, completed=phase.done, width=max(min(room, WIDEST_BAR), SHORTEST_BAR))
        table.add_row(phase.name, bar, text)
    return table


def _newest(events: Sequence[str], lines: int, width: int, console: Console) -> list[Text]:
    """Give the newest events that fit, oldest first, broken into lines; only the newest of all may have to be cut."""
    shown: list[Text] = []
    for number, event in enumerate(reversed(events)):
        broken = list(Text(event, style="dim").wrap(console, width))
        if len(broken) > lines and number:
            break
        kept = broken[: max(lines, 0)]
        lines -= len(kept)
        shown = kept + shown
    return shown


def _pairs(view: View, pairs: Sequence[Pair], width: int) -> Table:
    rows = {pair.niche.id: _row(pair, view.descriptions[pair.niche.id]) for pair in pairs}
    widths = {
        heading: max(cell_len(text) for text in (heading, *(row[heading] for row in rows.values())))
        for heading in next(iter(rows.values()))
    }
    for heading in DISPENSABLE:
        if _taken(widths) > width:
            del widths[heading]
    bar = min(width - _taken(widths) - 1, WIDEST_SCORE_BAR)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, expand=True)
    for heading, size in widths.items():
        if heading == "environment":
            table.add_column(heading, ratio=1, no_wrap=True, overflow="ellipsis")
        else:
            table.add_column(heading, justify="right", width=size, no_wrap=True)
        if heading == "score" and bar >= SHORTEST_BAR:
            table.add_column("", width=bar)
    for pair in pairs:
        cells: list[RenderableType] = []
        for heading in widths:
            cells.append(Text(rows[pair.niche.id][heading]))
            if heading == "score" and bar >= SHORTEST_BAR:
                cells.append(_score_bar(pair, view.full_score))
        table.add_row(*cells)
    return table


def _taken(widths: Mapping[str, int]) -> int:
    """Count the columns that a table's texts need, with those between them."""
    return sum(widths.values()) + len(widths) - 1


def _row(pair: Pair, description: str) -> dict[str, str]:
    niche, score = pair.niche, pair.score
    return {
        "niche": str(niche.id),
        "parent": "-" if niche.parent is None else str(niche.parent),
        "born": str(niche.born),
        "environment": description,
        "score": "-" if score is None else f"{score:.1f}",
        "best": "-" if pair.best is None else f"{pair.best.score:.1f}",
        "solved": "" if pair.solved is None else str(pair.solved),
    }


def _score_bar(pair: Pair, full: float) -> RenderableType:
    """Draw a score; full at the minimal criterion's upper bound, where an environment is too easy for its agent."""
    return "" if pair.score is None else ProgressBar(total=full, completed=min(max(pair.score, 0), full))
