"""The genomes that a run tried, admitted or not: many more than its niches, and each a kind of ground of its own.

What learns to tell kinds of ground apart can use them all. A genome lies in the split of the niche that it was bred
from; one bred from a niche on the boundary goes where most is missing, as the branches do that hang there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from environments.tasks.curriculum import BOUNDARY, SPLITS, TRIED
from poet.archive.rows import read_genome
from poet.export.splits import Fractions

Row = dict[str, Any]

QUERY = """
SELECT child.iteration, child.environment, child.genome, child.terrain_seed, child.decision,
    CASE WHEN input.number IS NULL THEN parent.environment END AS parent,
    parent.encoding AS inherited, input.environment AS given
FROM child JOIN niche AS parent ON parent.id = child.parent
    LEFT JOIN input ON (input.iteration, input.number) = (child.iteration, child.number)
ORDER BY child.iteration, child.number
"""


def write_tried(folder: Path, rows: Sequence[Row]) -> None:
    """Write the rows that `with_splits` gave, one a line."""
    text = "".join(f"{json.dumps(row, allow_nan=False)}\n" for row in rows)
    (folder / TRIED).write_text(text, encoding="utf-8")


def tried_rows(connection: Connection) -> list[Row]:
    """List what was tried, in order of trial."""
    return [
        {
            "id": row["environment"],
            "encoding": json.loads(row["given"])["encoding"] if row["given"] else row["inherited"],
            "genome": read_genome(row["genome"]),
            "terrain_seed": row["terrain_seed"],
            "parent": row["parent"],
            "iteration": row["iteration"],
            "decision": row["decision"],
        }
        for row in connection.execute(QUERY)
    ]


def with_splits(rows: Sequence[Row], tasks: Sequence[Row], fractions: Fractions) -> list[Row]:
    """Take every environment once, where it comes first, and add its split; `tasks` tell the niches' own."""
    splits = {row["id"]: row["split"] for row in tasks}
    found: dict[str, Row] = {}
    sizes = Counter(split for split in splits.values() if split != BOUNDARY)
    for row in rows:
        if row["id"] in found:
            continue
        split = splits.get(row["id"]) or splits.get(row["parent"] or "", BOUNDARY)
        if split == BOUNDARY and row["id"] not in splits:
            split = min(fractions.wanted, key=lambda name: sizes[name] / fractions.shares[SPLITS.index(name)])
        sizes[split] += row["id"] not in splits
        found[row["id"]] = {**row, "split": split}
    return list(found.values())
