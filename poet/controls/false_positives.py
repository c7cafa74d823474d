"""Transfers that were no gain: agents that moved in by luck.

Enhanced POET gives the share of transfers that are false positives, 50.4% under
the original rule and 22.3% under its own (arXiv:2003.08536, section 3.3). The
archive keeps the agent that moved in and the one that it replaced; both play the
same fresh episodes of the niche, more than decided the tournament, and a transfer
in which the newcomer's mean is not the higher one counts as a false positive.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment
from evolution.chains import Workers
from evolution.evaluator import Evaluator
from evolution.noise import Stream, keyed_rng
from evolution.requests import Simulation
from poet.archive.rows import niche_from, read_blob
from poet.population import Niche
from poet.records import Origin

Row = dict[str, Any]
AT_ONCE = 32  # transfers scored before progress is told


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Move:
    """One accepted transfer."""

    iteration: int
    target: int  # niche id
    kind: str
    environment: Environment
    newcomer: NDArray[np.float64]  # (P,)
    replaced: NDArray[np.float64]  # (P,)


def moves(connection: Connection) -> tuple[list[Move], int]:
    """Read the accepted transfers, oldest first, and how many are left out because an agent was not kept."""
    niches: dict[int, Niche] = {
        row["id"]: niche_from(row) for row in connection.execute("SELECT * FROM niche ORDER BY id")
    }
    kept: dict[tuple[int, int, str], Any] = {
        (row["iteration"], row["niche"], row["origin"]): row["theta"]
        for row in connection.execute(
            "SELECT iteration, niche, origin, theta FROM agent WHERE origin IN (?, ?)",
            (Origin.MOVED_IN, Origin.MOVED_OUT),
        )
    }
    found, missing = [], 0
    query = "SELECT iteration, target, kind FROM transfer WHERE source IS NOT NULL ORDER BY iteration, target"
    for iteration, target, kind in connection.execute(query):
        newcomer = kept.get((iteration, target, Origin.MOVED_IN))
        replaced = kept.get((iteration, target, Origin.MOVED_OUT))
        if newcomer is None or replaced is None:
            missing += 1
            continue
        found.append(
            Move(
                iteration=iteration,
                target=target,
                kind=kind,
                environment=niches[target].environment,
                newcomer=read_blob(newcomer),
                replaced=read_blob(replaced),
            )
        )
    return found, missing


def sample(found: Sequence[Move], most: int, seed: int) -> list[Move]:
    """Draw so many transfers at most, all alike; in their order."""
    if len(found) <= most:
        return list(found)
    chosen = keyed_rng(seed, Stream.CHILD, 0).choice(len(found), most, replace=False)
    return [found[number] for number in sorted(chosen.tolist())]


def judge(
    chosen: Sequence[Move],
    simulation: Simulation,
    episodes: int,
    workers: Workers,
    progress: Callable[[int], None],
) -> list[Row]:
    """Score newcomer and replaced of every transfer on the same episodes; `progress` hears of each number done."""
    evaluator = Evaluator(simulation, workers)
    rows: list[Row] = []
    for start in range(0, len(chosen), AT_ONCE):
        part = chosen[start : start + AT_ONCE]
        requests = [
            evaluator.score_request(theta, move.environment, (move.iteration, move.target), episodes)
            for move in part
            for theta in (move.newcomer, move.replaced)
        ]
        tried = evaluator.run("score", requests)
        for number, move in enumerate(part):
            newcomer, replaced = (float(tried[2 * number + place].returns.mean()) for place in (0, 1))
            rows.append(
                {
                    "iteration": move.iteration,
                    "target": move.target,
                    "kind": move.kind,
                    "newcomer": newcomer,
                    "replaced": replaced,
                    "false_positive": not newcomer > replaced,
                }
            )
        progress(len(part))
    return rows


def rates(rows: Sequence[Row]) -> list[Row]:
    """Give the share of false positives, of all transfers and of each kind, with its 95 % interval (Wilson's)."""
    from scipy.stats import binomtest  # noqa: PLC0415 - slow to load

    groups = {"all": list(rows)} | {
        kind: [row for row in rows if row["kind"] == kind] for kind in sorted({row["kind"] for row in rows})
    }
    found = []
    for name, members in groups.items():
        wrong = sum(row["false_positive"] for row in members)
        bounds = binomtest(wrong, len(members)).proportion_ci(method="wilson") if members else None
        gains = np.array([row["newcomer"] - row["replaced"] for row in members])
        found.append(
            {
                "transfers": name,
                "number": len(members),
                "false_positives": wrong,
                "rate": wrong / len(members) if members else None,
                "interval": None if bounds is None else [float(bounds.low), float(bounds.high)],
                "mean_gain": float(gains.mean()) if len(gains) else None,
            }
        )
    return found
