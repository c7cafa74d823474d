"""Which agent stands for a niche: one answer for films, exports, evaluations and reports.

It is the one whose own evaluation in the run scored highest. That score is the luckiest of many and says
little; `poet.archive.rescoring` says what the agent is worth.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from sqlite3 import Connection, Row

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment
from poet.archive.rows import niche_from, read_blob
from poet.errors import NoNicheError

BEST = """
SELECT niche.*, coalesce(pair.best_theta, pair.theta) AS theta
FROM niche JOIN pair ON pair.niche = niche.id
"""


def agent_id(theta: NDArray[np.float32]) -> str:
    """Name an agent by its content: 16 hexadecimal digits of SHA-256 over its parameters as they are simulated."""
    return hashlib.sha256(theta.astype("<f4").tobytes()).hexdigest()[:16]


@dataclass(frozen=True)
class BestAgent:
    """A niche and the agent that stands for it."""

    niche: int
    environment: Environment
    theta: NDArray[np.float32]  # (P,)

    @cached_property
    def id(self) -> str:
        """The agent's content hash."""
        return agent_id(self.theta)


def best_agents(connection: Connection) -> dict[int, BestAgent]:
    """Give the best agent of every niche; of one without a score yet, its agent as it stands."""
    return {row["id"]: _agent(row) for row in connection.execute(f"{BEST} ORDER BY niche.id")}


def best_agent(connection: Connection, niche: int) -> BestAgent:
    """Give the best agent of one niche.

    Raises:
        NoNicheError: there is no such niche.
    """
    try:
        row = connection.execute(f"{BEST} WHERE niche.id = ?", (niche,)).fetchone()
    except OverflowError:  # larger than any number that SQLite holds
        row = None
    if row is None:
        (count,) = connection.execute("SELECT count(*) FROM niche").fetchone()
        raise NoNicheError(niche, count)
    return _agent(row)


def _agent(row: Row) -> BestAgent:
    return BestAgent(row["id"], niche_from(row).environment, read_blob(row["theta"]).astype(np.float32))
