"""Older archives brought up to the tables of `schema.sql`, one version at a time; nothing is lost or made up."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from sqlite3 import Connection

SCHEMA_VERSION = 3

RESCORE = """CREATE TABLE IF NOT EXISTS rescore (
    niche INTEGER NOT NULL REFERENCES niche (id),
    episode INTEGER NOT NULL,
    agent TEXT NOT NULL,
    return REAL NOT NULL,
    steps INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    PRIMARY KEY (niche, episode)
) STRICT, WITHOUT ROWID"""

# By the version that they start from. What an older run did not measure stays NULL or empty.
STEPS = {
    1: (
        "ALTER TABLE niche ADD COLUMN archive_score REAL",
        """CREATE TABLE performance (
            agent INTEGER NOT NULL REFERENCES niche (id),
            version INTEGER NOT NULL,
            environment TEXT NOT NULL,
            score REAL NOT NULL,
            PRIMARY KEY (agent, version, environment)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE reuse (
            iteration INTEGER NOT NULL REFERENCES iteration (iteration),
            number INTEGER NOT NULL,
            purpose TEXT NOT NULL,
            pairings INTEGER NOT NULL,
            reused INTEGER NOT NULL,
            PRIMARY KEY (iteration, number)
        ) STRICT, WITHOUT ROWID""",
    ),
    # Left empty: whoever goes on with the run fills it, and a reader does not look.
    2: (
        """CREATE TABLE checksum (
            part TEXT NOT NULL,
            id INTEGER NOT NULL,
            rows INTEGER NOT NULL,
            digest INTEGER NOT NULL,
            PRIMARY KEY (part, id)
        ) STRICT, WITHOUT ROWID""",
        RESCORE,
    ),
}


def version_of(connection: Connection) -> int:
    """Read the schema version of an archive."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def migrate(connection: Connection) -> None:
    """Bring an archive of an older version up to this one; the caller holds a transaction."""
    for version in range(version_of(connection), SCHEMA_VERSION):
        for statement in STEPS[version]:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version + 1}")


@contextmanager
def up_to_date(connection: Connection) -> Iterator[Connection]:
    """Give a reader the archive itself, or of an older version's a copy that has been brought up to date."""
    if version_of(connection) == SCHEMA_VERSION:
        yield connection
        return
    with closing(sqlite3.connect("")) as copy:  # a file that SQLite deletes
        connection.backup(copy)
        copy.row_factory = sqlite3.Row
        migrate(copy)
        copy.commit()
        copy.execute("PRAGMA query_only = ON")
        yield copy
