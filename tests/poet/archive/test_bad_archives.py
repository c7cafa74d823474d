"""Every command that reads a run, on archives that cannot be read: one sentence, status 2, nothing written."""

import os
import shutil
import sqlite3

import pytest
import synthetic_archive

COMMANDS = {
    "inspect": lambda run, out: ("inspect", run, "niches"),
    "render": lambda run, out: ("render", run, 0, "-o", out / "film.png"),
    "report": lambda run, out: ("report", run, "-o", out / "report.html"),
    "export": lambda run, out: ("export", run, "-o", out / "curriculum"),
    "evaluate": lambda run, out: ("evaluate", run, "--niches", "--plot", out / "plot.png"),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad") / "run"
    synthetic_archive.write(folder, niches=12, iterations=60)
    return folder


def foreign(path):
    path.write_text("dear diary" * 500, encoding="utf-8")


def truncated(path):
    os.truncate(path, path.stat().st_size // 2)


def newer(path):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def missing(path):
    path.unlink()


DAMAGES = {
    foreign: "is not a POET archive",
    truncated: "is damaged or truncated; restore a copy",
    newer: "has schema version 99; this version reads 1 to 4; install a newer version",
    missing: "holds no run: there is no archive.sqlite in it",
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_archive_that_cannot_be_read_is_refused_by_every_command(whole, tmp_path, poet, command, damage):
    run, out = tmp_path / "run", tmp_path / "out"
    shutil.copytree(whole, run)
    out.mkdir()
    damage(run / "archive.sqlite")
    refused = poet(*COMMANDS[command](run, out))
    assert refused.returncode == 2
    assert DAMAGES[damage] in refused.stderr
    assert refused.stderr.count("\n") == 1, refused.stderr
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("command", ["inspect", "report", "export"])
def test_archive_locked_by_another_program_is_refused(whole, tmp_path, poet, command):
    run, out = tmp_path / "run", tmp_path / "out"
    shutil.copytree(whole, run)
    out.mkdir()
    holder = sqlite3.connect(run / "archive.sqlite", isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    refused = poet(*COMMANDS[command](run, out))
    holder.close()
    assert refused.returncode == 2
    assert "archive.sqlite: database is locked" in refused.stderr
    assert list(out.iterdir()) == []
