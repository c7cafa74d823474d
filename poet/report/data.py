"""What the report shows, as one JSON value: figures, curves, niches, courses, transfers, recorded episodes.

Curves are thinned and coordinates packed as 16-bit integers, so that a
thousand niches stay within a few megabytes.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Sequence
from sqlite3 import Connection
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from environments.domain import find_domain
from environments.sketch import Drawable, Recording, Relief, StickRecording
from poet import inspection
from poet.archive import read_config, read_population
from poet.rows import read_blob

Row = dict[str, Any]

CURVE_POINTS = 400  # of a curve of the whole run
NICHE_POINTS = 80  # of one niche's scores
LENGTH_UNIT = 1 / 256  # m, of packed coordinates
ANGLE_UNIT = 1 / 4096  # rad
FRAME_STRIDE = 2  # the page draws between the frames that are kept
EPISODE_SEED = 0


def gather(connection: Connection, title: str, films: int) -> Row:
    """Collect the report's data at one moment of a run that may be going on."""
    connection.execute("BEGIN")
    try:
        niches = inspection.niches(connection)
        moves = inspection.transfers(connection)
        return {
            "title": title,
            "summary": inspection.summary(connection),
            "curves": _curves(connection),
            "niches": _niches(connection, niches),
            "courses": _courses(connection),
            "moves": [[move[key] for key in ("source", "target", "moves", "attempts")] for move in moves["moves"]],
            "films": _films(connection, niches, films),
            "units": {"length": LENGTH_UNIT, "angle": ANGLE_UNIT},
        }
    finally:
        connection.execute("ROLLBACK")


def _curves(connection: Connection) -> Row:
    """Thin the metrics: totals as they stand, scores and speed as means over each stretch."""
    rows = inspection.metrics(connection)
    if not rows:
        return {"iteration": []}
    seconds = dict(iter(connection.execute("SELECT iteration, seconds FROM timing")))
    stretches = [part for part in np.array_split(np.arange(len(rows)), min(CURVE_POINTS, len(rows))) if len(part)]
    curves: Row = {"iteration": [rows[part[-1]]["iteration"] for part in stretches]}
    for name in ("niches", "solved", "admitted_solved", "created", "annecs", "active"):
        curves[name] = [rows[part[-1]][name] for part in stretches]
    for name in ("mean_score", "best_score"):
        curves[name] = [_mean([rows[i][name] for i in part if rows[i][name] is not None]) for part in stretches]
    curves["speed"] = []
    for part in stretches:
        spent = sum(seconds.get(rows[i]["iteration"], 0.0) for i in part)
        curves["speed"].append(round(sum(rows[i]["steps"] for i in part) / spent) if spent else None)
    return curves


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 2) if values else None


def _niches(connection: Connection, niches: Sequence[Row]) -> list[Row]:
    """Add thinned scores and the counts of tournaments to every niche."""
    tried = dict(iter(connection.execute("SELECT target, count(*) FROM transfer GROUP BY target")))
    scores: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for niche, iteration, score in connection.execute("SELECT niche, iteration, score FROM score"):
        scores[niche].append((iteration, score))
    return [
        {
            **{key: value for key, value in niche.items() if key != "terrain_seed"},
            "seed": niche["terrain_seed"],
            "scores": _thinned(scores[niche["id"]]),
            "tried": tried.get(niche["id"], 0),
        }
        for niche in niches
    ]


def _thinned(points: Sequence[tuple[int, float]]) -> list[list[float]]:
    if not points:
        return []
    places = np.unique(np.linspace(0, len(points) - 1, min(NICHE_POINTS, len(points))).round().astype(int))
    return [[points[place][0], round(points[place][1], 1)] for place in places]


def _courses(connection: Connection) -> list[Row | None]:
    domain = find_domain(read_config(connection).domain)
    if not isinstance(domain, Drawable):
        return []
    sketches = [domain.sketch(niche.environment) for niche in read_population(connection).niches]
    return [
        {
            "ground": pack(sketch.ground / LENGTH_UNIT),
            "boxes": pack(sketch.boxes / LENGTH_UNIT),
            "relief": None if sketch.relief is None else _relief(sketch.relief),
        }
        for sketch in sketches
    ]


def _relief(relief: Relief) -> Row:
    return {
        "heights": pack(relief.heights / LENGTH_UNIT),
        "shape": list(relief.heights.shape),
        "start": list(relief.start),
        "cell": relief.cell,
    }


def pack(values: ArrayLike) -> str:
    """Write numbers as base64 of little-endian 16-bit integers."""
    return base64.b64encode(np.asarray(values).round().clip(-32768, 32767).astype("<i2").tobytes()).decode()


def _films(connection: Connection, niches: Sequence[Row], films: int) -> dict[int, Row]:
    """Record the best agents of some niches: solved ones first, then the highest scores."""
    config = read_config(connection)
    domain = config.make_domain()
    if not isinstance(domain, Drawable):
        return {}
    scored = [niche for niche in niches if niche["best_score"] is not None]
    scored.sort(key=lambda niche: (niche["solved"] is None, -(niche["difficulty"] or 0.0), -niche["best_score"]))
    environments = {niche.id: niche.environment for niche in read_population(connection).niches}
    found = {}
    for niche in scored[:films]:
        query = "SELECT best_theta FROM pair WHERE niche = ?"
        (blob,) = connection.execute(query, (niche["id"],)).fetchone()
        theta = read_blob(blob).astype(np.float32)
        recording = domain.record(environments[niche["id"]], theta, EPISODE_SEED, config.episode_limit)
        found[niche["id"]] = _film(recording)
    return found


def _film(recording: Recording | StickRecording) -> Row:
    moves = _sticks(recording) if isinstance(recording, StickRecording) else _bodies(recording)
    return {
        **moves,
        "fps": recording.fps / FRAME_STRIDE,
        "score": round(recording.score, 1),
        "outcome": recording.outcome,
    }


def _sticks(recording: StickRecording) -> Row:
    points = recording.points[::FRAME_STRIDE]
    lines = [list(line) for line in recording.lines]
    return {"lines": lines, "poses": pack(points / LENGTH_UNIT), "frames": len(points), "points": points.shape[1]}


def _bodies(recording: Recording) -> Row:
    poses = recording.poses[::FRAME_STRIDE].copy()
    poses[..., :2] /= LENGTH_UNIT
    # A body may turn over; whole turns look alike.
    poses[..., 2] = ((poses[..., 2] + np.pi) % (2 * np.pi) - np.pi) / ANGLE_UNIT
    return {
        "shapes": [shape.round(4).tolist() for shape in recording.shapes],
        "poses": pack(poses),
        "frames": len(poses),
    }
