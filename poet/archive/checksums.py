"""Checksums of all that the archive keeps of a run and could not play again, so that no flipped bit goes on unseen.

A row's digest is 64 bits of BLAKE2b over its table's name and its values as
JSON, a blob by its own BLAKE2b. What changes alone has a checksum of its own:
the settings, each niche, each pair's state together with the iteration that
it is the state after, each kept agent. An archive of an older version has those
of its rows as they stood then, and is compared before it is brought up to date. Rows that an iteration adds share one,
the exclusive or of their digests, and so do one agent's scores elsewhere.
They find damage, not forgery; hosts, times of day and `rescore`, which can be played again, are not covered.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from sqlite3 import Connection
from sqlite3 import connect as open_database
from typing import Any

from evolution.performance import Pairing
from poet.archive.migrations import as_committed
from poet.errors import InputError

HISTORY = ("iteration", "cost", "score", "transfer", "proposal", "child", "input", "audition", "reuse")
# Found by its primary key, which begins with the niche.
ACTIVE = "niche IN (SELECT id FROM niche WHERE born <= :at AND (retired IS NULL OR retired >= :at))"
# A pair, and the last iteration that could have changed it.
STATES = """SELECT pair.*, coalesce(niche.retired, (SELECT coalesce(max(iteration), -1) FROM iteration))
    FROM pair JOIN niche ON niche.id = pair.niche"""
PARTS = {
    "settings": "the settings",
    "niche": "niche {id}",
    "pair": "the state of niche {id} after iteration {at}",
    "agent": "the agent of niche {niche} kept at iteration {at}",
    "iteration": "what is noted of iteration {id}",
    "performance": "the scores elsewhere of niche {id}'s agent",
}
NAMES = {
    "settings": "settings",
    "niche": "environments",
    "pair": "states",
    "agent": "kept agents",
    "iteration": "history",
    "performance": "scores elsewhere",
}  # of the parts, for a person
Key = tuple[str, int]  # a part and which of it


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that is not what was committed."""

    part: str
    what: str  # in words
    iteration: int  # the first that it touches


@dataclass(slots=True)
class Sum:
    """The digest of some rows, in whatever order they come."""

    rows: int = 0
    digest: int = 0

    def add(self, table: str, row: Iterable[Any]) -> None:
        """Take in one more row."""
        values = [_short(value) if isinstance(value, bytes) else value for value in row]
        text = json.dumps([table, *values]).encode()
        self.rows += 1
        self.digest ^= int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little", signed=True)


def _short(blob: bytes) -> str:
    return hashlib.blake2b(blob, digest_size=16).hexdigest()


def fill(connection: Connection) -> None:
    """Make every checksum from what the archive holds now; the caller holds a transaction."""
    connection.execute("DELETE FROM checksum")
    _write(connection, _all(connection))


def update_settings(connection: Connection) -> None:
    """Bring the checksum of the settings, and of the names of figures, up to date."""
    _write(connection, _settings(connection))


def update(
    connection: Connection,
    iteration: int,
    changed: Collection[int],
    agents_before: int,
    performances: Iterable[Pairing],
) -> None:
    """Bring the checksums up to date with an iteration whose rows are written; the caller holds a transaction.

    Rows are read back, so that what is summed is what SQLite made of them.

    Args:
        connection: the archive.
        iteration: that has just been written.
        changed: the niches whose rows or pairs it wrote.
        agents_before: the last kept agent's id before it.
        performances: the scores elsewhere that it added.
    """
    sums: dict[Key, Sum] = defaultdict(Sum)
    for niche in changed:
        sums["niche", niche] = _one("niche", connection.execute("SELECT * FROM niche WHERE id = ?", (niche,)))
        sums["pair", niche] = _one("pair", connection.execute(f"{STATES} WHERE niche = ?", (niche,)))
        for row in connection.execute("SELECT * FROM state WHERE niche = ?", (niche,)):
            sums["pair", niche].add("state", row)
    for row in connection.execute("SELECT * FROM agent WHERE id > ?", (agents_before,)):
        sums["agent", row[0]].add("agent", row)
    for table in HISTORY:
        active = f"AND {ACTIVE}" if table == "score" else ""
        for row in connection.execute(f"SELECT * FROM {table} WHERE iteration = :at {active}", {"at": iteration}):
            sums["iteration", iteration].add(table, row)
    known = "SELECT rows, digest FROM checksum WHERE part = 'performance' AND id = ?"
    added = "SELECT * FROM performance WHERE agent = ? AND version = ? AND environment = ?"
    for pairing in performances:
        key = "performance", pairing[0]
        if key not in sums:
            sums[key] = Sum(*(connection.execute(known, pairing[:1]).fetchone() or (0, 0)))
        sums[key].add("performance", connection.execute(added, pairing).fetchone())
    _write(connection, sums)


def damages(connection: Connection, parts: Collection[str] = tuple(PARTS)) -> list[Damage]:
    """Find everything of some parts that is not what was committed.

    Raises:
        InputError: the checksums themselves, or the rows' keys, are damaged beyond comparison.
    """
    connection = as_committed(connection)
    try:
        rows = list(connection.execute("SELECT * FROM checksum"))
        kept = {(row[0], row[1]): Sum(row[2], row[3]) for row in rows if row[0] in parts or row[0] not in PARTS}
        found = _all(connection, parts)
        differing = [key for key in kept.keys() | found.keys() if kept.get(key) != found.get(key)]
        places = sorted((list(PARTS).index(part), number, part) for part, number in differing)
        return [_damage(connection, part, number) for _, number, part in places]
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the archive is damaged beyond comparison with its checksums ({error}); restore a copy"
        ) from error


def _damage(connection: Connection, part: str, number: int) -> Damage:
    """Say what a checksum that does not fit is of."""
    place: dict[str, Any] = {"id": number, "niche": "?", "at": number if part == "iteration" else 0}
    queries = {
        "niche": "SELECT id, born FROM niche WHERE id = ?",
        "pair": f"SELECT niche, coalesce(retired, (SELECT max(iteration) FROM iteration), 0) FROM ({STATES}) "
        "JOIN niche ON id = niche WHERE niche = ?",
        "agent": "SELECT niche, iteration FROM agent WHERE id = ?",
        "performance": "SELECT id, retired FROM niche WHERE id = ?",
    }
    if part in queries and (row := connection.execute(queries[part], (number,)).fetchone()):
        place["niche"], place["at"] = row[0], row[1] or 0
    return Damage(part, PARTS[part].format(**place), place["at"])


def way_out(found: Sequence[Damage]) -> str:
    """Say up to where a run's history is sound, and what can be done.

    A state is kept of the last iteration alone, so that no run can go back to an earlier one. But it can be had again.
    """
    first = min(damage.iteration for damage in found)
    sound = f"all that is kept of iterations 0 to {first - 1} is sound" if first > 0 else "no iteration is surely sound"
    return f"{sound}; restore a copy, or begin another folder as this one was begun, which gives the same run"


def check_states(connection: Connection) -> None:
    """Raise InputError if a niche or an agent's state is not what was committed, where there are checksums."""
    if kept(connection) and (found := damages(connection, ("niche", "pair"))):
        raise InputError(f"the archive is damaged: {found[0].what} is not what was committed; restore a copy")


def kept(connection: Connection) -> bool:
    """Say whether an archive has checksums; one of an older version does not."""
    connection = as_committed(connection)
    return _exists(connection, "checksum") and connection.execute("SELECT 1 FROM checksum").fetchone() is not None


def _exists(connection: Connection, table: str) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (table,)).fetchone() is not None


def structural_damage(connection: Connection) -> str | None:
    """Say what is wrong with the file as a database, or that its tables are not those of this version."""
    if broken := broken_file(as_committed(connection)):
        return broken
    with open_database(":memory:") as expected:
        expected.executescript((files("poet.archive") / "schema.sql").read_text(encoding="utf-8"))
        ours, theirs = _structure(connection), _structure(expected)
    expected.close()
    differing = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    return f"table {differing[0]} is not what it was made as" if differing else None


def broken_file(connection: Connection) -> str | None:
    """Say what is wrong with the file as a database."""
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    return None if verdict == "ok" else " ".join(str(verdict).split())


def _structure(connection: Connection) -> dict[str, list[Any]]:
    """Describe every table: columns, keys, references and indices."""
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    pragmas = ("table_xinfo", "foreign_key_list", "index_list")
    return {
        name: [
            [tuple(row) for row in connection.execute(f"SELECT * FROM pragma_{pragma}(?)", (name,))]
            for pragma in pragmas
        ]
        + [[tuple(row) for row in connection.execute("SELECT type, wr, strict FROM pragma_table_list(?)", (name,))]]
        for name in names
    }


def _all(connection: Connection, parts: Collection[str] = tuple(PARTS)) -> dict[Key, Sum]:
    cursor = connection.cursor()
    cursor.row_factory = None  # plain tuples are the fastest
    sums: dict[Key, Sum] = defaultdict(Sum)
    if "settings" in parts:
        sums |= _settings(connection)
    for part, query in {"niche": "SELECT * FROM niche", "pair": STATES, "agent": "SELECT * FROM agent"}.items():
        for row in cursor.execute(query) if part in parts else ():
            sums[part, row[0]].add(part, row)
    for row in cursor.execute("SELECT * FROM state") if "pair" in parts and _exists(connection, "state") else ():
        sums["pair", row[0]].add("state", row)
    for table in HISTORY if "iteration" in parts else ():
        if not _exists(connection, table):  # an older archive has no inputs
            continue
        cursor.execute(f"SELECT * FROM {table}")
        place = [column[0] for column in cursor.description].index("iteration")
        for row in cursor:
            sums["iteration", row[place]].add(table, row)
    for row in cursor.execute("SELECT * FROM performance") if "performance" in parts else ():
        sums["performance", row[0]].add("performance", row)
    return sums


def _settings(connection: Connection) -> dict[Key, Sum]:
    found = Sum()
    for table in ("run", "figure_names"):
        for row in connection.execute(f"SELECT * FROM {table}") if _exists(connection, table) else ():
            found.add(table, row)
    return {("settings", 0): found}


def _one(table: str, rows: Iterable[Sequence[Any]]) -> Sum:
    found = Sum()
    for row in rows:
        found.add(table, row)
    return found


def _write(connection: Connection, sums: dict[Key, Sum]) -> None:
    rows = [(*key, found.rows, found.digest) for key, found in sums.items()]
    connection.executemany("INSERT OR REPLACE INTO checksum VALUES (?, ?, ?, ?)", rows)
