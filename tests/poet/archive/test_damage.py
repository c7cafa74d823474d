"""Archives of which a bit has flipped, or more: refused with the place named, or of no consequence."""

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace

import pytest
from runs import TOY_SETTINGS, dump

from cluster.executor import InProcess
from environments.leftovers import beside
from evolution.evaluator import Evaluator
from poet.algorithm import evolve
from poet.archive.reading import reading
from poet.archive.store import Archive
from poet.config import build
from poet.errors import ArchiveError, InputError
from poet.export.curriculum import ExportSettings, export
from poet.population import first_population

STOP, END, FLIPS = 14, 16, 200
PATA_EC = {"novelty": "pata-ec", "whole_archive": True}
SETTINGS = {
    **TOY_SETTINGS,
    "iterations": END,
    "reproduction": {**TOY_SETTINGS["reproduction"], **PATA_EC, "capacity": 2},
}


def go_on(archive, until):
    config = replace(archive.config, iterations=until)
    for population, journal in evolve(archive.population, config, Evaluator(config.simulation(), InProcess())):
        archive.commit(population, journal, 0.0, 1)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run with retired niches, moved agents and checkpoints, two iterations from its end."""
    folder = tmp_path_factory.mktemp("damage") / "run"
    config = build(SETTINGS, "toy")
    archive = Archive.create(folder, config, first_population(config))
    go_on(archive, STOP)
    archive.close()
    return folder


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, stopped):
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    shutil.copytree(stopped, folder)
    archive = Archive.resume(folder)
    go_on(archive, END)
    archive.close()
    return dump(folder)


def test_flipped_bit_is_refused_or_of_no_consequence(tmp_path, stopped, unbroken):
    content = (stopped / "archive.sqlite").read_bytes()
    chance, refused = random.Random(0), 0
    live = [place for place, byte in enumerate(content) if byte]  # most of a page that is not full is zeros
    for number in range(FLIPS):
        place = 8 * chance.choice(live) + chance.randrange(8)
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "archive.sqlite").write_bytes(flipped)
        try:
            archive = Archive.resume(folder)
        except InputError:
            refused += 1
        else:
            go_on(archive, END)
            archive.close()
            assert dump(folder) == unbroken, f"bit {place} went on to another archive"
        shutil.rmtree(folder)
    assert refused > FLIPS / 3  # the rest hit free space, hosts and times


def change(folder, statement):
    connection = sqlite3.connect(folder / "archive.sqlite")
    assert connection.execute(statement).rowcount > 0
    connection.commit()
    connection.close()


LAST = STOP - 1
CHANGES = {
    "UPDATE run SET value = replace(value, '0.03', '0.04')": "the settings is not",
    "UPDATE niche SET solved = 1 WHERE id = 1": "niche 1 is not",
    "UPDATE state SET value = zeroblob(8) WHERE niche = 2 AND name = 'sigma'": "after iteration",
    "UPDATE state SET shape = '[3, 1]' WHERE niche = 0 AND name = 'second_moment'": "state of niche 0 after",
    "DELETE FROM pair WHERE niche = 1": r"state of niche 1 after iteration \d+",
    "UPDATE agent SET theta = zeroblob(length(theta)) WHERE id = 3": r"agent of niche \d+ kept at iteration \d+",
    "UPDATE score SET steps = steps + 1 WHERE iteration = 7 AND niche = 0": "what is noted of iteration 7 is not",
    "UPDATE score SET figures = zeroblob(56) WHERE iteration = 6 AND niche = 0": "what is noted of iteration 6 is not",
    "UPDATE figure_names SET names = replace(names, 'es_best', 'es_bess')": "the settings is not",
    "DELETE FROM state WHERE niche = 1": r"state of niche 1 after iteration \d+",
    "DELETE FROM score WHERE iteration = 5": "what is noted of iteration 5 is not",
    "UPDATE cost SET episodes = 1 WHERE iteration = 9": "what is noted of iteration 9 is not",
    "UPDATE child SET novelty = 0.5 WHERE iteration = 8 AND number = 0": "what is noted of iteration 8 is not",
    "UPDATE checksum SET part = 'agenu' WHERE part = 'agent'": "damaged beyond comparison with its checksums",
    "UPDATE performance SET score = 0 WHERE agent = 0": "the scores elsewhere of niche 0's agent is not",
    "DELETE FROM checksum WHERE part = 'iteration' AND id = 2": "what is noted of iteration 2 is not",
}


@pytest.mark.parametrize("statement", CHANGES)
def test_changed_row_is_refused_by_its_niche_and_iteration(tmp_path, stopped, statement):
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    change(folder, statement)
    before = (folder / "archive.sqlite").read_bytes()
    with pytest.raises(InputError, match=CHANGES[statement]) as refused:
        Archive.resume(folder)
    assert "restore a copy" in str(refused.value)
    assert (folder / "archive.sqlite").read_bytes() == before


def test_state_of_an_earlier_iteration_is_not_taken_for_the_latest(tmp_path, stopped):
    """A lost write: pages of the iteration before, whole in themselves."""
    folder, earlier = tmp_path / "run", tmp_path / "earlier"
    config = build(SETTINGS, "toy")
    archive = Archive.create(earlier, config, first_population(config))
    go_on(archive, STOP - 1)
    archive.close()
    shutil.copytree(stopped, folder)
    connection = sqlite3.connect(folder / "archive.sqlite", isolation_level=None)
    connection.execute("ATTACH ? AS earlier", (str(earlier / "archive.sqlite"),))
    for table in ("pair", "state", "checksum"):
        kind = "WHERE part = 'pair'" if table == "checksum" else ""
        connection.execute(f"REPLACE INTO {table} SELECT * FROM earlier.{table} {kind}")
    connection.close()
    with pytest.raises(InputError, match=f"the state of niche . after iteration {STOP - 1} is not what was committed"):
        Archive.resume(folder)


def test_doctor_names_every_damage_and_up_to_where_the_run_is_sound(tmp_path, stopped, poet):
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    whole = poet("doctor", folder, "--json")
    assert whole.returncode == 0, whole.stderr
    assert all(row["works"] for row in json.loads(whole.stdout))
    change(folder, "UPDATE score SET steps = steps + 1 WHERE iteration = 7 AND niche = 0")
    change(folder, "UPDATE score SET steps = steps + 1 WHERE iteration = 9 AND niche = 0")
    change(folder, "UPDATE pair SET score = score + 1 WHERE niche = (SELECT max(niche) FROM pair)")
    damaged = poet("doctor", folder, "--json")
    assert damaged.returncode == 1
    found = {row["part"]: row["detail"] for row in json.loads(damaged.stdout)}
    assert found["history"] == "not as committed: what is noted of iteration 7; what is noted of iteration 9"
    assert f"after iteration {LAST}" in found["states"]
    assert found["way out"].startswith("all that is kept of iterations 0 to 6 is sound; restore a copy")
    assert not {"kept agents", "environments"} & {row["part"] for row in json.loads(damaged.stdout) if not row["works"]}


def test_tables_that_are_not_those_of_this_version_are_refused(tmp_path, stopped):
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    connection = sqlite3.connect(folder / "archive.sqlite")
    connection.execute("ALTER TABLE score RENAME COLUMN figures TO figurez")
    connection.close()
    with pytest.raises(InputError, match="table score is not what it was made as"):
        Archive.resume(folder)


def test_niche_that_is_not_what_its_content_hash_says_is_refused_by_readers_too(tmp_path, stopped, poet):
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    change(folder, "UPDATE niche SET terrain_seed = terrain_seed + 1 WHERE id = 1")
    for line in (("evaluate", folder, "--niches"), ("export", folder, "-o", tmp_path / "out")):
        refused = poet(*line)
        assert refused.returncode == 2
        assert "the archive is damaged: niche 1 is " in refused.stderr
        assert refused.stderr.count("\n") == 1, refused.stderr
    assert not (tmp_path / "out").exists()


def test_export_of_an_agent_that_is_not_what_was_committed_is_refused(tmp_path, stopped):
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    change(folder, "UPDATE pair SET best_theta = zeroblob(16) WHERE niche = 1")
    with (
        pytest.raises(InputError, match=r"the state of niche 1 after iteration \d+ is not"),
        reading(folder) as connection,
    ):
        export(connection, tmp_path / "out", ExportSettings())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("parent", ["0", "1", "(SELECT max(id) FROM niche)"])
def test_niches_that_descend_from_themselves_are_refused_by_every_reader(tmp_path, stopped, parent, poet):
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    change(folder, f"UPDATE niche SET parent = {parent} WHERE id = {parent if parent == '0' else 1}")
    complaint = "is damaged.*niche . has the parent .; it must be an older niche"
    with pytest.raises(InputError, match=complaint), reading(folder):
        pytest.fail("it was read")
    if parent == "1":
        refused = poet("inspect", folder, "niche", 1)
        assert (refused.returncode, refused.stdout) == (2, "")


def test_run_begun_again_in_the_same_folder_stops_the_old_process(tmp_path, toy_config):
    folder = tmp_path / "run"
    old = Archive.create(folder, toy_config, first_population(toy_config))
    steps = evolve(old.population, toy_config, Evaluator(toy_config.simulation(), InProcess()))
    old.commit(*next(steps), 0.0, 1)
    shutil.rmtree(folder)
    new = Archive.create(folder, toy_config, first_population(toy_config))
    new.close()
    before = dump(folder)
    for use in (old.check, lambda: old.commit(*next(steps), 0.0, 1)):
        with pytest.raises(ArchiveError, match="has been replaced by another while the run went on"):
            use()
    old.close()
    assert dump(folder) == before


def test_run_killed_as_it_wrote_its_settings_can_be_started_again(tmp_path, toy_config):
    folder = tmp_path / "run"
    folder.mkdir()
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    name = beside(folder / "config.toml").name.replace(f"-{os.getpid()}-", f"-{int(ended.stdout)}-")
    (folder / name).write_bytes(b"half")
    Archive.create(folder, toy_config, first_population(toy_config)).close()
    assert sorted(path.name for path in folder.iterdir()) == ["archive.sqlite", "config.toml", "lock"]


def test_links_in_a_runs_folder_are_not_written_through(tmp_path, toy_file, poet):
    precious = tmp_path / "precious"
    precious.write_text("dear diary", encoding="utf-8")
    for name in ("lock", "config.toml"):
        folder = tmp_path / f"run with {name}"
        folder.mkdir()
        (folder / name).symlink_to(precious)
        refused = poet("evolve", folder, "--config", toy_file, "--workers", 1)
        assert refused.returncode == 2, refused.stderr
        assert "it is a symbolic link" in refused.stderr
        assert refused.stderr.count("\n") == 1, refused.stderr
        assert not (folder / "archive.sqlite").exists()
    folder = tmp_path / "left"
    folder.mkdir()
    for name in ("config.toml.new", "archive.sqlite.new"):
        (folder / name).symlink_to(precious)
    assert poet("evolve", folder, "--config", toy_file, "--workers", 1, "--iterations", 2).returncode == 0
    assert precious.read_text(encoding="utf-8") == "dear diary"
    assert not (folder / "config.toml.new").is_symlink()
