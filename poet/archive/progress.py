"""An archive's iterations as points of curves: what TensorBoard and others are given, now or afterwards.

Live curves and those of a run that is over are read by the same queries, so that they are the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from sqlite3 import Connection
from typing import Any

import numpy as np

from poet.archive.figures import columns
from poet.archive.reading import read_config
from poet.config import Config

AT_ONCE = 1000  # iterations read together
TOTALS = """SELECT count(*), count(*) FILTER (WHERE solved <= :at), count(*) FILTER (WHERE retired <= :at),
    count(*) FILTER (WHERE archive_score BETWEEN :lower AND :upper AND solved <= :at) FROM niche WHERE born <= :at"""
# By niche first, as the table is sorted: looking for the iteration alone would read all of it.
SCORES = """SELECT iteration, score, names, figures FROM score
    WHERE niche IN (SELECT id FROM niche WHERE born < :stop AND (retired IS NULL OR retired >= :start))
    AND iteration >= :start AND iteration < :stop"""
WITHIN = "WHERE iteration >= :start AND iteration < :stop GROUP BY iteration"


def points(connection: Connection, start: int, stop: int) -> Iterator[tuple[int, dict[str, float]]]:
    """Give the curves' values of the iterations from `start` up to `stop`, by name; names have sections, as a/b.

    score: of the active pairs, after their steps. environments: totals. admissions and transfers: of the iteration,
    where there were any. optimiser: what optimisers told of their steps, means over pairs. throughput, cost.
    """
    config = read_config(connection)
    for first in range(start, stop, AT_ONCE):
        yield from _points(connection, config, first, min(first + AT_ONCE, stop))


def _points(connection: Connection, config: Config, start: int, stop: int) -> Iterator[tuple[int, dict[str, float]]]:
    span = {"start": start, "stop": stop}

    def grouped(query: str) -> dict[int, tuple[Any, ...]]:
        return {row[0]: tuple(row)[1:] for row in connection.execute(f"{query} {WITHIN}", span)}

    costs = grouped("SELECT iteration, sum(episodes), sum(steps) FROM cost")
    seconds = grouped("SELECT iteration, sum(seconds) FROM timing")
    transfers = grouped("SELECT iteration, count(*), count(source) FROM transfer")
    children = grouped("SELECT iteration, count(*), count(niche) FROM child")
    active = grouped("SELECT iteration, max(active), max(diverged) FROM iteration")
    scores, figures = _scores(connection, span)
    criterion = config.minimal_criterion
    for at in sorted(active):
        bounds = {"at": at, "lower": criterion.lower, "upper": criterion.upper}
        niches, solved, retired, annecs = connection.execute(TOTALS, bounds).fetchone()
        episodes, steps = costs.get(at, (0, 0))
        (spent,) = seconds.get(at, (0.0,))
        values: dict[str, float] = {}
        if scores[at]:
            values |= {
                "score/best": max(scores[at]),
                "score/mean": float(np.mean(scores[at])),
                "score/lowest": min(scores[at]),
            }
        values |= {
            "environments/admitted": niches,
            "environments/active": active[at][0],
            "environments/retired": retired,
            "environments/solved": solved,
        }
        if config.reproduction.whole_archive:
            values["environments/ANNECS"] = annecs
        if at in children:
            values |= {"admissions/children": children[at][0], "admissions/admitted": children[at][1]}
        if at in transfers:
            values |= {"transfers/tournaments": transfers[at][0], "transfers/accepted": transfers[at][1]}
        values |= {f"optimiser/{name}": value for name, value in figures[at].items()}
        values |= {"cost/episodes": episodes, "cost/steps": steps, "cost/diverged_episodes": active[at][1]}
        if spent:
            values |= {"throughput/steps_per_second": steps / spent, "throughput/seconds": spent}
        yield at, values


def _scores(connection: Connection, span: dict[str, int]) -> tuple[dict[int, list[float]], dict[int, dict[str, float]]]:
    """Give the scores of each iteration, and the means of what optimisers told."""
    scores: dict[int, list[float]] = defaultdict(list)
    told, iterations = [], []
    for iteration, score, *figures in connection.execute(SCORES, span):
        scores[iteration].append(score)
        iterations.append(iteration)
        told.append(tuple(figures))
    means: dict[int, dict[str, float]] = defaultdict(dict)
    at = np.array(iterations, dtype=np.int64) - span["start"]
    for name, column in columns(connection, told).items():
        known = np.isfinite(column)
        counts, sums = (np.bincount(at[known], weights=weights) for weights in (None, column[known]))
        for place in np.flatnonzero(counts).tolist():
            means[place + span["start"]][name] = float(sums[place] / counts[place])
    return scores, means
