"""What optimisers told of their steps, read from the archive: numbers under the names that the optimiser gave them.

They stand beside a step's score as one blob, since a row for each would make a long run's archive half as large
again, and its opening, which goes through every row, several times as long.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from sqlite3 import Connection
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from environments.documents import parse_json

Columns: TypeAlias = dict[str, NDArray[np.float64]]
"""Figures by name; NaN in the rows that have none of the name."""


def columns(connection: Connection, rows: Iterable[tuple[int, bytes]]) -> Columns:
    """Lay out the figures of rows of `score`, of each its `names` and its `figures`: by name (n,).

    Raises:
        ValueError: a row has more or fewer figures than names.
    """
    known = {number: parse_json(text) for number, text in connection.execute("SELECT id, names FROM figure_names")}
    places: dict[int, list[int]] = defaultdict(list)
    blobs: dict[int, list[bytes]] = defaultdict(list)
    count = 0
    for place, (number, blob) in enumerate(rows):
        places[number].append(place)
        blobs[number].append(blob)
        count = place + 1
    found: Columns = {}
    for number, parts in blobs.items():
        values = np.frombuffer(b"".join(parts), dtype="<f8").reshape(len(parts), len(known[number]))
        for name, column in zip(known[number], values.T, strict=True):
            found.setdefault(name, np.full(count, np.nan))[places[number]] = column
    return found


def plain(column: NDArray[np.float64]) -> list[float | None]:
    """Give a column as JSON can hold it: None where there is no number."""
    finite = np.isfinite(column)
    return (
        column.tolist()
        if finite.all()
        else [value if ok else None for value, ok in zip(column.tolist(), finite, strict=True)]
    )
