"""What a run's agents scored in environments that they were not optimised in: the same agent, in many of them.

They are scores of agents as they were: tried in other niches when agents move, in children, and for PATA-EC. What was
fine-tuned first is another agent, and is left out.

An agent is known by its niche, by the last iteration whose step of the optimiser it had taken, and by whether it moved
in after that step, from another niche. When agents move they have taken the iteration's step; children are tried and
PATA-EC is measured before it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from environments.tasks.curriculum import SCORES

Row = dict[str, Any]

QUERY = """
WITH early (iteration, source, environment, score) AS (  -- of agents as they stood when the iteration began
    SELECT audition.iteration, audition.source, child.environment, audition.score
    FROM audition JOIN child ON (child.iteration, child.number) = (audition.iteration, audition.number)
    WHERE audition.kind = 'direct'
    UNION
    SELECT version, agent, environment, score FROM performance
)
SELECT proposal.iteration, 0 AS moved, source.environment AS agent, target.environment AS environment, proposal.score
FROM proposal JOIN niche AS source ON source.id = proposal.source JOIN niche AS target ON target.id = proposal.target
WHERE proposal.kind = 'direct'
UNION
SELECT early.iteration - 1, transfer.source IS NOT NULL, source.environment, early.environment, early.score
FROM early JOIN niche AS source ON source.id = early.source
    LEFT JOIN transfer ON (transfer.iteration, transfer.target) = (early.iteration - 1, early.source)
ORDER BY 1, 2, 3, 4, 5
"""


def score_rows(connection: Connection) -> list[Row]:
    """List scores by iteration, agent and environment; both are named by the ids of environments."""
    return [
        {
            "iteration": row["iteration"],
            "agent": row["agent"],
            "moved": bool(row["moved"]),
            "environment": row["environment"],
            "score": row["score"],
        }
        for row in connection.execute(QUERY)
    ]


def write_scores(folder: Path, rows: Sequence[Row]) -> None:
    """Write them, one a line."""
    (folder / SCORES).write_text("".join(f"{json.dumps(row, allow_nan=False)}\n" for row in rows), encoding="utf-8")
