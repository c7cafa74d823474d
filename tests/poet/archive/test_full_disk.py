"""Commands on a disk that is full: one sentence, status 1, the old file kept, and the same command works after."""

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import synthetic_archive
from runs import command, variables

from environments.files import DiskError
from poet.archive.reading import reading
from poet.evaluate.plotting import plot
from poet.export.curriculum import ExportSettings, export
from poet.report import write
from poet.report.rendering import Cast, film, scene_of

LIMIT = 40_000  # bytes: an episode on film is larger, what SQLite needs beside an archive that is read is not
FULL = Path("/dev/full")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full") / "run"
    synthetic_archive.write(folder, niches=8, iterations=30)
    return folder


@pytest.fixture
def full_disk(small_disk):
    """A small file system with hardly any room left, and an older file on it."""
    for name in ("film.gif", "film.mp4", "film.png", "page.html", "plot.png"):
        (small_disk / name).write_bytes(b"old")
    free = shutil.disk_usage(small_disk).free
    (small_disk / "ballast").write_bytes(bytes(free - 8192))
    return small_disk


def writers(connection):
    """Every command's writer, as a function of where to write."""
    rows = [
        {
            "terrain": f"course {number}",
            "agent": agent,
            "mean": 3.0 * number,
            "solved": 0.5,
            "interval": [1.0, 9.0],
            "chosen": agent == "a",
        }
        for number in range(40)
        for agent in ("a", "b")
    ]
    scene = scene_of(connection, Cast(niche=0), 0)
    return {
        "film.gif": lambda path: film(scene, path),
        "film.mp4": lambda path: film(scene, path),
        "film.png": lambda path: film(scene, path),
        "page.html": lambda path: write(connection, path, "run", 1),
        "plot.png": lambda path: plot(rows, "plot", 5.0, path),
        "curriculum": lambda path: export(connection, path, ExportSettings()),
    }


@pytest.mark.parametrize("name", ["film.gif", "film.mp4", "film.png", "page.html", "plot.png", "curriculum"])
def test_full_disk_keeps_the_old_file_and_says_so(run, full_disk, name):
    before = sorted(full_disk.iterdir())
    with reading(run) as connection:
        writer = writers(connection)[name]
        with pytest.raises(DiskError, match=f"{name}: the disk is full; what was there before is kept"):
            writer(full_disk / name)
        assert sorted(full_disk.iterdir()) == before
        assert all(path.read_bytes() == b"old" for path in before if path.name != "ballast")
        if name != "curriculum":  # which is larger than this disk
            (full_disk / "ballast").unlink()
            writer(full_disk / name)
            assert (full_disk / name).stat().st_size > 8192


def test_file_size_limit_is_said_of_a_film_too(run, tmp_path):
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({LIMIT}, {LIMIT})); "
    line = [sys.executable, "-c", limit + "from poet.__main__ import main; main()", "render", run, "0", "-o"]
    target = tmp_path / "film.gif"
    failed = subprocess.run([*line, target], capture_output=True, text=True, check=False, env=variables())
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"error: cannot write {target}: the file grows larger than this process may write")
    assert failed.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != LIMIT  # the limit was the other process's


@pytest.mark.parametrize(
    "line", [["--help"], ["inspect"], ["inspect", "metrics", "--json"], ["doctor", "--json"], ["evaluate"]]
)
def test_result_that_cannot_be_written_is_a_failure_of_one_sentence(run, line):
    name, *rest = line
    options = {"evaluate": ["--niches", "--agents", "0", "--episodes", "1", "--workers", "1"]}.get(name, rest)
    place = [run] if name != "--help" else []
    with FULL.open("w", encoding="utf-8") as full:
        done = subprocess.run(
            command(name, *place, *options),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=variables(),
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: cannot write the result: the disk is full"
    assert "Traceback" not in done.stderr


def test_run_whose_log_cannot_be_written_goes_on(tmp_path, toy_file):
    with FULL.open("w", encoding="utf-8") as full:
        line = command("evolve", tmp_path / "run", "--config", toy_file, "--workers", 1, "--json")
        done = subprocess.run(line, stdout=subprocess.PIPE, stderr=full, text=True, check=False, env=variables())
    assert done.returncode == 0
    assert json.loads(done.stdout)["iterations"] == 36
