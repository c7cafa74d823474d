import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from runs import TOY_SETTINGS, all_end, assert_equal_archives, command, dump, variables

from cluster.executor import InProcess
from evolution.evaluator import Evaluator
from poet.algorithm import evolve
from poet.archive.reading import read_population, reading
from poet.archive.store import Archive
from poet.config import build
from poet.errors import ArchiveError, InputError
from poet.population import first_population


def run_to_end(folder, config):
    archive = Archive.create(folder, config, first_population(config))
    for population, journal in evolve(archive.population, config, Evaluator(config.simulation(), InProcess())):
        archive.commit(population, journal, 0.0, 1)
    archive.close()
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An uninterrupted run of the toy, made in this process."""
    return run_to_end(tmp_path_factory.mktemp("runs") / "finished", build(TOY_SETTINGS, "toy"))


def assert_same_population(ours, theirs):
    assert (ours.iteration, ours.niches) == (theirs.iteration, theirs.niches)
    for mine, other in zip(ours.pairs, theirs.pairs, strict=True):
        assert (mine.niche, mine.score, mine.solved) == (other.niche, other.score, other.solved)
        np.testing.assert_array_equal(mine.learner.theta, other.learner.theta)
        assert mine.learner.parts.keys() == other.learner.parts.keys()
        for name, part in mine.learner.parts.items():
            np.testing.assert_array_equal(part, other.learner.parts[name], strict=True)
        assert (mine.best is None) == (other.best is None)
        if mine.best is not None:
            assert (mine.best.score, mine.best.iteration) == (other.best.score, other.best.iteration)
            np.testing.assert_array_equal(mine.best.theta, other.best.theta)


def test_population_reads_back_bit_for_bit_after_every_iteration(tmp_path, toy_config):
    archive = Archive.create(tmp_path / "run", toy_config, first_population(toy_config))
    evaluator = Evaluator(toy_config.simulation(), InProcess())
    for population, journal in evolve(archive.population, toy_config, evaluator):
        archive.commit(population, journal, 0.0, 1)
        with reading(tmp_path / "run") as connection:
            assert_same_population(read_population(connection), population)
    archive.close()


def test_archive_keeps_everything(finished):
    tables = dump(finished)
    connection = sqlite3.connect(finished / "archive.sqlite")
    niches, retired = connection.execute("SELECT count(*), count(retired) FROM niche").fetchone()
    assert retired > 0
    assert len(tables["pair"]) == niches  # retired pairs stay
    assert [row[0] for row in connection.execute("SELECT iteration FROM iteration")] == list(range(36))
    moves = connection.execute("SELECT count(source) FROM transfer").fetchone()[0]
    kept = dict(connection.execute("SELECT origin, count(*) FROM agent GROUP BY origin").fetchall())
    assert kept["moved in"] == kept["moved out"] == moves > 0
    assert (kept["initial"], kept["admitted"], kept["retired"]) == (1, niches - 1, retired)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


def test_niche_that_comes_and_goes_within_one_iteration_is_kept(tmp_path, poet, toy_config):
    config = replace(
        toy_config, iterations=30, reproduction=replace(toy_config.reproduction, admitted=3, capacity=1, children=12)
    )
    folder = run_to_end(tmp_path / "run", config)
    count = json.loads(poet("inspect", folder, "--json").stdout)["niches"]
    listed = json.loads(poet("inspect", folder, "niches", "--json").stdout)
    assert [niche["id"] for niche in listed] == list(range(count))
    assert any(niche["born"] == niche["retired"] for niche in listed)
    shown = json.loads(poet("inspect", folder, "niche", count - 1, "--json").stdout)
    assert shown["best_score"] is not None


def test_every_agent_tried_in_a_child_is_kept(finished):
    tables = dump(finished)
    heard = [row for row in tables["child"] if row[11] is not None]  # a score of the best agent
    assert heard
    for row in heard:
        scores = [score for iteration, number, _, _, score in tables["audition"] if (iteration, number) == row[:2]]
        assert len(scores) >= 2
        assert max(scores) == row[11]


def test_archived_agents_score_what_the_archive_says(finished):
    connection = sqlite3.connect(finished / "archive.sqlite")
    rows = connection.execute("SELECT pair.best_score, best_theta, genome FROM pair JOIN niche ON id = niche")
    for score, theta, genome in rows.fetchall():
        distance = ((np.frombuffer(theta, dtype="<f8") - json.loads(genome)["target"]) ** 2).sum()
        assert 0 <= score - (200 - 100 * distance) + 1e-4 < 1.001
    connection.close()


def test_same_seed_gives_the_same_archive_and_another_seed_another(tmp_path, finished, toy_file, poet):
    assert poet("evolve", tmp_path / "again", "--config", toy_file, "--workers", 1).returncode == 0
    assert_equal_archives(tmp_path / "again", finished)
    assert poet("evolve", tmp_path / "other", "--config", toy_file, "--seed", 1, "--workers", 1).returncode == 0
    assert dump(tmp_path / "other")["score"] != dump(finished)["score"]


@pytest.mark.parametrize("workers", [2, 3])
def test_any_number_of_workers_gives_the_same_archive(tmp_path, finished, toy_file, poet, workers):
    done = poet("evolve", tmp_path / "run", "--config", toy_file, "--workers", workers)
    assert done.returncode == 0, done.stderr
    assert_equal_archives(tmp_path / "run", finished)


def wait_for_iterations(folder, number, process):
    while process.poll() is None:
        try:
            with reading(folder) as connection:
                if connection.execute("SELECT count(*) FROM iteration").fetchone()[0] >= number:
                    return
        except InputError:
            pass
        time.sleep(0.01)


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]


def test_run_killed_ten_times_at_random_moments_resumes_to_the_same_archive(tmp_path, finished, toy_file, poet):
    folder, chance = tmp_path / "run", random.Random(0)
    lines = command("evolve", folder, "--config", toy_file, "--workers", 2)
    reached, kills = [], 0
    for _ in range(10):
        process = subprocess.Popen(
            lines, env=variables(TOY_SECONDS="0.012"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for_iterations(folder, (reached[-1] if reached else 0) + 1, process)
        time.sleep(chance.uniform(0, 0.25))
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        with reading(folder) as connection:
            reached.append(connection.execute("SELECT count(*) FROM iteration").fetchone()[0])
    assert kills == 10
    assert reached == sorted(reached)
    assert len(set(reached)) >= 5
    assert reached[-1] < 36
    done = poet("evolve", folder, "--config", toy_file)
    assert done.returncode == 0, done.stderr
    assert_equal_archives(folder, finished)


def test_run_killed_while_it_starts_can_be_started_again(tmp_path, finished, toy_file, poet):
    folder, chance = tmp_path / "run", random.Random(1)
    lines = command("evolve", folder, "--config", toy_file, "--workers", 1)
    for _ in range(6):
        process = subprocess.Popen(
            lines, env=variables(TOY_SECONDS="0.05"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while not folder.exists() and process.poll() is None:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.03))
        process.kill()
        process.wait()
    done = poet("evolve", folder, "--config", toy_file)
    assert done.returncode == 0, done.stderr
    assert_equal_archives(folder, finished)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0), (signal.SIGUSR1, 0)])
def test_signal_stops_the_run_cleanly_and_says_how_to_resume(tmp_path, finished, toy_file, poet, number, status):
    folder = tmp_path / "run"
    lines = command("evolve", folder, "--config", toy_file, "--workers", 2)
    process = subprocess.Popen(
        lines, env=variables(TOY_SECONDS="0.02"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for_iterations(folder, 3, process)
    workers = children_of(process.pid)
    process.send_signal(number)
    _, complaint = process.communicate(timeout=20)
    assert process.returncode == status
    with reading(folder) as connection:
        reached = connection.execute("SELECT count(*) FROM iteration").fetchone()[0]
    assert f"interrupted: {reached} iterations are on disk; resume with: poet evolve {folder}" in complaint
    assert "Traceback" not in complaint
    assert workers
    assert all_end(workers)
    done = poet("evolve", folder)
    assert done.returncode == 0, done.stderr
    assert_equal_archives(folder, finished)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0), (signal.SIGUSR1, 0)])
def test_signals_while_the_workers_start_stop_the_run_cleanly_too(tmp_path, toy_file, number, status):
    lines = command("evolve", tmp_path / "run", "--config", toy_file, "--workers", 4)
    process = subprocess.Popen(lines, env=variables(), stderr=subprocess.PIPE, text=True, start_new_session=True)
    with process:
        assert process.stderr.readline().startswith("starting")
        for _ in range(3):  # an impatient user
            process.send_signal(number) if number == signal.SIGTERM else os.killpg(process.pid, number)
            time.sleep(0.02)
        complaint = process.stderr.read()
    assert process.returncode == status
    assert "Traceback" not in complaint
    assert re.search(r"interrupted: \d+ iterations are on disk; resume with: poet evolve", complaint)


def test_run_in_two_parts_equals_one_run(tmp_path, finished, toy_file, poet):
    folder = tmp_path / "run"
    assert poet("evolve", folder, "--config", toy_file, "--iterations", 7, "--workers", 1).returncode == 0
    assert poet("evolve", folder, "--iterations", 36, "--workers", 2).returncode == 0
    assert_equal_archives(folder, finished)


def test_configuration_file_changed_by_hand_extends_the_run_and_changes_nothing_else(
    tmp_path, finished, toy_file, poet
):
    folder = tmp_path / "run"
    assert poet("evolve", folder, "--config", toy_file, "--iterations", 5, "--workers", 1).returncode == 0
    path = folder / "config.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("pairs = 12", "pairs = 99"))
    refused = poet("evolve", folder)
    assert refused.returncode == 2
    assert f"{path} is not what the run was started with (es.pairs was 12, is 99)" in refused.stderr
    path.write_text(text.replace("iterations = 5", "iterations = 36"))
    assert poet("evolve", folder, "--workers", 1).returncode == 0
    assert_equal_archives(folder, finished)


def test_fewer_iterations_than_are_done_are_refused(finished, poet):
    before = dump(finished)
    for option in (("--iterations", 2), ("--set", "iterations=2")):
        refused = poet("evolve", finished, *option)
        assert refused.returncode == 2
        assert "iterations is 2; this run has done 36 already" in refused.stderr
    assert dump(finished) == before


def test_broken_contents_get_a_clear_message(tmp_path, finished, poet):
    for number, change in enumerate(
        [
            "DELETE FROM run",
            "UPDATE run SET value = 'no json'",
            "UPDATE pair SET theta = x'00'",
            "UPDATE pair SET theta = zeroblob(80)",
        ]
    ):
        folder = tmp_path / str(number)
        shutil.copytree(finished, folder)
        connection = sqlite3.connect(folder / "archive.sqlite")
        connection.execute(change)
        connection.commit()
        connection.close()
        refused = poet("evolve", folder, "--iterations", 40)
        assert refused.returncode == 2, refused.stderr
        assert re.search(
            r"archive.sqlite is damaged(: .* is not what was committed| or truncated; restore a copy)", refused.stderr
        )
        assert "Traceback" not in refused.stderr


def test_folder_deleted_under_a_run_ends_it_with_a_clear_message(tmp_path, toy_config):
    folder = tmp_path / "run"
    archive = Archive.create(folder, toy_config, first_population(toy_config))
    steps = evolve(archive.population, toy_config, Evaluator(toy_config.simulation(), InProcess()))
    archive.commit(*next(steps), 0.0, 1)
    shutil.rmtree(folder)
    with pytest.raises(ArchiveError, match="has been moved or deleted while the run went on"):
        archive.commit(*next(steps), 0.0, 1)
    archive.close()


def test_second_writer_is_turned_away_and_readers_are_not(tmp_path, toy_config, poet):
    folder = tmp_path / "run"
    archive = Archive.create(folder, toy_config, first_population(toy_config))
    refused = poet("evolve", folder)
    assert refused.returncode == 2
    assert f"another process is evolving {folder}" in refused.stderr
    assert poet("inspect", folder, "--json").returncode == 0
    archive.close()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.99])
def test_truncated_archive_gets_a_clear_message_and_is_left_alone(tmp_path, finished, poet, share):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    path = folder / "archive.sqlite"
    whole = path.stat().st_size
    os.truncate(path, int(whole * share))
    before = path.read_bytes()
    for line in (("inspect", folder), ("evolve", folder, "--iterations", 40)):
        refused = poet(*line)
        assert refused.returncode == 2, refused.stderr
        assert "archive.sqlite" in refused.stderr
        assert "is damaged or truncated" in refused.stderr or "is not a POET archive" in refused.stderr
        assert refused.stderr.count("\n") == 1
    assert path.read_bytes() == before


def test_foreign_and_newer_archives_get_a_clear_message(tmp_path, finished, poet):
    text = tmp_path / "text"
    text.mkdir()
    (text / "archive.sqlite").write_text("dear diary" * 100, encoding="utf-8")
    assert "is not a POET archive" in poet("inspect", text).stderr
    database = tmp_path / "database"
    database.mkdir()
    connection = sqlite3.connect(database / "archive.sqlite")
    connection.execute("CREATE TABLE diary (day TEXT)")
    connection.close()
    assert "is not a POET archive" in poet("evolve", database).stderr
    newer = tmp_path / "newer"
    shutil.copytree(finished, newer)
    connection = sqlite3.connect(newer / "archive.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = (newer / "archive.sqlite").read_bytes()
    for line in (("inspect", newer), ("evolve", newer)):
        refused = poet(*line)
        assert refused.returncode == 2
        assert "has schema version 99; this version reads 1 to 4; install a newer version" in refused.stderr
    assert (newer / "archive.sqlite").read_bytes() == before


def test_full_disk_is_reported_and_the_archive_stays_readable_and_resumes(
    small_disk, tmp_path, finished, toy_file, poet
):
    folder = small_disk / "run"
    failed = poet("evolve", folder, "--config", toy_file, "--iterations", 400, "--workers", 1)
    assert failed.returncode == 1
    assert "the disk is full" in failed.stderr
    assert "Traceback" not in failed.stderr
    shown = poet("inspect", folder, "--json")
    assert shown.returncode == 0, shown.stderr
    reached = json.loads(shown.stdout)["iterations"]
    assert 0 < reached < 400
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    if reached < 36:
        assert poet("evolve", moved, "--iterations", 36, "--workers", 1).returncode == 0
        assert_equal_archives(moved, finished)


def test_failed_commit_leaves_the_archive_as_it_was(tmp_path, toy_config):
    folder = tmp_path / "run"
    archive = Archive.create(folder, toy_config, first_population(toy_config))
    evaluator = Evaluator(toy_config.simulation(), InProcess())
    steps = evolve(archive.population, toy_config, evaluator)
    archive.commit(*next(steps), 0.0, 1)
    before = dump(folder)
    population, journal = next(steps)
    journal.scores.append(journal.scores[0])  # a second row with the same key
    with pytest.raises(ArchiveError, match=r"could not write .*archive.sqlite: UNIQUE constraint failed"):
        archive.commit(population, journal, 0.0, 1)
    assert dump(folder) == before
    archive.close()


@pytest.mark.slow
def test_walker_run_is_the_same_for_one_and_two_workers(tmp_path, poet):
    settings = ["--preset", "quick", "--iterations", 4, "--set", "es.pairs=6", "--set", "episode_limit=60"]
    settings += ["--set", "reproduction.every=1", "--set", "reproduction.parent_score=-200"]
    settings += ["--set", "minimal_criterion.lower=-200", "--set", "transfer.every=2"]
    for workers in (1, 2):
        done = poet("evolve", tmp_path / str(workers), *settings, "--workers", workers)
        assert done.returncode == 0, done.stderr
    assert len(dump(tmp_path / "1")["niche"]) > 1
    assert_equal_archives(tmp_path / "1", tmp_path / "2")


@pytest.mark.slow
def test_walker_run_is_the_same_on_either_engine(tmp_path, poet):
    settings = ["--preset", "quick", "--iterations", 3, "--set", "es.pairs=8", "--set", "episode_limit=150"]
    settings += ["--set", "reproduction.every=1", "--set", "reproduction.parent_score=-200"]
    settings += ["--set", "minimal_criterion.lower=-200", "--set", "transfer.every=2"]
    found = {}
    for engine in ("native", "reference"):
        done = poet("evolve", tmp_path / engine, *settings, "--set", f"engine={engine}", "--workers", 2)
        assert done.returncode == 0, done.stderr
        found[engine] = dump(tmp_path / engine)
        del found[engine]["run"]  # which names the engine
        found[engine]["checksum"] = [row for row in found[engine]["checksum"] if row[0] != "settings"]
    assert len(found["native"]["niche"]) > 1
    assert found["native"] == found["reference"]
