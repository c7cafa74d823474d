"""What a run's agents scored in environments that they were not optimised in: the same agent, in many of them.

They are scores of agents as they were: tried in other niches when agents move, in children, and for PATA-EC. What was
fine-tuned first is another agent, and is left out. An agent is known by its niche and the iteration.
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
SELECT proposal.iteration, source.environment AS agent, target.environment AS environment, proposal.score
FROM proposal JOIN niche AS source ON source.id = proposal.source JOIN niche AS target ON target.id = proposal.target
WHERE proposal.kind = 'direct'
UNION
SELECT audition.iteration, source.environment, child.environment, audition.score
FROM audition JOIN niche AS source ON source.id = audition.source
    JOIN child ON (child.iteration, child.number) = (audition.iteration, audition.number)
WHERE audition.kind = 'direct'
UNION
SELECT performance.version, source.environment, performance.environment, performance.score
FROM performance JOIN niche AS source ON source.id = performance.agent
ORDER BY 1, 2, 3, 4
"""


def score_rows(connection: Connection) -> list[Row]:
    """List scores by iteration, agent and environment; both are named by the ids of environments."""
    return [
        dict(zip(("iteration", "agent", "environment", "score"), row, strict=True)) for row in connection.execute(QUERY)
    ]


def write_scores(folder: Path, rows: Sequence[Row]) -> None:
    """Write them, one a line."""
    (folder / SCORES).write_text("".join(f"{json.dumps(row, allow_nan=False)}\n" for row in rows), encoding="utf-8")
