"""Environments that people put into a run: judged by the rules, kept for good, exact whatever interrupts it."""

import json
import signal
import sqlite3
import subprocess
import time
from contextlib import closing

import pytest
from runs import TOY_SETTINGS, assert_equal_archives, command, variables

from environments.domain import Environment
from poet import InputError, Run
from poet.archive.inputs import INBOX
from poet.archive.inspection import metrics
from poet.archive.store import Archive

ROOM = {"reproduction.admitted": 8, "reproduction.capacity": 30}


def target(*numbers, seed=7):
    return Environment(domain="toy", encoding="target", genome={"target": list(numbers)}, seed=seed)


def fitting(run):
    """An environment in which the best of a run's active agents scores 120, by the toy's closed form."""
    theta = run.population.pairs[-1].learner.theta
    return target(theta[0] + 0.8**0.5, *theta[1:])


def begin(folder, **settings):
    return Run.create(folder, config=TOY_SETTINGS, settings=settings)


@pytest.fixture
def run(tmp_path):
    """A run with an environment that a person put in and that was admitted, since there is room for all."""
    run = begin(tmp_path / "run", **ROOM)
    run.evolve(8, workers=1, rescore=False)
    assert run.inject(fitting(run)) == 8
    run.evolve(9, workers=1, rescore=False)
    return run


def test_input_is_judged_by_the_best_active_agent_and_its_record_says_who_put_it_in(run, poet):
    (row,) = run.inputs()
    assert (row["iteration"], row["number"]) == (8, TOY_SETTINGS["reproduction"]["children"])
    assert row["decision"] == "admitted"
    # The toy's closed form: 200 - 100 |theta - target|^2, and less than one of noise.
    assert row["best_score"] == pytest.approx(120.5, abs=0.6)
    niche = run.niches[row["niche"]]
    assert niche.injected
    assert niche.parent is None
    assert niche.born == 8
    assert niche.environment == Environment.from_json(row["environment"])
    assert not any(
        child["niche"] == niche.id for each in run.niches for child in run.inspect("niche", each.id)["children"]
    )
    assert run.summary()["injected"] == 1
    assert "none: put in by hand" in poet("inspect", run.folder, "niche", niche.id).stdout
    assert run.lineage[niche.id].ancestors == ()


def test_input_is_tried_beside_the_children_and_changes_none_of_them(run, tmp_path):
    other = begin(tmp_path / "other", **ROOM)
    other.evolve(9, workers=1, rescore=False)
    ours = [row["environment"] for row in run.children() if row["number"] < 6]
    assert ours == [row["environment"] for row in other.children()]
    assert other.inputs() == []


@pytest.mark.parametrize(
    ("numbers", "decision"),
    [
        ((9.0, 9.0, 9.0), "too hard for every agent"),
        ((0.9, -0.6, 0.3), "duplicate of an active environment"),
    ],
)
def test_what_does_not_fit_is_kept_with_the_reason(tmp_path, numbers, decision):
    run = begin(tmp_path / "run")
    run.inject(target(*numbers), iteration=4)
    run.evolve(5, workers=1, rescore=False)
    assert [(row["iteration"], row["decision"]) for row in run.inputs()] == [(4, decision)]
    assert len(run.niches) == 1


def test_run_with_the_same_inputs_at_the_same_iterations_is_equal_in_however_many_lives(run, tmp_path):
    run.inject(target(3, 3, 3), iteration=16)
    run.evolve(20, workers=1, rescore=False)
    again = begin(tmp_path / "again", **ROOM)
    for row in run.inputs():
        again.inject(json.loads(row["environment"]), iteration=row["iteration"])
    assert [row["iteration"] for row in again.waiting()] == [8, 16]
    for iterations in (8, 9, 16, 17, 20):
        again.evolve(iterations, workers=2 if iterations == 17 else 1, rescore=False)
    assert_equal_archives(run.folder, again.folder)
    assert again.waiting() == []
    assert list((again.folder / INBOX).iterdir()) == []


@pytest.mark.slow
def test_writer_that_is_killed_takes_every_input_once(tmp_path, toy_file):
    """kill -9 again and again while environments come in from this process."""
    folder, line = tmp_path / "run", None
    begin(folder)
    run = Run.open(folder)
    line = command("evolve", folder, "--workers", 1)
    for number, iteration in enumerate((4, 8, 12, 16)):
        run.inject(target(2.0 + number, 0, 0), iteration=iteration)
    deaths = 0
    while run.iteration < 18:
        process = subprocess.Popen(
            line, env=variables(TOY_SECONDS="0.004"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        start, deadline = run.iteration, time.monotonic() + 60
        while run.iteration < start + 3 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        deaths += 1
    run.evolve(workers=1, rescore=False)
    assert deaths > 1
    other = begin(tmp_path / "other")
    for row in run.inputs():
        other.inject(json.loads(row["environment"]), iteration=row["iteration"])
    other.evolve(workers=1, rescore=False)
    assert_equal_archives(folder, other.folder)
    assert len(run.inputs()) == 4


def test_file_that_outlived_its_commit_is_not_taken_again(tmp_path):
    """As after a kill between the commit and the removal."""
    run = begin(tmp_path / "run")
    run.inject(target(9, 9, 9), iteration=4)
    (file,) = (run.folder / INBOX).iterdir()
    content = file.read_bytes()
    run.evolve(5, workers=1, rescore=False)
    assert not file.exists()
    file.write_bytes(content)
    assert run.waiting() == []
    run.evolve(9, workers=1, rescore=False)
    assert len(run.inputs()) == 1
    assert not file.exists()


def test_input_reaches_a_run_that_goes_on_in_another_process(tmp_path, toy_file, poet):
    folder = tmp_path / "run"
    line = command("evolve", folder, "--config", toy_file, "--workers", 1, "--iterations", 100000)
    going = subprocess.Popen(
        line, env=variables(TOY_SECONDS="0.002"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not (folder / "archive.sqlite").exists():
            time.sleep(0.05)
        (tmp_path / "hard.json").write_text(target(7, 7, 7).to_json())
        said = poet("inject", folder, tmp_path / "hard.json")
        assert "waits in" in said.stdout, said.stderr
        run, deadline = Run.open(folder), time.monotonic() + 60
        while not run.inputs() and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        going.send_signal(signal.SIGINT)
        going.wait(timeout=60)
    (row,) = run.inputs()
    assert row["decision"] == "too hard for every agent"
    Archive.resume(folder).close()  # which compares all with the checksums


def test_damaged_input_is_found(run):
    with sqlite3.connect(run.folder / "archive.sqlite") as connection:
        connection.execute("UPDATE input SET environment = replace(environment, 'seed\":7', 'seed\":8')")
    connection.close()
    assert [row["detail"] for row in run.examine() if not row["works"]] == [
        "not as committed: what is noted of iteration 8"
    ]


def test_niche_without_a_parent_that_nobody_put_in_is_damage(run):
    child = next(niche.id for niche in run.niches if niche.parent is not None)
    with sqlite3.connect(run.folder / "archive.sqlite") as connection:
        connection.execute("UPDATE niche SET parent = NULL WHERE id = ?", (child,))
    connection.close()
    with pytest.raises(InputError, match=f"niche {child} has the parent None"):
        Run.open(run.folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "holds an empty list"),
        (json.dumps([json.loads(target(0, 0, n).to_json()) for n in (1, 2)]), "put them in one by one"),
        (Environment(domain="walker2d", encoding="parametric", genome={}, seed=1).to_json(), "is one of walker2d"),
        (target(1, 2).to_json(), "is refused: target is [1, 2]"),
        (json.dumps({**json.loads(target(0, 0, 0).to_json()), "encoding": "other"}), "the encoding other"),
    ],
)
def test_what_is_no_environment_of_the_run_is_refused_in_a_sentence(tmp_path, poet, content, message):
    run = begin(tmp_path / "run")
    (tmp_path / "file.json").write_text(content)
    refused = poet("inject", run.folder, tmp_path / "file.json")
    assert refused.returncode == 2
    assert message in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not (run.folder / INBOX).exists()


def test_iteration_at_which_nothing_reproduces_is_refused(run):
    for iteration in (8, 13):
        with pytest.raises(InputError, match=r"it must be a multiple of 4, reproduction\.every, and at least 9"):
            run.inject(target(0, 0, 0), iteration=iteration)


def test_garbage_in_the_inbox_is_put_aside_and_the_run_goes_on(tmp_path, caplog):
    run = begin(tmp_path / "run")
    run.inject(target(9, 9, 9))
    (good,) = (run.folder / INBOX).iterdir()
    (run.folder / INBOX / "00000000000000000001-0123abcd.json").write_text('{"environment": 3}')
    (run.folder / INBOX / "notes.txt").write_text("mine")
    run.evolve(5, workers=1, rescore=False)
    assert len(run.inputs()) == 1
    assert sorted(path.name for path in (run.folder / INBOX).iterdir()) == [
        "00000000000000000001-0123abcd.json.refused",
        "notes.txt",
    ]
    assert "is not taken into the run: it is no JSON object with environment and iteration" in caplog.text
    assert not good.exists()


def test_input_that_cannot_be_read_for_now_is_taken_by_a_later_reproduction(tmp_path, caplog):
    """A link whose end is out of reach stands for a network file system that fails for a while."""
    run = begin(tmp_path / "run")
    run.inject(target(9, 9, 9))
    (file,) = (run.folder / INBOX).iterdir()
    content = file.read_bytes()
    file.unlink()
    file.symlink_to(tmp_path / "away")
    run.evolve(5, workers=1, rescore=False)
    assert run.inputs() == []
    assert file.is_symlink()
    assert "waits for the next reproduction, since it cannot be read" in caplog.text
    (tmp_path / "away").write_bytes(content)
    run.evolve(9, workers=1, rescore=False)
    assert [row["iteration"] for row in run.inputs()] == [8]
    assert not file.is_symlink()


def test_environment_put_in_counts_as_admitted_once_it_is_solved(run):
    niche = next(each for each in run.niches if each.injected)
    with sqlite3.connect(run.folder / "archive.sqlite") as connection:
        connection.execute("UPDATE niche SET solved = NULL")
        connection.execute("UPDATE niche SET solved = 8 WHERE id IN (0, ?)", (niche.id,))
    connection.close()
    with closing(sqlite3.connect(run.folder / "archive.sqlite")) as connection:
        connection.row_factory = sqlite3.Row
        row = metrics(connection)[8]
    assert (row["solved"], row["admitted_solved"]) == (2, 1)


def test_whoever_puts_an_environment_into_a_run_that_has_ended_is_told_how_to_go_on(tmp_path, poet):
    run = begin(tmp_path / "run", iterations=6)
    (tmp_path / "hard.json").write_text(target(9, 9, 9).to_json())
    told = "the run {} at iteration 6: `poet evolve {} --iterations 9`, or more, goes on to it"
    assert "but" not in poet("inject", run.folder, tmp_path / "hard.json", "--iteration", 4).stdout
    later = poet("inject", run.folder, tmp_path / "hard.json", "--iteration", 8)
    assert told.format("is to end", run.folder) in " ".join(later.stdout.split())
    run.evolve(workers=1, rescore=False)
    later = poet("inject", run.folder, tmp_path / "hard.json")
    assert told.format("has ended", run.folder) in " ".join(later.stdout.split())
    run.evolve(9, workers=1, rescore=False)
    assert [row["iteration"] for row in run.inputs()] == [4, 8, 8]
    assert run.waiting() == []
