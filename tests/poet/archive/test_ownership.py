"""Who may write a run on a file system that keeps no locks between its hosts."""

import os
import subprocess
import sys
import time

import pytest
from runs import assert_equal_archives, command, variables

from cluster.executor import InProcess
from evolution.evaluator import Evaluator
from poet.algorithm import evolve
from poet.archive import filesystem, ownership
from poet.archive.ownership import OWNER_NAME, Claim
from poet.archive.store import Archive
from poet.errors import ArchiveError, InputError
from poet.population import first_population

# A host of its own, in a world where no lock reaches another host.
OTHER_HOST = """
import fcntl, sys
from poet.archive import filesystem, ownership
host, mount = sys.argv.pop(1), sys.argv.pop(1)
filesystem.read_mounts = lambda: f"x / ext4 rw 0 0\\nfiler:/x {mount} fuse.sshfs rw 0 0\\n"
fcntl.flock = lambda *arguments: None
ownership.machine = lambda: host
ownership.BEAT, ownership.WATCH = 0.2, 2.0
from poet.cli import main
if __name__ == "__main__":
    main()
"""


@pytest.fixture
def on_host(tmp_path):
    script = tmp_path / "on_host.py"
    script.write_text(OTHER_HOST, encoding="utf-8")
    return lambda host, *arguments: [sys.executable, str(script), host, str(tmp_path), *map(str, arguments)]


def test_second_host_is_refused_while_the_first_lives_and_takes_over_when_it_is_killed(tmp_path, on_host, toy_file):
    alone = subprocess.run(
        command("evolve", tmp_path / "alone", "--config", toy_file, "--workers", 1),
        env=variables(),
        capture_output=True,
        check=False,
    )
    assert alone.returncode == 0
    folder = tmp_path / "run"
    first = subprocess.Popen(
        on_host("one", "evolve", folder, "--config", toy_file, "--workers", 1),
        env=variables(TOY_SECONDS="0.05"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not (folder / "archive.sqlite").exists():
            assert first.poll() is None
            time.sleep(0.02)
        resume = on_host("two", "evolve", folder, "--workers", 1)
        refused = subprocess.run(resume, env=variables(), capture_output=True, text=True, check=False)
        assert refused.returncode == 2
        assert f"process {first.pid} on" in refused.stderr
        assert first.poll() is None
    finally:
        first.kill()
        first.wait()
    done = subprocess.run(resume, env=variables(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert_equal_archives(folder, tmp_path / "alone")
    assert not (folder / OWNER_NAME).exists()


@pytest.fixture
def network(monkeypatch):
    monkeypatch.setattr(filesystem, "read_mounts", lambda: "filer:/ / nfs rw 0 0\n")
    monkeypatch.setattr(ownership.fcntl, "flock", lambda *arguments: None)
    monkeypatch.setattr(ownership, "WATCH", 0.5)


def test_owner_that_was_taken_for_dead_writes_nothing_more(tmp_path, toy_config, network):
    folder = tmp_path / "run"
    stalled = Archive.create(folder, toy_config, first_population(toy_config))
    evaluator = Evaluator(toy_config.simulation(), InProcess())
    population, journal = next(evolve(stalled.population, toy_config, evaluator))
    successor = Archive.resume(folder)  # the beat is far longer than this watch
    with pytest.raises(ArchiveError, match="has been taken over by process"):
        stalled.commit(population, journal, 1.0, 1)
    stalled.close()
    successor.commit(population, journal, 1.0, 1)
    assert successor.population.iteration == 1
    successor.close()


def test_owner_who_died_on_this_machine_is_not_waited_for(tmp_path, network, monkeypatch):
    monkeypatch.setattr(ownership, "WATCH", 60.0)
    dead = "import os, sys; from pathlib import Path; from poet.archive.ownership import *;"
    dead += "from poet.archive import filesystem;"
    dead += "filesystem.read_mounts = lambda: 'filer:/ / nfs rw 0 0\\n';"
    dead += "Claim.take(Path(sys.argv[1])); os._exit(9)"
    subprocess.run([sys.executable, "-c", dead, str(tmp_path)], env=variables(), check=False)
    assert (tmp_path / OWNER_NAME).exists()
    started = time.monotonic()
    Claim.take(tmp_path).close()
    assert time.monotonic() - started < 30


def test_of_several_successors_one_wins(tmp_path, network):
    Claim.take(tmp_path)
    dead = ownership._read(tmp_path / OWNER_NAME)
    ownership._write(tmp_path / f"{OWNER_NAME}.after-{dead.token}", dead, os.O_RDWR | os.O_CREAT)
    with pytest.raises(InputError, match="another process is taking over"):
        Claim.take(tmp_path)
