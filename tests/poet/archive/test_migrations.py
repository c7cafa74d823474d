"""Archives of older versions: read as they are, and gone on with as if they had always been of this one."""

import json
import sqlite3
from dataclasses import replace

import pytest
from old_archives import TO_1, TO_2, unpack
from runs import assert_equal_archives, dump

from cluster.executor import InProcess
from evolution.evaluator import Evaluator
from poet.algorithm import evolve
from poet.archive import checksums
from poet.archive.inspection import metrics, niche, niches, summary, transfers
from poet.archive.reading import read_config, reading
from poet.archive.store import Archive
from poet.errors import InputError
from poet.population import first_population

STOP, END = 13, 22
OLD = [("original", 1, TO_1), ("original", 2, TO_2), ("enhanced", 2, TO_2), ("original", 3, ""), ("enhanced", 3, "")]


@pytest.fixture(params=OLD, ids=lambda case: f"{case[0]}-{case[1]}")
def old(tmp_path, request):
    name, version, script = request.param
    folder = unpack(tmp_path / "old", name, script)
    assert tables(folder)[1] == (version,)
    return folder


def go_on(archive, until):
    archive.extend(until)
    for population, journal in evolve(
        archive.population, archive.config, Evaluator(archive.config.simulation(), InProcess())
    ):
        archive.commit(population, journal, 0.0, 1)
    archive.close()


def whole(folder, old, until):
    """The same run by this version, from its beginning."""
    with reading(old) as connection:
        config = read_config(connection)
    go_on(Archive.create(folder, replace(config, iterations=1), first_population(config)), until)
    return folder


def tables(folder):
    """Every table's columns with their types, whether they may be null and whether they are a key."""
    connection = sqlite3.connect(folder / "archive.sqlite")
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    found = {name: [row[1:4] + row[5:] for row in connection.execute(f"PRAGMA table_info({name})")] for name in names}
    version = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return found, version


def views(folder):
    with reading(folder) as connection:
        every = [niche(connection, row["id"]) for row in niches(connection)]
        return [summary(connection), metrics(connection), transfers(connection), niches(connection), every]


def test_old_archive_is_read_without_touching_it(old, tmp_path):
    before = (old / "archive.sqlite").read_bytes()
    with reading(old) as connection:
        assert checksums.kept(connection) == (tables(old)[1] == (3,))
    assert views(old) == views(whole(tmp_path / "new", old, STOP))
    assert (old / "archive.sqlite").read_bytes() == before


def test_resumed_old_archive_gets_the_new_tables_and_equals_an_unbroken_run(old, tmp_path):
    new = whole(tmp_path / "new", old, END)
    go_on(Archive.resume(old), END)
    assert tables(old) == tables(new)
    assert_equal_archives(old, new)
    assert len(dump(old)["iteration"]) == END
    with reading(old) as connection:
        assert checksums.structural_damage(connection) is None
        assert checksums.damages(connection) == []


def test_commands_go_on_with_an_archive_of_version_3(tmp_path, poet):
    old = unpack(tmp_path / "old", "original")
    examined = poet("doctor", old, "--json")
    assert examined.returncode == 0, examined.stderr
    assert {row["part"]: row["detail"] for row in json.loads(examined.stdout)}["states"] == "3 as committed"
    resumed = poet("evolve", old, "--workers", 2, "--iterations", END)
    assert resumed.returncode == 0, resumed.stderr
    assert_equal_archives(old, whole(tmp_path / "new", old, END))


DAMAGES = {
    "UPDATE pair SET sigma = 0.5 WHERE niche = 1": "the state of niche 1 after iteration 12 is not",
    "UPDATE score SET es_best = 0 WHERE iteration = 7 AND niche = 0": "what is noted of iteration 7 is not",
    "UPDATE agent SET theta = zeroblob(24) WHERE id = 2": r"the agent of niche \d kept at iteration \d+ is not",
}


@pytest.mark.parametrize("statement", DAMAGES)
def test_damage_in_an_archive_of_version_3_is_found_before_it_is_brought_up_to_date(tmp_path, statement):
    folder = unpack(tmp_path / "old", "enhanced", statement)
    before = dump(folder), tables(folder)
    with pytest.raises(InputError, match=DAMAGES[statement]):
        Archive.resume(folder)
    assert (dump(folder), tables(folder)) == before
    with reading(folder) as connection:
        assert len(checksums.damages(connection)) == 1
