"""Older archives brought up to the tables of `schema.sql`, one version at a time; nothing is lost or made up."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from sqlite3 import Connection

SCHEMA_VERSION = 4

RESCORE = """CREATE TABLE IF NOT EXISTS rescore (
    niche INTEGER NOT NULL REFERENCES niche (id),
    episode INTEGER NOT NULL,
    agent TEXT NOT NULL,
    return REAL NOT NULL,
    steps INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    PRIMARY KEY (niche, episode)
) STRICT, WITHOUT ROWID"""

ES_FIGURES = ("es_mean", "es_deviation", "es_best", "gradient_norm", "theta_norm", "sigma", "step_size")

# What people put into a run; `poet.archive.inputs`.
INPUTS = (
    """CREATE TABLE input (
        iteration INTEGER NOT NULL,
        number INTEGER NOT NULL,
        environment TEXT NOT NULL,
        PRIMARY KEY (iteration, number),
        FOREIGN KEY (iteration, number) REFERENCES child (iteration, number)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE receipt (
        file TEXT PRIMARY KEY,
        iteration INTEGER NOT NULL,
        number INTEGER NOT NULL,
        host TEXT NOT NULL,
        received TEXT NOT NULL,
        FOREIGN KEY (iteration, number) REFERENCES input (iteration, number)
    ) STRICT, WITHOUT ROWID""",
)

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
    # Until here there was one optimiser, and what it knew and told stood in columns of `pair` and `score`.
    # Foreign keys are checked as rows come, so names come first.
    3: (
        """CREATE TABLE state (
            niche INTEGER NOT NULL REFERENCES niche (id),
            name TEXT NOT NULL,
            shape TEXT NOT NULL,
            value BLOB NOT NULL,
            PRIMARY KEY (niche, name)
        ) STRICT, WITHOUT ROWID""",
        *(
            f"INSERT INTO state SELECT niche, '{moment}', json_array(length({moment}) / 8), {moment} FROM pair"
            for moment in ("first_moment", "second_moment")
        ),
        *(
            f"INSERT INTO state SELECT niche, '{number}', '[]', doubles({number}) FROM pair"
            for number in ("updates", "step_size", "sigma")
        ),
        """CREATE TABLE pair_4 (
            niche INTEGER PRIMARY KEY REFERENCES niche (id),
            theta BLOB NOT NULL,
            score REAL,
            best_score REAL,
            best_iteration INTEGER,
            best_theta BLOB
        ) STRICT""",
        "INSERT INTO pair_4 SELECT niche, theta, score, best_score, best_iteration, best_theta FROM pair",
        "DROP TABLE pair",
        "ALTER TABLE pair_4 RENAME TO pair",
        "CREATE TABLE figure_names (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE) STRICT",
        f"""INSERT INTO figure_names SELECT 1, json_array({", ".join(f"'{name}'" for name in ES_FIGURES)})
            WHERE EXISTS (SELECT 1 FROM score)""",
        """CREATE TABLE score_4 (
            niche INTEGER NOT NULL REFERENCES niche (id),
            iteration INTEGER NOT NULL,
            score REAL NOT NULL,
            finished INTEGER NOT NULL,
            fell INTEGER NOT NULL,
            timed_out INTEGER NOT NULL,
            diverged INTEGER NOT NULL,
            steps INTEGER NOT NULL,
            names INTEGER NOT NULL REFERENCES figure_names (id),
            figures BLOB NOT NULL,
            PRIMARY KEY (niche, iteration)
        ) STRICT, WITHOUT ROWID""",
        f"""INSERT INTO score_4 SELECT niche, iteration, score, finished, fell, timed_out, diverged, steps, 1,
            doubles({", ".join(ES_FIGURES)}) FROM score""",
        "DROP TABLE score",
        "ALTER TABLE score_4 RENAME TO score",
        *INPUTS,
    ),
}


def version_of(connection: Connection) -> int:
    """Read the schema version of an archive."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def migrate(connection: Connection) -> None:
    """Bring an archive of an older version up to this one; the caller holds a transaction."""
    connection.create_function("doubles", -1, _doubles, deterministic=True)
    for version in range(version_of(connection), SCHEMA_VERSION):
        for statement in STEPS[version]:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version + 1}")


def _doubles(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}d", *numbers)


class Migrated(Connection):
    """A copy of an older archive, brought up to date."""

    original: Connection  # its checksums are of the rows as they were written


def as_committed(connection: Connection) -> Connection:
    """Give the archive whose rows are those that its checksums were made of."""
    return connection.original if isinstance(connection, Migrated) else connection


@contextmanager
def up_to_date(connection: Connection) -> Iterator[Connection]:
    """Give a reader the archive itself, or of an older version's a copy that has been brought up to date."""
    if version_of(connection) == SCHEMA_VERSION:
        yield connection
        return
    with closing(sqlite3.connect("", factory=Migrated)) as copy:  # a file that SQLite deletes
        connection.execute("BEGIN")  # original and copy are of one moment
        version_of(connection)
        connection.backup(copy)
        copy.row_factory = sqlite3.Row
        copy.original = connection
        migrate(copy)
        copy.commit()
        copy.execute("PRAGMA query_only = ON")
        yield copy
