"""The archive of a run: one SQLite file, one transaction an iteration, nothing deleted.

The file is made aside and renamed, so it never exists half-built. The writer
holds a claim on the run's folder; readers open the file read-only at any time.
On a network file system (`poet/filesystem.py`) it is written with a rollback
journal, and readers look at a copy, so that they never hold up the writer.
Resuming is reading the last commit. Tables: `poet/schema.sql`.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.documents import parse_json
from environments.files import ARCHIVE_NAME, explained, sync, write_aside
from environments.leftovers import remove
from poet import checksums
from poet import config as configuration
from poet.config import Config
from poet.errors import ArchiveError, InputError
from poet.filesystem import place_of
from poet.migrations import SCHEMA_VERSION, migrate, up_to_date, version_of
from poet.ownership import LOCK_NAME, OWNER_NAME, Claim
from poet.population import RECENT, Niche, Population
from poet.records import AgentRecord, Journal, Origin
from poet.rows import (
    agent_row,
    archived_from,
    audition_rows,
    child_row,
    niche_from,
    niche_row,
    pair_from,
    pair_row,
    performance_rows,
    proposal_rows,
    read_blob,
    reuse_rows,
    score_row,
    transfer_row,
)
from poet.soundness import check_niches, check_pairs

logger = logging.getLogger(__name__)

APPLICATION_ID = 0x504F4554  # "POET"
CONFIG_NAME = "config.toml"
INTACT = "; what was committed before is intact, and the same command resumes there"
PATIENCE = 60.0  # s to wait for a reader or writer on another host
TABLE = re.compile(r"CREATE TABLE (\w+)")
NOT_OURS, DAMAGED = "is not a POET archive", "is damaged or truncated; restore a copy"


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open the archive of a run read-only, for as long as the block runs; the run may be going on.

    Raises:
        InputError: there is no archive, it is damaged, or it is not one that this version can read.
    """
    path = folder / ARCHIVE_NAME
    if folder.is_file():
        of = f": {folder.parent}" if folder.name == ARCHIVE_NAME else ""
        raise InputError(f"{folder} is a file; name the folder of a run{of}")
    if not path.is_file():
        raise InputError(f"{folder} holds no run: there is no {ARCHIVE_NAME} in it")
    with _explaining(path), _readable(path) as source:
        # Where nothing can be written, SQLite cannot make the files by which it shares with a writer.
        sealed = not os.access(folder, os.W_OK) and not path.with_name(f"{path.name}-wal").exists()
        mode = "mode=ro&immutable=1" if sealed else "mode=ro"
        connection = sqlite3.connect(f"{source.resolve().as_uri()}?{mode}", uri=True)
        connection.row_factory = sqlite3.Row
        with closing(connection):
            _check_identity(connection, path)
            _check_lineage(connection, path)
            with up_to_date(connection) as current:
                with _trusting(path):
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


def read_config(connection: sqlite3.Connection) -> Config:
    """Read the configuration that a run was started with."""
    with _trusting(ARCHIVE_NAME):
        (text,) = connection.execute("SELECT value FROM run WHERE key = 'config'").fetchone()
        table = parse_json(text)
        if not isinstance(table, dict):
            raise ValueError("its settings are no table")
        return configuration.build(table, ARCHIVE_NAME)


def read_population(connection: sqlite3.Connection) -> Population:
    """Read where a run stands; raises InputError where that cannot be true."""
    with _trusting(ARCHIVE_NAME):
        return _population(connection)


def _population(connection: sqlite3.Connection) -> Population:
    niches = _niches(connection)
    active = connection.execute(
        "SELECT pair.*, niche.solved FROM pair JOIN niche ON niche.id = pair.niche WHERE retired IS NULL ORDER BY niche"
    )
    pairs = tuple(pair_from(row, niches[row["niche"]], _recent(connection, row["niche"])) for row in active)
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
    check_niches(niches, read_config(connection))
    return niches


def _recent(connection: sqlite3.Connection, niche: int) -> tuple[float, ...]:
    """Read the latest self-evaluations of a niche's agent, oldest first."""
    query = "SELECT score FROM score WHERE niche = ? ORDER BY iteration DESC LIMIT ?"
    return tuple(row["score"] for row in connection.execute(query, (niche, RECENT)))[::-1]


@contextmanager
def _trusting(path: Path | str) -> Iterator[None]:
    """Read what only we can have written; what does not fit is damage."""
    try:
        yield
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise InputError(f"{path} {DAMAGED} ({error})") from error


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
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
    missing = set(TABLE.findall((files("poet") / "schema.sql").read_text(encoding="utf-8"))) - found
    if missing:
        raise ValueError(f"it has no table {', '.join(sorted(missing))}")


class Archive:
    """The archive as its one writer sees it.

    Raises:
        InputError: another process is writing, or the file is damaged or cannot be used.
    """

    def __init__(self, folder: Path, claim: Claim, *, verify: bool = True) -> None:
        self.path = folder / ARCHIVE_NAME
        self._claim = claim
        place = place_of(folder)
        if place.shared:
            logger.info("%s is on a network file system (%s): rollback journal, readers copy", folder, place.kind)
        if self.path.is_symlink():
            raise InputError(
                f"{self.path} is a symbolic link; a run is written only in the folder that holds its archive"
            )
        with _explaining(self.path):
            self._connection = sqlite3.connect(self.path, isolation_level=None, timeout=PATIENCE)
            self._connection.row_factory = sqlite3.Row
            self._connection.execute(f"PRAGMA journal_mode = {place.journal}")
            self._connection.execute("PRAGMA synchronous = FULL")  # a commit is on disk, even if the power fails
            self._connection.execute("PRAGMA foreign_keys = ON")
            if version_of(self._connection) < SCHEMA_VERSION:
                with _complaining(self.path), _transaction(self._connection):
                    migrate(self._connection)
                    checksums.fill(self._connection)
            elif verify:
                _check_sound(self._connection, self.path)
            with _trusting(self.path):
                self.config = read_config(self._connection)
                self.population = read_population(self._connection)
        status = self.path.stat()
        self._file = status.st_dev, status.st_ino
        self._session: int | None = None

    @staticmethod
    def create(folder: Path, config: Config, population: Population) -> Archive:
        """Make a new run's folder, configuration file and archive.

        Raises:
            InputError: the folder cannot be written or holds something else.
        """
        claim = _prepare(folder)
        aside = folder / f"{ARCHIVE_NAME}.new"
        try:
            for leftover in (aside, folder / f"{aside.name}-journal", folder / f"{CONFIG_NAME}.new"):
                remove(leftover)
            with _complaining(aside, ""):
                connection = sqlite3.connect(aside, isolation_level=None)
                connection.executescript((files("poet") / "schema.sql").read_text(encoding="utf-8"))
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                with _transaction(connection):
                    _write_start(connection, config, population)
                connection.close()
            write_aside(folder / CONFIG_NAME, config.to_toml().encode(), owner=True)
            aside.rename(folder / ARCHIVE_NAME)
            sync(folder)
        except BaseException:
            claim.close()
            aside.unlink(missing_ok=True)
            raise
        return Archive(folder, claim, verify=False)

    @staticmethod
    def resume(folder: Path) -> Archive:
        """Open a run to go on with it.

        Raises:
            InputError: another process is writing, or the file cannot be used.
        """
        with reading(folder):
            claim = Claim.take(folder)
        try:
            return Archive(folder, claim)
        except BaseException:
            claim.close()
            raise

    def first_agent(self) -> NDArray[np.float64]:
        """Read the agent that the run began with: (P,)."""
        query = "SELECT theta FROM agent WHERE origin = ? ORDER BY id LIMIT 1"
        (blob,) = self._connection.execute(query, (Origin.INITIAL,)).fetchone()
        return read_blob(blob)

    def accepted_transfers(self) -> int:
        """Count the agents that have moved so far."""
        (count,) = self._connection.execute("SELECT count(source) FROM transfer").fetchone()
        return int(count)

    def extend(self, iterations: int) -> None:
        """Set a new number of iterations to run to, in the configuration file too."""
        self.config = replace(self.config, iterations=iterations)
        write_aside(self.path.with_name(CONFIG_NAME), self.config.to_toml().encode(), owner=True)
        with _complaining(self.path), _transaction(self._connection):
            self._connection.execute("UPDATE run SET value = ? WHERE key = 'config'", (_config_json(self.config),))
            checksums.update_settings(self._connection)

    def commit(self, population: Population, journal: Journal, seconds: float, workers: int) -> None:
        """Write one iteration in one transaction; when this returns it is on disk.

        Raises:
            ArchiveError: it could not be written; the archive stands as before the iteration.
        """
        self.check()
        with _complaining(self.path), _transaction(self._connection):
            self._write_journal(population, journal)
            self._write_timing(journal.iteration, seconds, workers)
        self.population = population

    def check(self) -> None:
        """Raise ArchiveError if the archive is no longer the run's file, or no longer ours to write."""
        try:
            found = self.path.stat()
        except OSError:
            found = None
        if found is None or (found.st_dev, found.st_ino) != self._file:
            fate = "replaced by another" if found else "moved or deleted"
            raise ArchiveError(f"{self.path} has been {fate} while the run went on; it cannot be written")
        self._claim.check()

    @property
    def connection(self) -> sqlite3.Connection:
        """For reading what the population does not hold."""
        return self._connection

    def keep_rescores(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write the fresh episodes of best agents (`poet.rescoring`), in the place of those of earlier best agents.

        Raises:
            ArchiveError: they could not be written; the archive stands as before.
        """
        self.check()
        with _complaining(self.path), _transaction(self._connection):
            _insert(self._connection, "rescore", rows, replacing=True)

    def close(self) -> None:
        """Fold the write-ahead log into the file and let go of the run."""
        with suppress(sqlite3.Error):
            self._connection.close()
        self._claim.close()

    def _write_journal(self, population: Population, journal: Journal) -> None:
        connection, iteration = self._connection, journal.iteration
        (agents,) = connection.execute("SELECT coalesce(max(id), 0) FROM agent").fetchone()
        _insert(connection, "niche", [niche_row(niche) for niche in journal.admitted])
        connection.execute(
            "INSERT INTO iteration VALUES (?, ?, ?)", (iteration, len(population.pairs), journal.tally.diverged)
        )
        _insert(
            connection,
            "cost",
            [
                {
                    "iteration": iteration,
                    "purpose": purpose,
                    "episodes": episodes,
                    "steps": journal.tally.steps[purpose],
                }
                for purpose, episodes in sorted(journal.tally.episodes.items())
            ],
        )
        _insert(connection, "score", [score_row(record, iteration) for record in journal.scores])
        _insert(connection, "child", [child_row(record, iteration) for record in journal.children])
        _insert(
            connection, "audition", [row for record in journal.children for row in audition_rows(record, iteration)]
        )
        _insert(connection, "transfer", [transfer_row(record, iteration) for record in journal.transfers])
        _insert(
            connection, "proposal", [row for record in journal.transfers for row in proposal_rows(record, iteration)]
        )
        _insert(connection, "agent", [agent_row(record, iteration) for record in journal.agents])
        _insert(connection, "performance", performance_rows(journal.performances))
        _insert(connection, "reuse", reuse_rows(journal.reuse, iteration))
        for pair in journal.retired:
            connection.execute("UPDATE niche SET retired = ? WHERE id = ?", (iteration, pair.niche.id))
        for pair in population.pairs:
            connection.execute("UPDATE niche SET solved = ? WHERE id = ?", (pair.solved, pair.niche.id))
        # The retired too: with a small capacity a pair can come and go within one iteration.
        changed = [*journal.retired, *population.pairs]
        _insert(connection, "pair", [pair_row(pair) for pair in changed], replacing=True)
        checksums.update(connection, iteration, [pair.niche.id for pair in changed], agents, journal.performances)

    def _write_timing(self, iteration: int, seconds: float, workers: int) -> None:
        if self._session is None:
            row = (socket.gethostname(), os.getpid(), workers, version("poet-trailblazer"), _now())
            self._session = self._connection.execute(
                "INSERT INTO session (host, process, workers, version, started) VALUES (?, ?, ?, ?, ?)", row
            ).lastrowid
        self._connection.execute("INSERT INTO timing VALUES (?, ?, ?, ?)", (iteration, self._session, seconds, _now()))


def _check_sound(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse an archive that is not what was committed, and say what of it is."""
    if broken := checksums.structural_damage(connection):
        raise InputError(f"{path} {DAMAGED} ({broken})")
    found = checksums.damages(connection)
    if not found:
        return
    others = f" (nor are {len(found) - 1} more; `poet doctor {path.parent}` lists them)" if found[1:] else ""
    raise InputError(
        f"{path} is damaged: {found[0].what} is not what was committed{others}; {checksums.way_out(found)}"
    )


def _check_lineage(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse niches that descend from themselves or from later ones: whoever climbs the tree would climb for ever."""
    found = connection.execute("SELECT id, parent FROM niche WHERE parent >= id ORDER BY id").fetchone()
    if found:
        raise InputError(f"{path} is damaged: niche {found[0]} descends from niche {found[1]}, which is not older")


def _prepare(folder: Path) -> Claim:
    """Make the folder and claim it."""
    with explained(folder, ""):
        folder.mkdir(parents=True, exist_ok=True)
    ours = {
        ARCHIVE_NAME,
        f"{ARCHIVE_NAME}.new",
        f"{ARCHIVE_NAME}.new-journal",
        CONFIG_NAME,
        f"{CONFIG_NAME}.new",
        LOCK_NAME,
        OWNER_NAME,
    }
    # A start that was killed leaves what it wrote beside; the next one's writing sweeps it.
    begun = f".{CONFIG_NAME}."
    names = (entry.name for entry in folder.iterdir())
    strangers = sorted(name for name in names if name not in ours and not name.startswith(begun))
    if strangers:
        raise InputError(f"{folder} holds no run but has {strangers[0]!r} in it; name an empty or a new folder")
    return Claim.take(folder)


@contextmanager
def _complaining(path: Path, consolation: str = INTACT) -> Iterator[None]:
    """Turn SQLite's failures to write into one sentence."""
    try:
        yield
    except sqlite3.Error as error:
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        cause = "the disk is full" if full else str(error)
        raise ArchiveError(f"could not write {path}: {cause}{consolation}") from error


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself after some errors, a full disk among them.
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _insert(
    connection: sqlite3.Connection, table: str, rows: Sequence[dict[str, Any]], replacing: bool = False
) -> None:
    if rows:
        verb = "INSERT OR REPLACE" if replacing else "INSERT"
        columns, places = ", ".join(rows[0]), ", ".join(f":{name}" for name in rows[0])
        connection.executemany(f"{verb} INTO {table} ({columns}) VALUES ({places})", rows)


def _write_start(connection: sqlite3.Connection, config: Config, population: Population) -> None:
    connection.execute("INSERT INTO run VALUES ('config', ?)", (_config_json(config),))
    _insert(connection, "niche", [niche_row(niche) for niche in population.niches])
    _insert(connection, "pair", [pair_row(pair) for pair in population.pairs])
    initial = [AgentRecord(pair.niche.id, Origin.INITIAL, pair.learner.theta, pair.score) for pair in population.pairs]
    _insert(connection, "agent", [agent_row(record, 0) for record in initial])
    checksums.fill(connection)


def _config_json(config: Config) -> str:
    return json.dumps(config.to_table(), sort_keys=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
