"""Reading an archive: what is there, whether it can be ours, and where the run stands.

Readers open the file read-only at any time; on a network file system they
look at a copy, so that they never hold up the writer.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from environments.documents import parse_json
from environments.files import ARCHIVE_NAME
from environments.plain import is_count
from poet import config as configuration
from poet.archive.filesystem import place_of
from poet.archive.migrations import SCHEMA_VERSION, up_to_date, version_of
from poet.archive.rows import archived_from, niche_from, pair_from
from poet.archive.soundness import check_niches, check_pairs
from poet.config import Config
from poet.errors import InputError
from poet.population import RECENT, Niche, Population

APPLICATION_ID = 0x504F4554  # "POET"
PATIENCE = 60.0  # s to wait for a reader or writer on another host
TABLE = re.compile(r"CREATE TABLE (\w+)")
NOT_OURS, DAMAGED = "is not a POET archive", "is damaged or truncated; restore a copy"


@contextmanager
def reading(folder: Path, *, seen: bool = False) -> Iterator[sqlite3.Connection]:
    """Open the archive of a run read-only, for as long as the block runs; the run may be going on.

    Whoever has just read it and reads it again (`seen`) need not have all niches looked at once more.

    Raises:
        InputError: there is no archive, it is damaged, or it is not one that this version can read.
    """
    path = folder / ARCHIVE_NAME
    if folder.is_file():
        of = f": {folder.parent}" if folder.name == ARCHIVE_NAME else ""
        raise InputError(f"{folder} is a file; name the folder of a run{of}")
    if not path.is_file():
        raise InputError(f"{folder} holds no run: there is no {ARCHIVE_NAME} in it")
    with explaining(path), _readable(path) as source:
        # Where nothing can be written, SQLite cannot make the files by which it shares with a writer.
        sealed = not os.access(folder, os.W_OK) and not path.with_name(f"{path.name}-wal").exists()
        mode = "mode=ro&immutable=1" if sealed else "mode=ro"
        connection = sqlite3.connect(f"{source.resolve().as_uri()}?{mode}", uri=True)
        connection.row_factory = sqlite3.Row
        with closing(connection):
            _check_identity(connection, path)
            with up_to_date(connection) as current:
                if not seen:
                    with trusting(path):
                        _check_tables(current)
                        _niches(current)
                yield current


@contextmanager
def one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    """See a run that may be going on as it is now, for as long as the block runs; within another, as it was then."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


@contextmanager
def _readable(path: Path) -> Iterator[Path]:
    """Give the archive itself, or on a network file system a copy of it as of its last commit."""
    if not place_of(path).shared:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="poet-") as folder:
        copy = Path(folder) / ARCHIVE_NAME
        _copy(path, copy)
        yield copy


def _copy(path: Path, copy: Path) -> None:
    source = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=PATIENCE)
    try:
        with closing(source), closing(sqlite3.connect(copy)) as target:
            source.backup(target)
    except sqlite3.OperationalError:
        # Its writer was killed within a commit: the copy's first reader may roll that back, we may not.
        for suffix in ("", "-journal", "-wal"):
            if (part := path.with_name(path.name + suffix)).exists():
                shutil.copyfile(part, copy.with_name(copy.name + suffix))
        sqlite3.connect(copy).execute("SELECT count(*) FROM sqlite_schema").connection.close()


def read_source(connection: sqlite3.Connection) -> dict[str, Any] | None:
    """Tell whose pairs the run began with: name, kind, how many, and the control steps that went into them.

    None of one that branched off nothing. Steps are missing or None where they were not known.
    """
    row = connection.execute("SELECT value FROM run WHERE key = 'source'").fetchone()
    if row is None:
        return None
    with trusting(ARCHIVE_NAME):
        source = dict(parse_json(row[0]))
        steps = source.get("steps")
        if steps is not None and not is_count(steps):
            raise ValueError(f"the steps before it branched off are {steps!r}; they must be a whole number")
        return source


def read_steps(connection: sqlite3.Connection) -> dict[str, int | None]:
    """Tell how many control steps were simulated: by the run, and before it where it branches off another.

    The latter are None where the source did not tell.
    """
    source = read_source(connection)
    (steps,) = connection.execute("SELECT coalesce(sum(steps), 0) FROM cost").fetchone()
    return {"steps": steps, "steps_before": 0 if source is None else source.get("steps")}


def read_config(connection: sqlite3.Connection) -> Config:
    """Read the configuration that a run was started with."""
    with trusting(ARCHIVE_NAME):
        (text,) = connection.execute("SELECT value FROM run WHERE key = 'config'").fetchone()
        table = parse_json(text)
        if not isinstance(table, dict):
            raise ValueError("its settings are no table")
        return configuration.read(table, ARCHIVE_NAME)


def read_population(connection: sqlite3.Connection) -> Population:
    """Read where a run stands; raises InputError where that cannot be true."""
    with trusting(ARCHIVE_NAME):
        return _population(connection)


def _population(connection: sqlite3.Connection) -> Population:
    niches = _niches(connection)
    active = connection.execute(
        "SELECT pair.*, niche.solved FROM pair JOIN niche ON niche.id = pair.niche WHERE retired IS NULL ORDER BY niche"
    )
    pairs = tuple(
        pair_from(row, niches[row["niche"]], _recent(connection, row["niche"]), _state(connection, row["niche"]))
        for row in active
    )
    check_pairs(pairs, read_config(connection))
    retired = connection.execute(
        "SELECT pair.niche, pair.theta, niche.retired, niche.solved FROM pair JOIN niche ON niche.id = pair.niche "
        "WHERE retired IS NOT NULL ORDER BY niche"
    )
    archived = tuple(archived_from(row, niches[row["niche"]]) for row in retired)
    final = connection.execute(
        "SELECT agent, version, performance.environment, score FROM performance "
        "JOIN niche ON niche.id = agent AND niche.retired = version"
    )
    performances = {(row[0], row[1], row[2]): row[3] for row in final}
    (iteration,) = connection.execute("SELECT coalesce(max(iteration) + 1, 0) FROM iteration").fetchone()
    return Population(iteration, pairs, tuple(niches.values()), archived, performances)


def _niches(connection: sqlite3.Connection) -> dict[int, Niche]:
    niches = {row["id"]: niche_from(row) for row in connection.execute("SELECT * FROM niche ORDER BY id")}
    put_in = connection.execute("SELECT niche FROM child JOIN input USING (iteration, number) WHERE niche IS NOT NULL")
    check_niches(niches, read_config(connection), {row[0] for row in put_in})
    return niches


def _state(connection: sqlite3.Connection, niche: int) -> list[sqlite3.Row]:
    """Read what the optimiser of a niche's agent knows."""
    return connection.execute("SELECT name, shape, value FROM state WHERE niche = ?", (niche,)).fetchall()


def _recent(connection: sqlite3.Connection, niche: int) -> tuple[float, ...]:
    """Read the latest self-evaluations of a niche's agent, oldest first."""
    query = "SELECT score FROM score WHERE niche = ? ORDER BY iteration DESC LIMIT ?"
    return tuple(row["score"] for row in connection.execute(query, (niche, RECENT)))[::-1]


@contextmanager
def trusting(path: Path | str) -> Iterator[None]:
    """Read what only we can have written; what does not fit is damage."""
    try:
        yield
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise InputError(f"{path} {DAMAGED} ({error})") from error


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Turn SQLite's failures to read into one sentence."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "decode" in str(error):
            raise InputError(f"{path} {DAMAGED} (a text in it is not UTF-8)") from error
        raise InputError(f"cannot read {path}: {error}") from error
    except UnicodeDecodeError as error:  # a message of SQLite's that quotes a text of the archive
        raise InputError(f"{path} {DAMAGED}") from error
    except sqlite3.DatabaseError as error:
        foreign = "not a database" in str(error)
        raise InputError(f"{path} {NOT_OURS if foreign else DAMAGED}") from error


def _check_identity(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise InputError(f"{path} {NOT_OURS}")
    schema = version_of(connection)
    if not 1 <= schema <= SCHEMA_VERSION:
        hint = "; install a newer version of poet-trailblazer" if schema > SCHEMA_VERSION else ""
        raise InputError(f"{path} has schema version {schema}; this version reads 1 to {SCHEMA_VERSION}{hint}")
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    wal = path.with_name(f"{path.name}-wal")
    # Pages that are still in the write-ahead log may rightly be missing from the file.
    if path.stat().st_size < pages * size and not (wal.exists() and wal.stat().st_size):
        raise InputError(f"{path} {DAMAGED}")


def _check_tables(connection: sqlite3.Connection) -> None:
    found = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    missing = set(TABLE.findall((files("poet.archive") / "schema.sql").read_text(encoding="utf-8"))) - found
    if missing:
        raise ValueError(f"it has no table {', '.join(sorted(missing))}")
