"""What the report shows, as one JSON value: figures, curves, niches, courses, transfers, recorded episodes.

Curves are thinned and coordinates packed as 16-bit integers, so that a
thousand niches stay within a few megabytes.
"""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from sqlite3 import Connection
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from environments.domain import find_domain
from environments.settings import flat
from environments.sketch import Drawable, Gauge, Recording, Relief, Sketch, StickRecording
from poet.archive import inspection
from poet.archive.best import best_agents
from poet.archive.figures import columns
from poet.archive.inspection import Known
from poet.archive.reading import one_moment, read_config, read_population
from poet.archive.rescoring import of_all
from poet.config import if_installed

Row = dict[str, Any]

CURVE_POINTS = 400  # of a curve of the whole run
NICHE_POINTS = 80  # of one niche's scores
LENGTH_UNIT = 1 / 256  # m, of packed coordinates
ANGLE_UNIT = 1 / 4096  # rad
FRAME_STRIDE = 2  # the page draws between the frames that are kept


def gather(connection: Connection, title: str, films: int, fresh: Known | None = None) -> Row:
    """Collect the report's data at one moment of a run that may be going on."""
    with one_moment(connection):
        fresh = of_all(connection) if fresh is None else fresh
        niches = inspection.niches(connection, fresh)
        moves = inspection.transfers(connection)
        return {
            "title": title,
            "summary": inspection.summary(connection, fresh),
            "curves": _curves(connection),
            "niches": _niches(connection, niches),
            "courses": _courses(connection),
            "moves": [[move[key] for key in ("source", "target", "moves", "attempts")] for move in moves["moves"]],
            "films": _films(connection, niches, films, fresh),
            "about": _about(connection),
            "units": {"length": LENGTH_UNIT, "angle": ANGLE_UNIT},
        }


def _about(connection: Connection) -> Row:
    """Tell what made the run and this page: settings, versions, times."""
    timing = inspection.timing(connection)
    sessions = timing["sessions"]
    return {
        "settings": [[name, json.dumps(value)] for name, value in flat(read_config(connection).to_table()).items()],
        "version": version("poet-trailblazer"),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "run_versions": sorted({session["version"] for session in sessions}),
        "started": sessions[0]["started"] if sessions else None,
        "last_commit": sessions[-1]["last_commit"] if sessions else None,
        "seconds": timing["seconds"],
        "sessions": len(sessions),
    }


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
    curves["figures"] = _figures(connection, [rows[part[0]]["iteration"] for part in stretches])
    curves["speed"] = []
    for part in stretches:
        spent = sum(seconds.get(rows[i]["iteration"], 0.0) for i in part)
        curves["speed"].append(round(sum(rows[i]["steps"] for i in part) / spent) if spent else None)
    return curves


def _figures(connection: Connection, starts: Sequence[int]) -> Row:
    """Average what optimisers told of their steps over all pairs and each stretch, given where the stretches begin."""
    places, told = [], []
    for iteration, *row in connection.execute("SELECT iteration, names, figures FROM score"):
        places.append(iteration)
        told.append(tuple(row))
    stretch = np.searchsorted(starts, places, side="right") - 1
    found = {}
    for name, column in columns(connection, told).items():
        known = np.isfinite(column)
        counts = np.bincount(stretch[known], minlength=len(starts))
        sums = np.bincount(stretch[known], weights=column[known], minlength=len(starts))
        found[name] = [
            float(f"{total / count:.5g}") if count else None for total, count in zip(sums, counts, strict=True)
        ]
    return found


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
    config = read_config(connection)
    domain = if_installed(lambda: find_domain(config.domain))
    if not isinstance(domain, Drawable):
        return []
    return [packed_course(domain.sketch(niche.environment)) for niche in read_population(connection).niches]


def packed_course(sketch: Sketch) -> Row:
    """Pack a course as the pages' scripts draw it."""
    return {
        "ground": pack(sketch.ground / LENGTH_UNIT),
        "boxes": pack(sketch.boxes / LENGTH_UNIT),
        "relief": None if sketch.relief is None else _relief(sketch.relief),
        "finish": sketch.finish,
    }


def _relief(relief: Relief) -> Row:
    unit = max(float(np.abs(relief.heights).max()), 1.0) / 32767  # finer than a course's: slopes are seen by their shading
    return {
        "heights": pack(relief.heights / unit),
        "unit": unit,
        "shape": list(relief.heights.shape),
        "start": list(relief.start),
        "cell": relief.cell,
    }


def pack(values: ArrayLike) -> str:
    """Write numbers as base64 of little-endian 16-bit integers."""
    return base64.b64encode(np.asarray(values).round().clip(-32768, 32767).astype("<i2").tobytes()).decode()


def _films(connection: Connection, niches: Sequence[Row], films: int, fresh: Known) -> dict[int, Row]:
    """Record the median episodes of some niches' best agents: solved ones first, the hardest of them."""
    config = read_config(connection)
    domain = if_installed(config.make_domain)
    if not isinstance(domain, Drawable):
        return {}
    ranked = sorted(niches, key=lambda niche: (niche["solved"] is None, -_hardness(niche), -niche["mean_return"]))
    best = best_agents(connection)
    found = {}
    for niche in ranked[:films]:
        agent, seed = best[niche["id"]], fresh[niche["id"]].median_seed
        recording = domain.record(agent.environment, agent.theta, seed, config.episode_limit)
        found[niche["id"]] = {**film_of(recording), "seed": seed, "episodes": len(fresh[niche["id"]].seeds)}
    return found


def _hardness(niche: Row) -> float:
    """Give what orders niches by how hard they are: difficulty or, where nothing measures it, lateness."""
    return float(niche["born"] if niche["difficulty"] is None else niche["difficulty"])


def film_of(recording: Recording | StickRecording) -> Row:
    """Pack an episode as the pages' scripts play it."""
    moves = _sticks(recording) if isinstance(recording, StickRecording) else _bodies(recording)
    return {
        **moves,
        "fps": recording.fps / FRAME_STRIDE,
        **_gauge(recording.gauge),
        "score": round(recording.score, 1),
        "outcome": recording.outcome,
    }


def _thin(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keep every so many frames, and the last, in which an episode is decided."""
    places = np.unique([*range(0, len(frames), FRAME_STRIDE), len(frames) - 1])
    kept: NDArray[np.float64] = frames[places]
    return kept


def _gauge(gauge: Gauge) -> Row:
    returns = _thin(gauge.returns)
    unit = max(float(np.abs(returns).max()), 1.0) / 32767  # whatever a domain's rewards come to
    return {
        "returns": pack(returns / unit),
        "return_unit": unit,
        "distances": pack(_thin(gauge.distances) / LENGTH_UNIT),
        "course": gauge.course,
    }


def _sticks(recording: StickRecording) -> Row:
    points = _thin(recording.points)
    lines = [list(line) for line in recording.lines]
    return {"lines": lines, "poses": pack(points / LENGTH_UNIT), "frames": len(points), "points": points.shape[1]}


def _bodies(recording: Recording) -> Row:
    poses = _thin(recording.poses)
    poses[..., :2] /= LENGTH_UNIT
    # A body may turn over; whole turns look alike.
    poses[..., 2] = ((poses[..., 2] + np.pi) % (2 * np.pi) - np.pi) / ANGLE_UNIT
    return {
        "shapes": [shape.round(4).tolist() for shape in recording.shapes],
        "poses": pack(poses),
        "frames": len(poses),
    }
