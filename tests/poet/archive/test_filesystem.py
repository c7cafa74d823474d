"""Network file systems: detection from the table of mounts, and a run's life with a rollback journal."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from runs import TOY_SETTINGS, assert_equal_archives, command, variables

from poet.archive import filesystem, store
from poet.archive.filesystem import find_place, place_of
from poet.archive.reading import reading
from poet.archive.store import Archive
from poet.population import first_population

MOUNTS = r"""sysfs /sys sysfs rw 0 0
/dev/sda1 / ext4 rw 0 0
filer:/home /home nfs4 rw,vers=4.2 0 0
10.0.0.1@tcp:/scratch /scratch lustre rw,flock 0 0
/dev/nvme0n1 /scratch/local xfs rw 0 0
sshfs#me@there: /mnt/with\040blank fuse.sshfs rw 0 0
/etc/auto.misc /misc autofs rw 0 0
filer:/misc /misc nfs rw 0 0
tmpfs /dev/shm tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind", "journal"),
    [
        ("/var/runs", "ext4", "WAL"),
        ("/home/me/runs", "nfs4", "TRUNCATE"),
        ("/homework", "ext4", "WAL"),
        ("/scratch", "lustre", "TRUNCATE"),
        ("/scratch/local/run", "xfs", "WAL"),
        ("/mnt/with blank/run", "fuse.sshfs", "TRUNCATE"),
        ("/misc/run", "nfs", "TRUNCATE"),
        ("/dev/shm/run", "tmpfs", "WAL"),
    ],
)
def test_journal_goes_by_the_mount_that_a_folder_lies_on(path, kind, journal):
    place = find_place(path, MOUNTS)
    assert (place.kind, place.journal) == (kind, journal)


def test_system_without_a_table_of_mounts_counts_as_local():
    assert find_place("/home/me", "").journal == "WAL"


def test_links_are_followed_and_missing_folders_take_what_they_would_lie_on(tmp_path, monkeypatch):
    there = tmp_path / "there"
    there.mkdir()
    (tmp_path / "link").symlink_to(there)
    monkeypatch.setattr(filesystem, "read_mounts", lambda: f"x / ext4 rw 0 0\nfiler:/x {there} nfs rw 0 0\n")
    assert place_of(tmp_path / "link" / "new" / "run").kind == "nfs"
    assert place_of(tmp_path / "elsewhere").kind == "ext4"


ON_NFS = """
import sys
from poet.archive import filesystem
mount = sys.argv.pop(1)
filesystem.read_mounts = lambda: f"x / ext4 rw 0 0\\nfiler:/x {mount} nfs4 rw 0 0\\n"
from poet.cli import main
if __name__ == "__main__":
    main()
"""


@pytest.fixture
def on_nfs(tmp_path):
    """The command line in a world where the test's folder is a mount of NFS."""
    script = tmp_path / "on_nfs.py"
    script.write_text(ON_NFS, encoding="utf-8")
    return lambda *arguments: [sys.executable, str(script), str(tmp_path), *map(str, arguments)]


def run(lines, **extra):
    return subprocess.run(lines, env=variables(**extra), capture_output=True, text=True, timeout=120, check=False)


def test_run_on_a_network_file_system_survives_kills_with_readers_about(tmp_path, on_nfs, toy_file):
    alone = run(command("evolve", tmp_path / "alone", "--config", toy_file, "--workers", 1))
    assert alone.returncode == 0, alone.stderr
    folder, chance = tmp_path / "run", random.Random(5)
    lines = on_nfs("evolve", folder, "--config", toy_file, "--workers", 1)
    for _ in range(4):
        process = subprocess.Popen(lines, env=variables(TOY_SECONDS="0.01"), stderr=subprocess.PIPE, text=True)
        started = process.stderr.readline()
        assert "is on a network file system (nfs4): rollback journal" in started + process.stderr.readline()
        time.sleep(chance.uniform(0.1, 0.5))
        reader = run(on_nfs("inspect", folder, "--json"))
        assert reader.returncode == 0, reader.stderr
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not list(folder.glob("*-wal"))
        assert not list(folder.glob("*-shm"))
    done = run(lines)
    assert done.returncode == 0, done.stderr
    assert_equal_archives(folder, tmp_path / "alone")
    assert json.loads(run(on_nfs("inspect", folder, "--json")).stdout)["iterations"] == TOY_SETTINGS["iterations"]


@pytest.fixture
def network(monkeypatch):
    monkeypatch.setattr(filesystem, "read_mounts", lambda: "filer:/ / nfs4 rw 0 0\n")


def test_long_reader_does_not_hold_up_the_writer(tmp_path, toy_config, network, monkeypatch):
    monkeypatch.setattr(store, "PATIENCE", 0.2)
    archive = Archive.create(tmp_path / "run", toy_config, first_population(toy_config))
    with reading(tmp_path / "run") as connection:
        rows = connection.execute("SELECT * FROM niche")
        rows.fetchone()
        archive.extend(99)  # would fail after PATIENCE if the reader held a lock
    archive.close()


def test_commit_cut_short_is_rolled_back_for_readers_and_on_resuming(tmp_path, toy_config, network):
    folder = tmp_path / "run"
    Archive.create(folder, toy_config, first_population(toy_config)).close()
    # What a power failure leaves within a commit: pages half written, and the journal that undoes them.
    connection = sqlite3.connect(folder / "archive.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode = TRUNCATE")
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("BEGIN")
    connection.execute("CREATE TABLE half (x)")
    connection.executemany("INSERT INTO half VALUES (randomblob(3000))", [()] * 50)
    torn = tmp_path / "torn"
    torn.mkdir()
    for name in ("archive.sqlite", "archive.sqlite-journal"):
        shutil.copyfile(folder / name, torn / name)
    connection.close()
    assert (torn / "archive.sqlite-journal").stat().st_size > 512
    for _ in range(2):
        with reading(torn) as connection:
            assert connection.execute("SELECT name FROM sqlite_schema WHERE name = 'half'").fetchall() == []
            assert connection.execute("SELECT count(*) FROM niche").fetchone()[0] == 1
        Archive.resume(torn).close()
    assert sqlite3.connect(torn / "archive.sqlite").execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_archive_begun_on_a_local_disk_goes_on_on_a_network_one_and_back(tmp_path, toy_config, monkeypatch):
    Archive.create(tmp_path / "run", toy_config, first_population(toy_config)).close()
    path = Path(tmp_path / "run" / "archive.sqlite")
    for mounts, written in (("filer:/ / nfs4 rw 0 0\n", b"\1\1"), ("x / ext4 rw 0 0\n", b"\2\2")):
        monkeypatch.setattr(filesystem, "read_mounts", lambda mounts=mounts: mounts)
        archive = Archive.resume(tmp_path / "run")
        archive.extend(99)
        archive.close()
        assert path.read_bytes()[18:20] == written  # of the header: which journal to expect


def test_table_of_mounts_may_hold_names_that_are_not_utf_8(tmp_path, monkeypatch):
    table = tmp_path / "mounts"
    table.write_bytes(b"/dev/a / ext4 rw 0 0\nhost:/x /caf\xe9 nfs4 rw 0 0\n")
    monkeypatch.setattr(filesystem, "MOUNTS", table)
    assert filesystem.place_of(Path(os.fsdecode(b"/caf\xe9/run"))).kind == "nfs4"


def test_fuse_without_a_subtype_counts_as_shared():
    assert filesystem.Place("fuse", "/m").journal == "TRUNCATE"
