"""Curves beside a run: what TensorBoard would show is what the archive says, each iteration once, whatever happened."""

import itertools
import os
import signal
import struct
import subprocess
import sys
import time

import pytest
from runs import TOY_SETTINGS, assert_equal_archives, command, evolved, typed, variables
from tensorboardX.proto import event_pb2

from poet import Run
from poet.archive.progress import points
from poet.archive.reading import reading
from poet.config import build
from poet.curves.beside import Curves, beside, identity
from poet.errors import InputError

CLOCK = ("throughput/seconds", "throughput/steps_per_second")  # differ between equal runs
SETTINGS = {**TOY_SETTINGS, "iterations": 14, "reproduction": {**TOY_SETTINGS["reproduction"], "whole_archive": True}}


def curves_of(folder):
    """Read TensorBoard's files record by record, oldest first: every point in the order of writing, and restarts."""
    found, restarts = [], []
    for path in sorted(folder.glob("events.out.tfevents.*"), key=lambda path: path.stat().st_mtime_ns):
        content = path.read_bytes()
        while len(content) >= 12:
            (length,) = struct.unpack("<Q", content[:8])
            if len(content) < length + 16:
                break
            event = event_pb2.Event.FromString(content[12 : 12 + length])
            if event.HasField("session_log"):
                restarts.append(event.step)
            found += [((event.step, value.tag), value.simple_value) for value in event.summary.value]
            content = content[16 + length :]
    return found, restarts


def equal_but_for_the_clock(found, expected):
    ours, theirs = (
        {key: value for key, value in each.items() if key[1] not in CLOCK} for each in (dict(found), dict(expected))
    )
    return ours == pytest.approx(theirs, rel=1e-6)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A toy run that went with curves from its beginning."""
    folder = tmp_path_factory.mktemp("curves") / "run"
    run = Run.create(folder, config=SETTINGS)
    run.evolve(workers=1, tensorboard=True)
    return run


def test_curves_say_what_the_archive_says(run):
    found, restarts = curves_of(run.folder / "tensorboard")
    curves, metrics = dict(found), run.metrics()
    assert len(curves) == len(found)
    assert restarts == [0]
    assert {step for step, _ in curves} == set(range(14))
    scores = {number: {row["iteration"]: row for row in run.scores(number)} for number in range(len(run.niches))}
    for row in metrics:
        at = row["iteration"]
        here = [each[at] for each in scores.values() if at in each]
        assert curves[at, "score/mean"] == pytest.approx(row["mean_score"])
        assert curves[at, "score/best"] == pytest.approx(row["best_score"])
        assert curves[at, "score/lowest"] == pytest.approx(min(each["score"] for each in here))
        assert curves[at, "environments/admitted"] == row["niches"]
        assert curves[at, "environments/solved"] == row["solved"]
        assert curves[at, "environments/ANNECS"] == row["annecs"]
        assert curves[at, "environments/active"] == row["active"]
        assert curves[at, "cost/steps"] == row["steps"]
        assert curves[at, "optimiser/es_mean"] == pytest.approx(sum(each["es_mean"] for each in here) / len(here))
        assert curves.get((at, "transfers/accepted"), 0) == row["transfers"]
    admitted = sum(value for (_, tag), value in found if tag == "admissions/admitted")
    assert admitted == sum(niche.born > 0 for niche in run.niches) > 0
    assert curves[13, "throughput/steps_per_second"] > 0


def test_curves_asked_for_afterwards_are_those_that_went_along(run, tmp_path):
    run.evolve(workers=1, tensorboard=tmp_path / "late" / "board")
    late, _ = curves_of(tmp_path / "late" / "board")
    found, _ = curves_of(run.folder / "tensorboard")
    assert dict(late) == dict(found)  # by the clock of the archive, too


def test_curves_change_nothing_of_the_run(run, tmp_path):
    assert_equal_archives(run.folder, evolved(tmp_path / "without", SETTINGS))


@pytest.mark.parametrize("cut", [pytest.param(0, marks=pytest.mark.slow), 9])
def test_a_run_that_was_killed_goes_on_with_its_curves_without_gap_or_repetition(run, tmp_path, toy_file, cut):
    import tomli_w  # noqa: PLC0415

    toy_file.write_text(tomli_w.dumps(SETTINGS))
    folder = tmp_path / "run"
    line = command("evolve", folder, "--config", toy_file, "--workers", 1, "--tensorboard")
    process = subprocess.Popen(line, env=variables(TOY_SECONDS="0.02"), stderr=subprocess.DEVNULL)
    late = time.monotonic() + 60
    while len({step for (step, _), _ in curves_of(folder / "tensorboard")[0]}) < 4:
        assert time.monotonic() < late
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    if cut:  # the machine went down, and the disk had less
        (path,) = (folder / "tensorboard").iterdir()
        path.write_bytes(path.read_bytes()[:-cut])
    before, _ = curves_of(folder / "tensorboard")
    Run.open(folder).evolve(workers=1, tensorboard=True)
    found, restarts = curves_of(folder / "tensorboard")
    assert len(dict(found)) == len(found)  # none is said twice
    assert found[: len(before)] == before
    assert restarts == [0, 1 + max(step for (step, _), _ in before)]
    assert equal_but_for_the_clock(found, curves_of(run.folder / "tensorboard")[0])


def test_an_older_copy_of_a_run_voids_what_it_has_not_done(run, tmp_path):
    folder = evolved(tmp_path / "run", SETTINGS, iterations=5)
    Run.open(folder).evolve(workers=1, tensorboard=run.folder / "tensorboard", iterations=8)
    found, restarts = curves_of(run.folder / "tensorboard")
    assert restarts == [0, 5]
    assert [step for step, _ in itertools.groupby(step for (step, _), _ in found)] == [*range(14), 5, 6, 7]


def test_a_run_on_another_engine_goes_on_with_its_curves():
    first, engine, seed = (
        identity(build(settings, "settings"), b"agent") for settings in ({}, {"engine": "reference"}, {"seed": 1})
    )
    assert first == engine != seed


def test_curves_of_another_run_are_left_alone(run, tmp_path, monkeypatch, capsys):
    folder = evolved(tmp_path / "other", {**SETTINGS, "seed": 5}, iterations=2)
    board = run.folder / "tensorboard"
    before = {path: path.read_bytes() for path in board.iterdir()}
    assert typed(monkeypatch, "evolve", folder, "--iterations", 3, "--workers", 1, "--tensorboard-dir", board) == 2
    assert f"error: {board} holds curves of something else" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in board.iterdir()} == before
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write"):
        Run.open(folder).evolve(workers=1, tensorboard=tmp_path / "file")


def test_a_run_goes_on_where_its_curves_cannot_be_written_any_more(tmp_path, small_disk):
    said, folder = [], evolved(tmp_path / "run", SETTINGS, iterations=1)
    from runs import Silent  # noqa: PLC0415

    from poet.archive.store import Archive  # noqa: PLC0415

    class Quiet(Silent):
        def close(self):
            pass

    archive = Archive.resume(folder)
    display = beside(Quiet(), archive, Curves(small_disk / "board"), said.append)
    (small_disk / "rest").write_bytes(bytes(390 * 1024))
    for _ in range(3000):
        display.iteration(archive.population, type("Done", (), {"iteration": 0}), 0.1)
        if said:
            break
    display.close()
    archive.close()
    assert said == [said[0]]
    assert "the run goes on without its curves: cannot write" in said[0]


def test_points_of_an_iteration_do_not_read_all_scores(run):
    with reading(run.folder) as connection:
        (whole,) = connection.execute("SELECT count(*) FROM score").fetchone()
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT score FROM score WHERE niche IN (SELECT id FROM niche WHERE born < 9 AND "
            "(retired IS NULL OR retired >= 8)) AND iteration >= 8 AND iteration < 9"
        ).fetchall()
        assert "SEARCH score USING PRIMARY KEY (niche=? AND iteration>? AND iteration<?)" in {row[3] for row in plan}
        assert whole > len(list(points(connection, 8, 9))) == 1


def test_who_has_no_client_of_weights_and_biases_is_told_before_anything_is_made(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert typed(monkeypatch, "evolve", tmp_path / "run", "--wandb", "toys") == 2
    assert capsys.readouterr().err.strip() == (
        "error: --wandb needs the client of Weights & Biases, which is not installed: pip install wandb"
    )
    assert not (tmp_path / "run").exists()


def records(content):
    """Read LevelDB's log format after a head of seven bytes: blocks of 32 KiB, records in pieces that end in one."""
    place, whole = 7, b""
    while place + 7 <= len(content):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        length, kind = struct.unpack("<HB", content[place + 4 : place + 7])
        whole += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            yield whole
            whole = b""


@pytest.mark.slow
def test_weights_and_biases_gets_the_same_curves_without_a_network(run, tmp_path, toy_file, poet):
    wandb = pytest.importorskip("wandb")
    import tomli_w  # noqa: PLC0415
    from wandb.proto import wandb_internal_pb2  # noqa: PLC0415

    assert wandb
    toy_file.write_text(tomli_w.dumps(SETTINGS))
    folder = tmp_path / "run"
    for iterations in (5, 14):
        done = poet(
            *("evolve", folder, "--config", toy_file, "--iterations", iterations),
            *("--workers", 1, "--wandb", "toys", "--json"),
            WANDB_MODE="offline",
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("{")
    found = {}
    files = sorted((folder / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 2
    assert len({path.name for path in files}) == 1  # one run, that went on
    for path in files:
        for content in records(path.read_bytes()):
            record = wandb_internal_pb2.Record.FromString(content)
            items = {item.key or item.nested_key[0]: item.value_json for item in record.history.item}
            for name, value in items.items():
                if "/" in name:
                    key = int(items["_step"]), name
                    assert key not in found
                    found[key] = float(value)
    assert equal_but_for_the_clock(found, curves_of(run.folder / "tensorboard")[0])
