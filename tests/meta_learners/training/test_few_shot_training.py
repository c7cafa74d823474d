"""`poet meta-train` and `poet meta-test` with learners that are given examples: folders, resumption, refusals."""

import io
import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import numpy as np
import pytest
import synthetic_archive
from runs import command, variables

from environments.contracts import failures
from environments.tasks.curriculum import Curriculum, seal
from meta_learners.episodes import Source
from meta_learners.few_shot_contracts import episodes_contract
from meta_learners.problems.values import returns_to_go
from meta_learners.registry import make_family
from poet import cli

TINY = ["--tasks", 2, "--set", "width=8", "--family-set", "ways=3", "--family-set", "classes=6"]
TINY += ["--family-set", "courses=8"]


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


def run(*arguments):
    """Run the command line to its end, in this process: loading PyTorch for each would take most of the time."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["poet", *map(str, arguments)])
        patch.setenv("COLUMNS", "200")
        with redirect_stdout(out), redirect_stderr(err):
            status = cli._run(None)
    for stream in (out, err):
        stream.seek(0)
    return Done(status, out.read(), err.read())


@pytest.fixture(scope="module")
def curriculum(tmp_path_factory):
    from poet.archive.reading import reading  # noqa: PLC0415
    from poet.export.curriculum import ExportSettings, export  # noqa: PLC0415

    place = tmp_path_factory.mktemp("few_shot")
    synthetic_archive.write(place / "run", niches=12, iterations=60)
    with reading(place / "run") as connection:
        export(connection, place / "curriculum", ExportSettings())
    return place / "curriculum"


@pytest.fixture(scope="module")
def trained(curriculum, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "prototypical"
    done = run("meta-train", curriculum, "--learner", "prototypical", "-o", folder, *TINY, "--iterations", 3, "--json")
    assert json.loads(done.stdout)["last"]["accuracy"] >= 0
    return folder


def refused(done, words):
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    said = " ".join(done.stderr.split())
    assert words in said, said


def results(folder):
    """Everything that a plan decides on."""
    latest = json.loads((folder / "checkpoints.json").read_text(encoding="utf-8"))[-1]
    return latest, (folder / latest["file"]).read_bytes(), (folder / "metrics.jsonl").read_text(encoding="utf-8")


def test_more_iterations_go_on_to_what_an_unbroken_training_makes(curriculum, trained, tmp_path):
    folder, straight = shutil.copytree(trained, tmp_path / "copy"), tmp_path / "straight"
    line = ["meta-train", curriculum, "--learner", "prototypical", *TINY, "--iterations", 5, "-o"]
    for place in (folder, straight):
        assert run(*line, place).returncode == 0
    assert results(folder) == results(straight)
    assert list((folder / "tensorboard").glob("events.out.tfevents.*"))


@pytest.mark.slow
def test_a_training_killed_at_any_moment_resumes_to_what_an_unbroken_one_makes(tmp_path):
    line = ["meta-train", "--learner", "cnp", "--family", "sinusoids", "--set", "units=8", "--iterations", 150]
    line += ["--save-every", 0, "-o"]
    assert run(*line, tmp_path / "unbroken").returncode == 0
    killed = subprocess.Popen(command(*line, tmp_path / "broken"), env=variables(), stderr=subprocess.DEVNULL)
    kept = tmp_path / "broken" / "checkpoints.json"
    deadline = time.monotonic() + 100
    while not kept.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert json.loads(kept.read_text(encoding="utf-8"))[-1]["iteration"] < 150
    assert "resuming" in run(*line, tmp_path / "broken").stderr
    assert results(tmp_path / "broken") == results(tmp_path / "unbroken")


def test_a_test_shows_the_learner_beside_its_rivals_for_every_number_of_shots_and_the_same_for_the_same_seed(trained):
    line = ["meta-test", trained, "--tasks", 4, "--alone-tasks", 2, "--shots", "1,2", "--json"]
    first, again = run(*line), run(*line)
    assert first.returncode == 0, first.stderr
    assert first.stdout == again.stdout
    rows = [row for row in json.loads(first.stdout)["results"] if row["figure"] == "accuracy"]
    named = ["prototypical", "chance", "nearest example", "seven statistics by hand", "trained on the task alone"]
    assert [row["by"] for row in rows] == named * 2
    assert [row["shots"] for row in rows] == [1] * 5 + [2] * 5
    assert [row["mean"] for row in rows if row["by"] == "chance"] == pytest.approx([1 / 3, 1 / 3])
    assert {row["tasks"] for row in rows} == {4, 2}


def test_numbers_are_told_with_their_errors_and_how_often_intervals_hold_them(tmp_path):
    line = ["meta-train", "--learner", "cnp", "--family", "sinusoids", "--set", "units=8"]
    for folder, over, steps, late in (
        ("new", 1, 4, "meta-steps 2 to 4 teach nothing"),
        ("last", 2, 3, "meta-step 3 teaches nothing"),
    ):
        done = run(*line, "--set", f"anneal_over={over}", "--iterations", steps, "-o", tmp_path / folder)
        assert done.returncode == 0
        # Which is said where they would teach nothing.
        assert f"anneal_over={over} takes the step size to 0, so {late}" in " ".join(done.stderr.split())
    told = json.loads(run("meta-test", tmp_path / "new", "--tasks", 3, "--alone-tasks", 1, "--json").stdout)
    figures = {row["figure"] for row in told["results"] if row["by"] == "cnp"}
    assert figures == {"error", "log_loss", "coverage"}
    assert "mean of all tasks" in {row["by"] for row in told["results"]}
    shown = run("meta-test", tmp_path / "new", "--tasks", 3, "--alone-tasks", 0).stdout
    assert "coverage" in shown


def new(tmp_path, *options):
    return ["meta-train", *options, "-o", tmp_path / "new"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--learner", "prototypical"], "family niches needs a CURRICULUM, a folder that `poet export` wrote"),
        (["--learner", "rl2"], "--learner rl2 acts, and needs a CURRICULUM"),
        (["--learner", "cnp", "--family", "waves"], "--family is 'waves'; installed families are curves, dynamics"),
        (["--learner", "ridge", "--family", "sinusoids"], "learner 'ridge' tells classes; family 'sinusoids' asks for"),
        (["--learner", "cnp", "--family", "sinusoids", "--copies", "3"], "--copies is 3, and --learner cnp is given"),
        (["--learner", "rl2", "--family", "sinusoids"], "--family is sinusoids, and --learner rl2 acts"),
        (["--learner", "cnp", "--family", "sinusoids", "--family-set", "shot=1"], "--family-set: unknown setting shot"),
        (["--learner", "cnp", "--family", "sinusoids", "--family-set", "shots"], "--family-set 'shots' is not an"),
        (["--learner", "cnp", "--family", "sinusoids", "--data", "x"], "family sinusoids is not made from data"),
        (["--learner", "ridge", "--family", "omniglot", "--data", "/no-such"], "/no-such holds no images_background"),
        (["--learner", "cnp", "--family", "sinusoids", "--tasks", "0"], "tasks is 0; it must be in [1, 100000]"),
    ],
)
def test_wrong_options_are_refused_and_nothing_is_written(tmp_path, options, words):
    refused(run(*new(tmp_path, *options)), words)
    assert not (tmp_path / "new").exists()


def test_too_few_classes_are_refused_with_how_many_there_are(curriculum, tmp_path):
    line = new(tmp_path, curriculum, "--learner", "ridge", "--family-set", "ways=50", "--family-set", "courses=6")
    refused(run(*line), "split train of niches has 40 classes, too few for ways=50; lower ways")
    births = ["--learner", "cnp", "--family", "grounds", "--family-set", "births=true", "--family-set", "courses=3"]
    last = new(tmp_path, curriculum, *births, "--tasks", 1000, "--iterations", 2)
    refused(run(*last), "has had its turn; take at most 1 meta-step of 1000 tasks, more courses, or births=false")
    assert not (tmp_path / "new").exists()  # so the same folder serves who follows that


def test_a_test_refuses_options_of_learners_that_act_and_a_curriculum_that_changed(curriculum, trained, tmp_path):
    refused(run("meta-test", trained, "--adaptations", "1"), "--adaptations is an option of learners that act")
    refused(run("meta-test", trained, "--shots", "one"), "--shots is 'one'; it must be numbers such as 1,5")
    with pytest.MonkeyPatch.context() as patch:  # before any of them is measured
        patch.setattr("meta_learners.training.few_shot_test.few_shot_figures", None)
        refused(run("meta-test", trained, "--shots", "1,2,1000"), "too few for shots + queries = 1005")
    refused(run("meta-test", trained, "--split", "all"), "split is 'all'; niches has train, validation, test")
    here = shutil.copytree(curriculum, tmp_path / "here")
    folder = tmp_path / "trained"
    assert run("meta-train", here, "--learner", "ridge", "-o", folder, *TINY, "--iterations", 1).returncode == 0
    document = json.loads((here / "curriculum.json").read_text(encoding="utf-8"))
    (here / "curriculum.json").write_text(json.dumps(seal({**document, "remark": "another"})))
    line = ["meta-test", folder, "--tasks", 1, "--alone-tasks", 0]
    refused(run(*line), "has changed since this learner was trained on it")
    assert run(*line, "--curriculum", here).returncode == 0
    refused(run("meta-train", here, "--learner", "ridge", "-o", folder, *TINY), "source has changed since")


def test_other_settings_than_the_folder_was_begun_with_are_refused(curriculum, trained):
    line = ["meta-train", curriculum, "--learner", "prototypical", "-o", trained, *TINY, "--set", "width=9"]
    refused(run(*line), "settings.width was 8, is 9")
    refused(run(*line[:2], "--learner", "rl2", "-o", trained), "holds the training of a learner that is given examples")


def test_scores_of_agents_are_exported_and_a_learner_trains_on_them(curriculum, tmp_path):
    from environments.tasks.curriculum import Curriculum  # noqa: PLC0415

    loaded = Curriculum.load(curriculum)
    rows = list(loaded.scores())
    assert {row["agent"] for row in rows} <= set(loaded.tasks)
    assert len({(row["iteration"], row["agent"], row["environment"]) for row in rows}) > 20
    few = ["--family-set", "shots=1", "--family-set", "queries=1", "--set", "units=8", "--tasks", 2]
    line = ["meta-train", curriculum, "--learner", "cnp", "--family", "scores", *few, "--iterations", 2]
    assert run(*line, "-o", tmp_path / "scores").returncode == 0
    empty = shutil.copytree(curriculum, tmp_path / "empty")
    document = json.loads((empty / "curriculum.json").read_text(encoding="utf-8"))
    del document["files"]["scores.jsonl"]
    (empty / "scores.jsonl").unlink()
    (empty / "curriculum.json").write_text(json.dumps(seal(document)))
    refused(run("meta-train", empty, *line[2:], "-o", tmp_path / "no"), "has no scores.jsonl, or nothing in it")


def test_a_training_of_version_1_keeps_its_layers(curriculum, tmp_path):
    """Then learners by gradients had no other network."""
    folder, small = tmp_path / "old", [*TINY[:2], *TINY[4:]]
    line = ["meta-train", curriculum, "--learner", "anil", "--family", "niches", *small, "--set", "hidden=[4]", "-o"]
    layers = ["--set", "network=layers"]
    assert run(*line, folder, *layers, "--iterations", 1).returncode == 0
    document = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    for name in ("network", "width"):
        del document["plan"]["settings"][name]
    (folder / "training.json").write_text(json.dumps({**document, "schema_version": 1}))
    done = run(*line, folder, "--iterations", 2)
    assert done.returncode == 0, done.stderr
    assert run(*line, tmp_path / "straight", *layers, "--iterations", 2).returncode == 0
    assert results(folder) == results(tmp_path / "straight")


def test_who_follows_the_leader_keeps_past_tasks_in_checkpoints(tmp_path):
    line = ["meta-train", "--learner", "ftml", "--family", "sinusoids", "--tasks", 1, "--set", "updates=2"]
    for iterations in (2, 4):
        assert run(*line, "-o", tmp_path / "broken", "--iterations", iterations).returncode == 0
    assert run(*line, "-o", tmp_path / "straight", "--iterations", 4).returncode == 0
    assert results(tmp_path / "broken") == results(tmp_path / "straight")
    last = (tmp_path / "straight" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    assert json.loads(last)["tasks_kept"] == 4


def test_values_of_an_archives_agents_keep_what_families_promise_and_are_the_rewards_that_follow(curriculum):
    source = Source(Curriculum.load(curriculum))
    settings = {"shots": 6, "queries": 6, "episodes": 1}
    assert failures(episodes_contract(lambda: make_family("values", settings, source))) == {}
    rewards = np.array([1.0, 0.0, 4.0])
    assert returns_to_go(rewards, 0.5).tolist() == [2.0, 2.0, 4.0]


def test_a_learned_optimiser_is_trained_on_values_and_tested_beside_tuned_ones(curriculum, tmp_path):
    options = ["--family", "values", "--family-set", "shots=8", "--family-set", "queries=4", "--tasks", 2]
    options += ["--set", "hidden=[4]", "--set", "steps=6", "--set", "units=3"]
    learn = ["meta-train", curriculum, "--learner", "lstm-optimiser", "-o", tmp_path / "rule", *options]
    assert run(*learn, "--iterations", 2, "--json").returncode == 0
    done = run("meta-test", tmp_path / "rule", "--tasks", 3, "--alone-tasks", 0, "--json")
    assert done.returncode == 0, done.stderr
    judged = {row["by"].partition(",")[0] for row in json.loads(done.stdout)["results"]}
    assert {"lstm-optimiser", "adam", "sgd", "momentum", "nesterov", "rmsprop", "ridge regression"} <= judged


def test_every_environment_that_was_tried_is_exported_in_the_split_of_its_parent(curriculum):
    from environments.tasks.curriculum import Curriculum  # noqa: PLC0415

    loaded = Curriculum.load(curriculum)
    rows = list(loaded.tried())
    assert len(rows) >= 11
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        if row["id"] in loaded.tasks:
            assert row["split"] == loaded.tasks[row["id"]].split
        elif loaded.tasks[row["parent"]].split != "boundary":
            assert row["split"] == loaded.tasks[row["parent"]].split
