"""Archives of version 1, as `poet evolve` made them before there was Enhanced POET."""

import shutil
import sqlite3

import pytest
from runs import assert_equal_archives, dump

from poet.archive.inspection import summary
from poet.archive.reading import reading

DOWNGRADE = """
DROP TABLE checksum;
DROP TABLE performance;
DROP TABLE reuse;
DROP TABLE rescore;
ALTER TABLE niche DROP COLUMN archive_score;
PRAGMA user_version = 1;
"""


@pytest.fixture
def new(tmp_path, poet, toy_file):
    folder = tmp_path / "new"
    assert poet("evolve", folder, "--config", toy_file, "--workers", 1, "--iterations", 20).returncode == 0
    return folder


@pytest.fixture
def old(tmp_path, new):
    folder = tmp_path / "old"
    shutil.copytree(new, folder)
    connection = sqlite3.connect(folder / "archive.sqlite")
    connection.executescript(DOWNGRADE)
    connection.close()
    return folder


def tables(folder):
    """Every table's columns with their types, whether they may be null and whether they are a key."""
    connection = sqlite3.connect(folder / "archive.sqlite")
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    found = {name: [row[1:4] + row[5:] for row in connection.execute(f"PRAGMA table_info({name})")] for name in names}
    version = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return found, version


def test_old_archive_is_read_without_touching_it(old, new):
    before = (old / "archive.sqlite").read_bytes()
    with reading(old) as connection, reading(new) as expected:
        ours, theirs = summary(connection), summary(expected)
    # Older versions did not score best agents on fresh episodes.
    assert (ours.pop("best_agents")["scored"], theirs.pop("best_agents")["scored"]) == (0, theirs["niches"])
    assert ours == theirs
    assert (old / "archive.sqlite").read_bytes() == before


def test_resumed_old_archive_gets_the_new_tables_and_equals_an_unbroken_run(old, new, tmp_path, poet):
    assert tables(old)[1] == (1,)
    whole = tmp_path / "whole"
    shutil.copytree(new, whole)
    for folder in (old, whole):
        assert poet("evolve", folder, "--workers", 1, "--iterations", 30).returncode == 0
    assert tables(old) == tables(whole)
    assert_equal_archives(old, whole)
    assert len(dump(old)["iteration"]) == 30
