"""Which of the solved grounds to film, and to try by other means: the hardest, of different lineages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.long_runs.measures import hardness

Row = dict[str, Any]


def hardest_solved(niches: Sequence[Mapping[str, Any]], count: int) -> list[int]:
    """Give ids of the hardest solved grounds that were admitted, hardest first.

    First come those of which none is an ancestor, an offspring or a sibling of another; if they are too few, siblings
    are let in, and at last relatives of any kind.
    """
    parents = {niche["id"]: niche["parent"] for niche in niches}
    solved = [niche for niche in niches if was_admitted(niche) and niche["solved"] is not None]
    order = [niche["id"] for niche in sorted(solved, key=hardness, reverse=True)]
    chosen: list[int] = []
    for related in (_close, _in_line, _never):
        for number in order:
            free = number not in chosen and not any(related(number, other, parents) for other in chosen)
            if free and len(chosen) < count:
                chosen.append(number)
    return sorted(chosen, key=order.index)


def was_admitted(niche: Mapping[str, Any]) -> bool:
    """Say whether a run admitted a ground itself, rather than began with it."""
    return niche["admitted"] is not None and niche["admitted"]["iteration"] > 0


def ancestors(number: int, parents: Mapping[int, int | None]) -> list[int]:
    """List a ground's parent, grandparent and so on."""
    found: list[int] = []
    parent = parents[number]
    while parent is not None:
        found.append(parent)
        parent = parents[parent]
    return found


def _in_line(one: int, other: int, parents: Mapping[int, int | None]) -> bool:
    return one in ancestors(other, parents) or other in ancestors(one, parents)


def _close(one: int, other: int, parents: Mapping[int, int | None]) -> bool:
    return parents[one] == parents[other] or _in_line(one, other, parents)


def _never(one: int, other: int, parents: Mapping[int, int | None]) -> bool:
    return False
