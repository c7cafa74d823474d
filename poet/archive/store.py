"""The archive of a run: one SQLite file, one transaction an iteration, nothing deleted.

The file is made aside and renamed, so it never exists half-built. The writer
holds a claim on the run's folder; readers open the file read-only at any time.
On a network file system (`poet/archive/filesystem.py`) it is written with a rollback
journal, and readers look at a copy, so that they never hold up the writer.
Resuming is reading the last commit. Tables: `poet/archive/schema.sql`.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.files import ARCHIVE_NAME, explained, sync, write_aside
from environments.leftovers import remove
from poet.archive import checksums, domains, inputs
from poet.archive.filesystem import place_of
from poet.archive.migrations import SCHEMA_VERSION, migrate, version_of
from poet.archive.ownership import LOCK_NAME, OWNER_NAME, Claim
from poet.archive.reading import (
    APPLICATION_ID,
    DAMAGED,
    PATIENCE,
    explaining,
    read_config,
    read_population,
    read_source,
    reading,
    trusting,
)
from poet.archive.rows import (
    agent_row,
    audition_rows,
    child_row,
    input_row,
    names_text,
    niche_row,
    pair_row,
    performance_rows,
    proposal_rows,
    read_blob,
    reuse_rows,
    score_row,
    state_rows,
    transfer_row,
)
from poet.config import Config
from poet.errors import ArchiveError, InputError
from poet.population import Population
from poet.records import AgentRecord, Input, Journal, Origin, ScoreRecord

logger = logging.getLogger(__name__)

CONFIG_NAME = "config.toml"
INTACT = "; what was committed before is intact, and the same command resumes there"


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
        with explaining(self.path):
            self._connection = sqlite3.connect(self.path, isolation_level=None, timeout=PATIENCE)
            self._connection.row_factory = sqlite3.Row
            self._connection.execute(f"PRAGMA journal_mode = {place.journal}")
            self._connection.execute("PRAGMA synchronous = FULL")  # a commit is on disk, even if the power fails
            self._connection.execute("PRAGMA foreign_keys = ON")
            if version_of(self._connection) < SCHEMA_VERSION:
                with _complaining(self.path), _transaction(self._connection):
                    _check_sound(self._connection, self.path)
                    migrate(self._connection)
                    domains.remember_too(self._connection)
                    checksums.fill(self._connection)
            elif verify:
                _check_sound(self._connection, self.path)
            with trusting(self.path):
                self.config = read_config(self._connection)
                self.population = read_population(self._connection)
        status = self.path.stat()
        self._file = status.st_dev, status.st_ino
        self._session: int | None = None

    @staticmethod
    def create(
        folder: Path, config: Config, population: Population, source: Mapping[str, Any] | None = None
    ) -> Archive:
        """Make a new run's folder, configuration file and archive; `source` tells whose pairs it begins with.

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
                connection.executescript((files("poet.archive") / "schema.sql").read_text(encoding="utf-8"))
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                with _transaction(connection):
                    _write_start(connection, config, population, source)
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
        """Read the agent that the run began with, or the first of several: (P,)."""
        query = "SELECT theta FROM agent WHERE origin = ? ORDER BY id LIMIT 1"
        (blob,) = self._connection.execute(query, (Origin.INITIAL,)).fetchone()
        return read_blob(blob)

    def source(self) -> dict[str, Any] | None:
        """Tell whose pairs the run began with; see `reading.read_source`."""
        return read_source(self._connection)

    def accepted_transfers(self) -> int:
        """Count the agents that have moved so far."""
        (count,) = self._connection.execute("SELECT count(source) FROM transfer").fetchone()
        return int(count)

    def extend(self, iterations: int, engine: str | None = None) -> None:
        """Set a new number of iterations to run to, and perhaps another engine, in the configuration file too."""
        self.config = replace(self.config, iterations=iterations, engine=engine or self.config.engine)
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
        for record in journal.children:
            if record.input is not None:
                inputs.discard(self.path.parent, record.input)

    def inputs(self, iteration: int) -> list[Input]:
        """Give what people put into the run for an iteration's reproduction; the files go when that is on disk."""
        return inputs.take(self.path.parent, self._connection, self.config, iteration)

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
        """Write the fresh episodes of best agents (`rescoring.py`) in the place of those of earlier best agents.

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
        names = _figure_names(connection, journal.scores)
        _insert(
            connection,
            "score",
            [score_row(record, iteration, names[names_text(record.figures)]) for record in journal.scores],
        )
        _insert(connection, "child", [child_row(record, iteration) for record in journal.children])
        _insert(connection, "input", [input_row(record, iteration) for record in journal.children if record.input])
        _insert(
            connection,
            "receipt",
            [inputs.receipt_row(record.input, iteration, record.number) for record in journal.children if record.input],
        )
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
        _insert(connection, "state", [row for pair in changed for row in state_rows(pair)], replacing=True)
        checksums.update(connection, iteration, [pair.niche.id for pair in changed], agents, journal.performances)

    def _write_timing(self, iteration: int, seconds: float, workers: int) -> None:
        if self._session is None:
            row = (socket.gethostname(), os.getpid(), workers, version("poet-trailblazer"), _now())
            self._session = self._connection.execute(
                "INSERT INTO session (host, process, workers, version, started) VALUES (?, ?, ?, ?, ?)", row
            ).lastrowid
        self._connection.execute("INSERT INTO timing VALUES (?, ?, ?, ?)", (iteration, self._session, seconds, _now()))


def _check_sound(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse an archive that is not what was committed, and say what of it is; an older version's too."""
    current = version_of(connection) == SCHEMA_VERSION
    if broken := checksums.structural_damage(connection) if current else checksums.broken_file(connection):
        raise InputError(f"{path} {DAMAGED} ({broken})")
    found = checksums.damages(connection) if current or checksums.kept(connection) else []
    if not found:
        return
    others = f" (nor are {len(found) - 1} more; `poet doctor {path.parent}` lists them)" if found[1:] else ""
    raise InputError(
        f"{path} is damaged: {found[0].what} is not what was committed{others}; {checksums.way_out(found)}"
    )


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


def _figure_names(connection: sqlite3.Connection, scores: Sequence[ScoreRecord]) -> dict[str, int]:
    """Give the ids of the names of figures, new ones too, which a run hardly has after its first iteration."""
    known: dict[str, int] = dict(iter(connection.execute("SELECT names, id FROM figure_names")))
    wanted = dict.fromkeys(names_text(record.figures) for record in scores)
    missing = [text for text in wanted if text not in known]
    for text in missing:
        known[text] = len(known) + 1
        connection.execute("INSERT INTO figure_names VALUES (?, ?)", (known[text], text))
    if missing:
        checksums.update_settings(connection)
    return known


def _write_start(
    connection: sqlite3.Connection, config: Config, population: Population, source: Mapping[str, Any] | None
) -> None:
    connection.execute("INSERT INTO run VALUES ('config', ?)", (_config_json(config),))
    if source is not None:
        connection.execute("INSERT INTO run VALUES ('source', ?)", (json.dumps(source, sort_keys=True),))
    connection.execute("INSERT INTO run VALUES (?, ?)", (domains.KEY, domains.remember(config)))
    _insert(connection, "niche", [niche_row(niche) for niche in population.niches])
    _insert(connection, "pair", [pair_row(pair) for pair in population.pairs])
    _insert(connection, "state", [row for pair in population.pairs for row in state_rows(pair)])
    initial = [AgentRecord(pair.niche.id, Origin.INITIAL, pair.learner.theta, pair.score) for pair in population.pairs]
    _insert(connection, "agent", [agent_row(record, 0) for record in initial])
    checksums.fill(connection)


def _config_json(config: Config) -> str:
    return json.dumps(config.to_table(), sort_keys=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
