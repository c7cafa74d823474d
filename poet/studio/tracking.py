"""A run as the studio knows it: read whole once, then only what is new, in bounded memory.

The archive is opened for a moment whenever its files have changed, never held: whoever writes it is not kept from
anything. What is told is a picture of the run now, and what happened since the last.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from sqlite3 import Connection
from textwrap import shorten
from typing import Any

from environments.difficulty import difficulty_of
from environments.domain import find_domain
from environments.files import ARCHIVE_NAME
from environments.settings import flat
from environments.sketch import Drawable, Sketch
from poet import archive as archives
from poet.archive import inputs
from poet.archive.ownership import Lookout
from poet.archive.reading import read_source
from poet.archive.rows import niche_from
from poet.config import Config, if_installed
from poet.errors import InputError
from poet.foreign import printable_values
from poet.population import Niche
from poet.report.data import packed_course
from poet.studio.curve import Curve, Point, thinned
from poet.studio.workers import Workers

Row = dict[str, Any]

EVENTS, MOVES = 60, 240  # that a page begins with
STRETCHES = 50  # points of the curve in one piece of news
SPEED = 20.0  # s of iterations that the speed is measured over, at least
ADMISSIONS = """
SELECT niche.*, child.source, child.score AS first_score, child.novelty, input.number IS NOT NULL AS injected
FROM niche LEFT JOIN child ON child.niche = niche.id
    LEFT JOIN input ON (input.iteration, input.number) = (child.iteration, child.number)
WHERE niche.id >= ? ORDER BY niche.id
"""
PUT_IN = """
SELECT iteration, number, child.environment, json_extract(input.environment, '$.encoding') AS encoding, decision, niche,
    parent_score AS score
FROM input JOIN child USING (iteration, number) WHERE iteration >= ? ORDER BY iteration, number
"""


class Tracker:
    """One run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.resolve().name
        self._lookout = Lookout(folder)
        self._forget()

    def _forget(self) -> None:
        """Begin anew, as one that has read nothing yet."""
        self.config: Config | None = None
        self._source: Row | None = None  # whose pairs the run began with
        self._first_session: tuple[Any, ...] | None = None  # tells whether the folder holds another run since
        self.niches: list[Row] = []
        self.courses: list[Sketch | None] = []
        self._curve = Curve()
        self._moves: deque[Row] = deque(maxlen=MOVES)
        self._events: deque[Row] = deque(maxlen=EVENTS)
        self._next = 0  # the first iteration that is not read yet
        self._counts = {"moves": 0, "attempts": 0, "children": 0}
        self._signature: tuple[tuple[int, int], ...] | None = None
        self._recent: list[Point] = []
        self._pulse: Row = {"standing": "reading", "problem": None}
        self._workers = Workers()
        self._waiting: list[str] = []
        self._session: Row | None = None
        self._last: Row | None = None

    @property
    def state(self) -> Row:
        """All that a page begins with."""
        return {
            "name": self.name,
            "folder": str(self.folder),
            "pulse": self._pulse,
            "curve": self._curve.points,
            "niches": self.niches,
            "moves": list(self._moves),
            "events": list(self._events),
            "config": None if self.config is None else about(self.config),
            "source": self._source,
        }

    def poll(self) -> Row | None:
        """Look for what is new; None where nothing is. Whoever saw the run before it was read is to begin anew."""
        before, was = dict(self._pulse), self._first_session
        unread = self.config is None
        news: Row = {}
        try:
            signature = _signature(self.folder)
            if signature != self._signature or self.config is None:
                news = self._read()
                self._signature = signature
            self._pulse = self._stand()
        except InputError as error:
            self._pulse = {**self._pulse, "standing": "unreadable", "problem": str(error)}
            self._signature = None
        if self.config is not None and (unread or was not in (None, self._first_session)):
            return {"anew": True}
        return {**news, "pulse": self._pulse} if news or self._pulse != before else None

    def course(self, niche: int) -> Row | None:
        """Give a niche's course as the pages draw it; None where nothing draws it here."""
        sketch = self.courses[niche]
        return None if sketch is None else packed_course(sketch)

    def _read(self) -> Row:
        seen = self.config is not None
        with archives.reading(self.folder, seen=seen) as connection, archives.one_moment(connection):
            row = connection.execute("SELECT * FROM session ORDER BY id LIMIT 1").fetchone()
            first_session = None if row is None else tuple(row)
            if self._first_session not in (None, first_session):
                self._forget()
            self._first_session = first_session
            self.config = archives.read_config(connection)  # anew: a run may be extended
            self._source = printable_values(read_source(connection))
            news: Row = printable_values(self._news(connection, self.config))
            return news

    def _news(self, connection: Connection, config: Config) -> Row:
        since = self._next
        fresh = [_niche(row, config) for row in connection.execute(ADMISSIONS, [len(self.niches)])]
        self.courses += [_sketch(row.pop("niche_itself"), config) for row in fresh]
        self.niches += fresh
        changed = self._update_niches(connection, since)
        points = self._points(connection, config, since)
        self._next += sum(point["iterations"] for point in points)
        self._curve.extend(points)
        self._recent = _latest([*self._recent, *points], SPEED)
        moves = [dict(row) for row in connection.execute(_MOVES, [since])][-MOVES:]
        self._moves += moves
        self._count(connection, since)
        events = self._happenings(connection, since, fresh, moves)
        self._events += events
        self._waiting = [
            each.environment.id
            for each in inputs.waiting(self.folder, connection, config)
            if isinstance(each, inputs.Waiting)
        ]
        session = connection.execute("SELECT * FROM session ORDER BY id DESC LIMIT 1").fetchone()
        self._session = dict(session) if session else None
        last = connection.execute("SELECT committed, seconds FROM timing ORDER BY iteration DESC LIMIT 1").fetchone()
        self._last = dict(last) if last else None
        new = {row["id"] for row in fresh}
        return {
            "curve": thinned(points, STRETCHES),
            "niches": fresh,
            "changed": [row for row in changed if row["id"] not in new],
            "moves": moves,
            "events": events[-EVENTS:],
        }

    def _update_niches(self, connection: Connection, since: int) -> list[Row]:
        """Take in what changes of niches: when they were solved and retired, and the scores of who was active."""
        changed = []
        for number, retired, solved in connection.execute("SELECT id, retired, solved FROM niche ORDER BY id"):
            row = self.niches[number]
            if (row["retired"], row["solved"]) != (retired, solved):
                row["retired"], row["solved"] = retired, solved
                changed.append(row)
        there = [row["id"] for row in self.niches if row["retired"] is None or row["retired"] >= since]
        wanted = "" if since == 0 else f"WHERE niche IN ({','.join(map(str, there))})"
        query = f"SELECT niche, score, best_score, best_iteration FROM pair {wanted}"
        told = {row["id"] for row in changed}
        for niche, score, best_score, best_iteration in connection.execute(query):
            row = self.niches[niche]
            rounded = [None if value is None else round(value, 1) for value in (score, best_score)]
            if [row["score"], row["best_score"], row["best_iteration"]] != [*rounded, best_iteration]:
                row["score"], row["best_score"], row["best_iteration"] = *rounded, best_iteration
                if niche not in told:
                    changed.append(row)
        return changed

    def _points(self, connection: Connection, config: Config, since: int) -> list[Point]:
        rows = connection.execute(
            "SELECT iteration, active FROM iteration WHERE iteration >= ? ORDER BY iteration", [since]
        ).fetchall()
        if not rows:
            return []
        scores = self._scores(connection, since)
        costs = _by_iteration(
            connection, "SELECT iteration, sum(steps) FROM cost WHERE iteration >= ? GROUP BY 1", since
        )
        seconds = _by_iteration(connection, "SELECT iteration, seconds FROM timing WHERE iteration >= ?", since)
        totals = self._totals(config, [row["iteration"] for row in rows])
        return [
            {
                "iteration": row["iteration"],
                "iterations": 1,
                "active": row["active"],
                **total,
                "mean_score": None if (found := scores.get(row["iteration"])) is None else round(found[0], 2),
                "best_score": None if found is None else round(found[1], 2),
                "steps": costs.get(row["iteration"], (0,))[0],
                "seconds": round(seconds.get(row["iteration"], (0.0,))[0], 4),
            }
            for row, total in zip(rows, totals, strict=True)
        ]

    def _scores(self, connection: Connection, since: int) -> dict[int, tuple[Any, ...]]:
        """Give mean and best score by iteration; of few iterations by the niches that were there, which is quicker."""
        query = "SELECT iteration, avg(score), max(score) FROM score WHERE iteration >= ?"
        if since == 0:
            return _by_iteration(connection, f"{query} GROUP BY 1", since)
        there = [row["id"] for row in self.niches if row["retired"] is None or row["retired"] >= since]
        places = ",".join("?" * len(there))
        return _by_iteration(connection, f"{query} AND niche IN ({places}) GROUP BY 1", since, *there)

    def _totals(self, config: Config, iterations: Sequence[int]) -> list[Row]:
        """Count niches, those solved, and for ANNECS those that challenged every agent, up to each iteration."""
        criterion, measured = config.minimal_criterion, config.reproduction.whole_archive
        met = [
            row["archive_score"] is not None and criterion.lower <= row["archive_score"] <= criterion.upper
            for row in self.niches
        ]
        births = sorted(row["born"] for row in self.niches)
        solved = sorted(row["solved"] for row in self.niches if row["solved"] is not None)
        annecs = sorted(
            row["solved"] for row, one in zip(self.niches, met, strict=True) if one and row["solved"] is not None
        )
        return [
            {"niches": niches, "solved": count, "annecs": measure if measured else None}
            for niches, count, measure in zip(
                _upto(births, iterations), _upto(solved, iterations), _upto(annecs, iterations), strict=True
            )
        ]

    def _count(self, connection: Connection, since: int) -> None:
        queries = {
            "attempts": "SELECT count(*) FROM transfer WHERE iteration >= ?",
            "moves": "SELECT count(source) FROM transfer WHERE iteration >= ?",
            "children": "SELECT count(*) FROM child WHERE iteration >= ?",
        }
        for name, query in queries.items():
            self._counts[name] += connection.execute(query, [since]).fetchone()[0]

    def _happenings(self, connection: Connection, since: int, fresh: Sequence[Row], moves: Sequence[Row]) -> list[Row]:
        """Put into words what a person would want to hear of, in order."""
        events: list[Row] = [{"kind": "admitted", "iteration": row["born"], "niche": row["id"]} for row in fresh]
        events += [
            {"kind": "solved", "iteration": row["solved"], "niche": row["id"]}
            for row in self.niches
            if row["solved"] is not None and row["solved"] >= since
        ]
        events += [
            {"kind": "retired", "iteration": row["retired"], "niche": row["id"]}
            for row in self.niches
            if row["retired"] is not None and row["retired"] >= since
        ]
        events += [
            {"kind": "put in", **dict(row)} for row in connection.execute(PUT_IN, [since]) if row["niche"] is None
        ]
        together: dict[int, list[Row]] = {}
        for move in moves:
            together.setdefault(move["iteration"], []).append(move)
        events += [
            {"kind": "moved", "iteration": at, "moves": [[move["source"], move["target"]] for move in some]}
            for at, some in together.items()
        ]
        return sorted(events, key=lambda event: (event["iteration"], event.get("niche") or 0))[-EVENTS:]

    def _stand(self) -> Row:
        """Say how the run stands now."""
        assert self.config is not None
        session = self._session
        host, process = (session["host"], session["process"]) if session else (None, None)
        held = self._lookout.held(host, process)
        finished = self._next >= self.config.iterations
        standing = "running" if held else "done" if finished else "stopped"
        working = self._workers.look(session["process"]) if held and session else []
        self._recent = _latest(self._recent, SPEED)
        seconds, steps = (sum(point[name] for point in self._recent) for name in ("seconds", "steps"))
        pace = sum(point["iterations"] for point in self._recent) / seconds if seconds else None
        return {
            "standing": standing,
            "problem": None,
            "iteration": self._next,
            "iterations": self.config.iterations,
            "speed": round(steps / seconds) if seconds else None,
            "left": round((self.config.iterations - self._next) / pace) if pace and held else None,
            "committed": self._last and self._last["committed"],
            "session": session,
            "workers": working,
            "counts": dict(self._counts),
            "waiting": self._waiting,
            "next_reproduction": max(-(-self._next // self.config.reproduction.every), 1)
            * self.config.reproduction.every,
        }


_MOVES = """
SELECT iteration, source, target, kind, round(score, 1) AS score FROM transfer
WHERE iteration >= ? AND source IS NOT NULL ORDER BY iteration, target
"""


def about(config: Config) -> Row:
    """Tell a page of a run's settings what it needs."""
    return {
        "domain": config.domain,
        "encoding": config.encoding.name,
        "seed": config.seed,
        "episode_limit": config.episode_limit,
        "annecs": config.reproduction.whole_archive,
        "criterion": [config.minimal_criterion.lower, config.minimal_criterion.upper],
        "capacity": config.reproduction.capacity,
        "every": config.reproduction.every,
        "transfer_every": config.transfer.every,
        "settings": [[name, json.dumps(value)] for name, value in flat(config.to_table()).items()],
    }


def _niche(row: Any, config: Config) -> Row:
    niche = niche_from(row)
    environment = niche.environment
    encoding = if_installed(lambda: config.encoding_of(environment))
    difficulty = if_installed(lambda: difficulty_of(environment))
    genome = json.dumps(environment.genome)
    return {
        "id": niche.id,
        "parent": niche.parent,
        "born": niche.born,
        "retired": None,
        "solved": None,
        "encoding": environment.encoding,
        "injected": bool(row["injected"]),
        "description": encoding.describe(environment.genome) if encoding else shorten(genome, 60),
        "difficulty": difficulty and round(difficulty.score, 3),
        "difficulty_level": difficulty and difficulty.name,
        "archive_score": niche.archive_score,
        "first_agent": row["source"],
        "first_score": row["first_score"],
        "novelty": row["novelty"],
        "score": None,
        "best_score": None,
        "best_iteration": None,
        "niche_itself": niche,
    }


def _sketch(niche: Niche, config: Config) -> Sketch | None:
    domain = if_installed(lambda: find_domain(config.domain))
    return domain.sketch(niche.environment) if isinstance(domain, Drawable) else None


def _signature(folder: Path) -> tuple[tuple[int, int], ...]:
    """Tell cheaply whether an archive's files have changed."""
    found = []
    for name in (ARCHIVE_NAME, f"{ARCHIVE_NAME}-wal", inputs.INBOX):
        try:
            status = (folder / name).stat()
            found.append((status.st_mtime_ns, status.st_size))
        except OSError:
            found.append((0, 0))
    return tuple(found)


def _by_iteration(connection: Connection, query: str, *values: Any) -> dict[int, tuple[Any, ...]]:
    return {row[0]: tuple(row)[1:] for row in connection.execute(query, values)}


def _latest(points: Sequence[Point], seconds: float) -> list[Point]:
    """Give the last points that took so many seconds together, and one at least."""
    total, first = 0.0, len(points)
    while first > 0 and (total <= seconds or first == len(points)):
        first -= 1
        total += points[first]["seconds"]
    return list(points[first:])


def _upto(places: Sequence[int], iterations: Iterable[int]) -> list[int]:
    """Count for each of rising iterations how many of rising places lie at or before it."""
    counts, count = [], 0
    for iteration in iterations:
        while count < len(places) and places[count] <= iteration:
            count += 1
        counts.append(count)
    return counts
