"""`poet meta-train` and `poet meta-test` as a user meets them: folders, resumption, refusals."""

import fcntl
import hashlib
import io
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import synthetic_archive
import tomli_w
import torch
from runs import TOY_SETTINGS, command, variables
from safetensors.torch import load_file, save_file
from tensorboardX.proto import event_pb2

from environments.leftovers import beside
from environments.tasks.curriculum import seal
from meta_learners.training.plan import read_plan
from poet import cli

TINY = ["--tasks", 2, "--copies", 1, "--episode-limit", 20, "--iterations", 3, "--set", "hidden=8", "--set", "steps=40"]


@pytest.fixture(scope="module")
def curriculum(tmp_path_factory):
    from poet.archive.reading import reading  # noqa: PLC0415
    from poet.export.curriculum import ExportSettings, export  # noqa: PLC0415

    place = tmp_path_factory.mktemp("meta")
    synthetic_archive.write(place / "run", niches=12, iterations=60)
    with reading(place / "run") as connection:
        export(connection, place / "curriculum", ExportSettings())
    return place / "curriculum"


@pytest.fixture(scope="module")
def trained(curriculum, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "rl2"
    done = run("meta-train", curriculum, "--learner", "rl2", "-o", folder, *TINY)
    assert done.returncode == 0, done.stderr
    return folder


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


def copy_of(folder, place):
    return Path(shutil.copytree(folder, place / "copy"))


def refused(done, status, *words):
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    said = " ".join(done.stderr.split())
    for word in words:
        assert word in said, said


def results(folder):
    """Everything that a plan decides on."""
    latest = json.loads((folder / "checkpoints.json").read_text(encoding="utf-8"))[-1]
    return latest, (folder / latest["file"]).read_bytes(), (folder / "metrics.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize("learner", ["ppo", pytest.param("rl2", marks=pytest.mark.slow)])
def test_a_training_killed_at_any_moment_resumes_to_what_an_unbroken_one_makes(curriculum, tmp_path, learner):
    """PPO's worlds are killed within their episodes, which go on."""
    options = ["--tasks", 2, "--copies", 2, "--episode-limit", 60, "--seed", 3, "--set", "hidden=8", "--save-every", 0]
    options += ["--set", "steps=25"] if learner == "ppo" else []
    line = ["meta-train", curriculum, "--learner", learner, *options, "--iterations", 12, "-o"]
    assert run(*line, tmp_path / "unbroken").returncode == 0
    killed = subprocess.Popen(command(*line, tmp_path / "broken"), env=variables(), stderr=subprocess.DEVNULL)
    kept = tmp_path / "broken" / "checkpoints.json"
    deadline = time.monotonic() + 60
    while not kept.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert json.loads(kept.read_text(encoding="utf-8"))[-1]["iteration"] < 12
    with (tmp_path / "broken" / "metrics.jsonl").open("a", encoding="utf-8") as rows:
        rows.write('{"iteration": 11, "retu')  # as if a row had been on its way
    resumed = run(*line, tmp_path / "broken")
    assert "resuming" in resumed.stderr
    assert results(tmp_path / "broken") == results(tmp_path / "unbroken")


@pytest.mark.parametrize("teacher", ["accel", "alp-gmm"])
def test_a_taught_training_goes_on_as_if_it_had_never_stopped(curriculum, tmp_path, teacher):
    """ACCEL's tasks are tried in worlds of their own, while PPO's run on, with tasks that no curriculum has."""
    line = ["meta-train", curriculum, "--learner", "ppo", *TINY, "--set", "steps=25", "--teacher", teacher]
    line += ["--teacher-set", "first=3" if teacher == "accel" else "window=10", "--save-every", 0, "-o"]
    for iterations in (2, 3, 6):
        assert run(*line, tmp_path / "broken", "--iterations", iterations).returncode == 0
    assert run(*line, tmp_path / "straight", "--iterations", 6).returncode == 0
    assert results(tmp_path / "broken") == results(tmp_path / "straight")
    facts = results(tmp_path / "straight")[0]["facts"]
    assert set(facts) == {"teacher", "tasks", "steps"}
    if teacher == "accel":
        assert len(facts["teacher"]["kept"]) > 3
        assert {each["regret"] > 0 for each in facts["teacher"]["kept"]} == {True}


def test_what_a_teacher_cannot_do_is_refused_in_a_sentence(curriculum, tmp_path):
    line = ["meta-train", curriculum, "--learner", "maml", *TINY[:6], "-o", tmp_path / "none", "--teacher"]
    refused(run(*line, "nobody"), 2, "--teacher is 'nobody'; installed teachers are accel, alp-gmm, plr,")
    refused(run(*line, "plr"), 2, "teacher plr has regret gain, and learner maml has no critic", "set regret to best")
    refused(run(*line, "plr", "--teacher-set", "replay=2"), 2, "--teacher-set: replay is 2.0; it must be in [0, 1]")
    refused(run(*line, "random", "--open-over", 5), 2, "--open-over is 5; teacher random opens no stages")
    done = run("meta-train", "--learner", "cnp", "-o", tmp_path / "none", "--teacher", "plr")
    refused(done, 2, "--teacher is plr, and --learner cnp is given examples and does not act")


def test_threads_of_worlds_change_no_bit_of_a_training(curriculum, tmp_path):
    line = ["meta-train", curriculum, "--learner", "ppo", *TINY, "--copies", 20, "--set", "steps=25", "-o"]
    assert run(*line, tmp_path / "one").returncode == 0
    assert run(*line, tmp_path / "two", "--world-threads", 2).returncode == 0
    assert results(tmp_path / "one") == results(tmp_path / "two")


def test_worlds_of_a_damaged_checkpoint_are_refused_in_a_sentence(curriculum, tmp_path):
    folder, line = tmp_path / "ppo", ["meta-train", curriculum, "--learner", "ppo", *TINY, "--set", "steps=6", "-o"]
    assert run(*line, folder).returncode == 0
    latest = json.loads((folder / "checkpoints.json").read_text(encoding="utf-8"))[-1]
    tensors = load_file(folder / latest["file"])
    assert (tensors["worlds.lengths"] > 0).any()
    for name, value in (("worlds.tasks", tensors["worlds.tasks"] + 10**6), ("worlds.actions", torch.zeros(3))):
        save_file({**tensors, name: value}, folder / latest["file"])
        latest["sha256"] = hashlib.sha256((folder / latest["file"]).read_bytes()).hexdigest()
        (folder / "checkpoints.json").write_text(json.dumps([latest]))
        refused(run(*line, folder, "--iterations", 5), 2, f"{folder} does not tell how its worlds stood")
    assert run("meta-test", folder, "--split", "train", "--adaptations", "0", "--worlds", 1).returncode == 0


def test_a_training_of_version_1_goes_on_as_it_was_begun(curriculum, tmp_path):
    """Then nobody chose what falls were worth, worlds began anew with every meta-step and the critic had no memory."""
    folder, line = tmp_path / "old", ["meta-train", curriculum, "--learner", "ppo", *TINY, "--set", "steps=30", "-o"]
    old = ["--set", "run_on=false", "--fall-reward", -100]
    assert run(*line, folder, *old, "--iterations", 2).returncode == 0
    document = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    del document["plan"]["fall_reward"], document["plan"]["settings"]["run_on"]
    (folder / "training.json").write_text(json.dumps({**document, "schema_version": 1}))
    done = run(*line, folder)
    assert done.returncode == 0, done.stderr
    assert run(*line, tmp_path / "straight", *old).returncode == 0
    assert results(folder) == results(tmp_path / "straight")


def test_a_training_of_version_3_keeps_whole_trials_and_the_settings_it_was_begun_with(curriculum, tmp_path):
    folder, line = tmp_path / "old", ["meta-train", curriculum, "--learner", "rl2", *TINY[:-2]]
    old = ["--set", "steps=0", "--set", "window=50", "--set", "minibatches=16"]
    assert run(*line, "-o", folder, *old, "--iterations", 1).returncode == 0
    document = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    del document["plan"]["settings"]["steps"]
    (folder / "training.json").write_text(json.dumps({**document, "schema_version": 3}))
    done = run(*line, "-o", folder, "--iterations", 2)
    assert done.returncode == 0, done.stderr
    assert run(*line, "-o", tmp_path / "straight", *old, "--iterations", 2).returncode == 0
    assert results(folder) == results(tmp_path / "straight")


def test_a_plan_of_before_a_setting_was_there_says_what_was_done_then(tmp_path):
    kept = {"learner": "snail", "settings": {"keys": 8}, "domain": "walker2d", "curriculum": "0", "episode_limit": 9}
    document = {"format": "poet-meta-training", "schema_version": 4, "plan": kept, "found_at": "gone"}
    (tmp_path / "training.json").write_text(json.dumps(document))
    assert read_plan(tmp_path)[0].settings == {"keys": 8, "width": 0, "gain": 0.0}


def test_more_iterations_go_on_from_the_last_one(curriculum, trained, tmp_path):
    folder = copy_of(trained, tmp_path)
    done = run("meta-train", curriculum, "--learner", "rl2", "-o", folder, *TINY, "--iterations", 5, "--json")
    assert json.loads(done.stdout)["iterations"] == 5
    straight = tmp_path / "straight"
    run("meta-train", curriculum, "--learner", "rl2", "-o", straight, *TINY, "--iterations", 5)
    assert results(folder) == results(straight)


@pytest.mark.parametrize("learner", ["maml", "meta-sgd", "promp", "reptile"])
def test_gradient_based_learners_train_resume_and_adapt_from_the_command_line(curriculum, tmp_path, learner):
    line = ["meta-train", curriculum, "--learner", learner, "-o", tmp_path / "new", *TINY[:6], "--set", "hidden=[8]"]
    for iterations in (1, 2):
        done = run(*line, "--iterations", iterations, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["iterations"] == iterations
    straight = tmp_path / "straight"
    line[5] = straight
    assert run(*line, "--iterations", 2).returncode == 0
    assert results(tmp_path / "new") == results(straight)
    tested = run("meta-test", straight, "--split", "train", "--adaptations", "0,1", "--repeats", 1, "--json")
    said = json.loads(tested.stdout)
    assert [row["actions"] for row in said["results"]] == ["stochastic"] * 2 + ["deterministic"] * 2
    assert (said["split"], said["curriculum"]) == ("train", str(curriculum.resolve()))


def scalars(folder):
    """Read TensorBoard's file record by record: length, its checksum, an event, its checksum."""
    (path,) = (folder / "tensorboard").glob("events.out.tfevents.*")
    content, found = path.read_bytes(), {}
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        event = event_pb2.Event.FromString(content[12 : 12 + length])
        found |= {(event.step, value.tag): value.simple_value for value in event.summary.value}
        content = content[16 + length :]
    return found


def test_a_training_leaves_what_tensorboard_reads(trained):
    found = scalars(trained)
    rows = [json.loads(line) for line in (trained / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["iteration"] for row in rows] == [0, 1, 2]
    for row in rows:
        step = row.pop("iteration")
        assert {name: found[step, name] for name in row} == pytest.approx(row, rel=1e-6)
        shares = [found[step, name] for name in ("simulation", "sampling", "gradients")]
        assert sum(shares) == pytest.approx(1, abs=1e-5)
        assert found[step, "steps_per_second"] > 0


def test_a_test_gives_every_task_after_every_number_of_episodes_and_the_same_for_the_same_seed(trained):
    options = ["--split", "train", "--adaptations", "0,2", "--episodes", 2, "--json"]
    first, again = (run("meta-test", trained, *options) for _ in range(2))
    assert first.stdout == again.stdout
    rows = json.loads(first.stdout)["results"]
    assert [row["adaptation_episodes"] for row in rows] == [0, 2, 0, 2]
    assert rows[0]["returns"] != rows[2]["returns"]  # of the same policy, acting otherwise
    for row in rows:
        assert len(row["returns"]) == row["tasks"]
        assert row["interval"][0] <= row["mean"] <= row["interval"][1]


def test_a_test_on_a_suite_lists_its_terrains_and_plays_as_poet_evaluate_does_however_short_training_was(trained):
    done = run("meta-test", trained, "--suite", "high", "--adaptations", "0", "--episodes", 1, "--repeats", 1, "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert "PitGap high" in {row["terrain"] for row in figures["results"]}
    assert TINY[TINY.index("--episode-limit") + 1] < figures["episode_limit"] == 2000


def test_one_task_has_no_interval_and_all_splits_are_shown_apart(trained):
    done = run("meta-test", trained, "--split", "all", "--adaptations", "0", "--episodes", 1, "--repeats", 1, "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["results"]
    assert len(rows) % 2 == 0
    assert {"train", "test"} <= {row["terrain"] for row in rows}
    assert {row["tasks"] == 1 for row in rows} == {True, False}
    for row in rows:
        assert (row["interval"] is None) == (row["tasks"] == 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--learner", "memory"], "--learner is 'memory'; installed learners are abml, anil, "),
        (["--learner", "promp", "--set", "steps=7"], "steps is 7, and episodes have up to"),
        (["--fall-reward", "nan"], "fall_reward is nan; it must be in [-1000000, 1000000]"),
        (["--set", "hiden=3"], "unknown setting hiden; known are episodes, "),
        (["--set", "clip=-1"], "clip is -1.0; it must be in [0, 10]"),
        (["--set", "epochs=two"], "epochs is 'two'; it must be a whole number"),
        (["--episode-limit", "0"], "--episode-limit is 0; for walker2d it must be in [1, 2000]"),
        (["--episode-limit", "2001"], "--episode-limit is 2001; for walker2d it must be in [1, 2000]"),
        (["--device", "meta"], "--device is 'meta', which cannot be used here"),
        (["--learner", "maml", "--set", "hidden=[-3]"], "--set: hidden is [-3]; every layer must be in [1, 4096]"),
        (["--learner", "maml", "--set", "hidden=8"], "--set: hidden is 8; it must be a list"),
        (["--tasks", "0"], "tasks is 0; it must be in [1, 10000]"),
        (["--device", "abacus"], "--device is 'abacus', which cannot be used here"),
    ],
)
def test_wrong_options_are_refused_and_nothing_is_written(curriculum, tmp_path, options, words):
    line = ["meta-train", curriculum, "--learner", "rl2", "-o", tmp_path / "new", *options]
    refused(run(*line), 2, words)
    assert not (tmp_path / "new").exists()


def test_a_device_that_pytorch_was_not_built_for_is_refused_in_a_sentence(curriculum, tmp_path):
    if torch.backends.mps.is_available():
        pytest.skip("there is one")
    done = run("meta-train", curriculum, "--learner", "rl2", "-o", tmp_path / "new", "--device", "mps")
    refused(done, 2, "--device is 'mps', which cannot be used here: ")
    assert len(done.stderr) < 300  # PyTorch's own message is a page


def test_a_suite_and_a_curriculum_at_once_are_refused(curriculum, trained):
    done = run("meta-test", trained, "--suite", "walker", "--curriculum", curriculum)
    refused(done, 2, "--suite walker and --curriculum", "test on one of them at a time")


def test_a_split_of_a_suite_is_refused(trained):
    done = run("meta-test", trained, "--suite", "walker", "--split", "train")
    refused(done, 2, "--split train goes with a curriculum, not with --suite walker")


def test_other_settings_than_the_folder_was_begun_with_are_refused(curriculum, trained):
    done = run("meta-train", curriculum, "--learner", "rl2", "-o", trained, *TINY, "--set", "hidden=9", "--seed", 4)
    refused(done, 2, "settings.hidden was 8, is 9", "seed was 0, is 4")


def test_a_curriculum_that_has_changed_since_is_refused(curriculum, trained, tmp_path):
    changed = copy_of(curriculum, tmp_path)
    document = json.loads((changed / "curriculum.json").read_text(encoding="utf-8"))
    document["remark"] = "another"
    (changed / "curriculum.json").write_text(json.dumps(seal(document)))
    refused(run("meta-train", changed, "--learner", "rl2", "-o", trained, *TINY), 2, "has changed since", "sha256")


def test_a_test_refuses_a_curriculum_that_changed_behind_it_unless_it_is_named(curriculum, tmp_path):
    here = copy_of(curriculum, tmp_path)
    folder = tmp_path / "trained"
    assert run("meta-train", here, "--learner", "ppo", "-o", folder, *TINY, "--set", "steps=20").returncode == 0
    document = json.loads((here / "curriculum.json").read_text(encoding="utf-8"))
    (here / "curriculum.json").write_text(json.dumps(seal({**document, "remark": "another"})))
    line = ["meta-test", folder, "--split", "train", "--adaptations", "0", "--repeats", 1]
    refused(run(*line), 2, "has changed since this learner was trained on it", "name it by --curriculum")
    assert run(*line, "--curriculum", here).returncode == 0
    here.rename(tmp_path / "elsewhere")
    refused(run(*line), 2, f"is not in {here} any more; name it by --curriculum")


def test_a_return_that_no_episode_gave_is_told_neither_as_zero_nor_as_nothing(curriculum, tmp_path):
    """Episodes of 20 steps in meta-steps of 15 end in the second and the third, not in the first."""
    line = ["meta-train", curriculum, "--learner", "ppo", "-o", tmp_path / "new", *TINY, "--set", "steps=15", "--json"]
    assert run(*line).returncode == 0
    rows = [json.loads(each) for each in (tmp_path / "new" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert ["return_before" in row for row in rows] == [False, True, True]
    assert all(isinstance(value, int | float) for row in rows for value in row.values())
    assert [row["steps"] for row in rows] == [30, 58, 86]  # a world's step that only begins an episode is none


def test_a_folder_of_something_else_is_left_alone(curriculum, tmp_path):
    (tmp_path / "thesis.tex").write_text("all of it", encoding="utf-8")
    done = run("meta-train", curriculum, "--learner", "rl2", "-o", tmp_path, *TINY)
    refused(done, 2, "is not empty and holds no training")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_newer_training_is_refused_by_its_version(trained, tmp_path):
    folder = copy_of(trained, tmp_path)
    document = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    (folder / "training.json").write_text(json.dumps({**document, "schema_version": 5}))
    refused(run("meta-test", folder), 2, "has schema version 5; this version reads 1 to 4")


def test_the_checkpoint_before_serves_when_the_newest_is_damaged(curriculum, tmp_path):
    line = ["meta-train", curriculum, "--learner", "ppo", "-o", tmp_path / "new", *TINY, "--save-every", 0]
    assert run(*line).returncode == 0
    expected = results(tmp_path / "new")
    (tmp_path / "new" / "checkpoint-00000003.safetensors").write_bytes(b"torn")
    again = run(*line)
    assert "at meta-step 2 of 3" in again.stderr
    assert results(tmp_path / "new") == expected
    for path in (tmp_path / "new").glob("checkpoint-*"):
        path.write_bytes(b"torn")
    refused(run(*line), 2, "are missing or damaged")


def test_tasks_of_another_domain_are_refused(trained, tmp_path):
    (tmp_path / "toy.toml").write_text(tomli_w.dumps(TOY_SETTINGS))
    assert run("evolve", tmp_path / "run", "--config", tmp_path / "toy.toml", "--workers", 1).returncode == 0
    assert run("export", tmp_path / "run", "-o", tmp_path / "toys").returncode == 0
    done = run("meta-test", trained, "--curriculum", tmp_path / "toys", "--split", "train")
    refused(done, 2, "are toy's; this learner was trained on walker2d")


def test_a_loss_that_is_not_finite_ends_with_status_1_and_leaves_the_checkpoint(curriculum, trained, tmp_path):
    folder = copy_of(trained, tmp_path)
    latest = json.loads((folder / "checkpoints.json").read_text(encoding="utf-8"))[-1]
    tensors = load_file(folder / latest["file"])
    tensors["policy.critic.4.bias"][:] = float("nan")
    save_file(tensors, folder / latest["file"])
    latest["sha256"] = hashlib.sha256((folder / latest["file"]).read_bytes()).hexdigest()
    (folder / "checkpoints.json").write_text(json.dumps([latest]))
    done = run("meta-train", curriculum, "--learner", "rl2", "-o", folder, *TINY, "--iterations", 5)
    refused(done, 1, "meta-step 3: the loss is", "nan", "the checkpoint before it is in")
    assert (folder / "checkpoint-00000003.safetensors").exists()


def test_a_loss_that_is_not_finite_leaves_the_worlds_as_they_stood_before(curriculum, tmp_path):
    folder, line = tmp_path / "ppo", ["meta-train", curriculum, "--learner", "ppo", *TINY, "--set", "steps=6", "-o"]
    assert run(*line, folder).returncode == 0
    path = folder / "checkpoint-00000003.safetensors"
    before = load_file(path)
    before["parameter.value.layer2.bias"][:] = float("nan")
    save_file(before, path)
    (kept,) = [each for each in json.loads((folder / "checkpoints.json").read_bytes()) if each["iteration"] == 3]
    kept["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "checkpoints.json").write_text(json.dumps([kept]))
    refused(run(*line, folder, "--iterations", 4), 1, "meta-step 3: the losses of policy and values are")
    after = load_file(path)
    assert (before["worlds.lengths"] > 0).any()
    assert {name for name in before if torch.equal(before[name], after[name])} >= {
        f"worlds.{name}" for name in ("tasks", "seeds", "lengths", "actions")
    }


def test_a_second_training_in_one_folder_is_refused(curriculum, trained, tmp_path):
    folder = copy_of(trained, tmp_path)
    with (folder / "lock").open("w", encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        refused(
            run("meta-train", curriculum, "--learner", "rl2", "-o", folder, *TINY), 2, "another process is training"
        )


def test_training_on_a_full_disk_keeps_what_it_has_and_goes_on_when_there_is_room(
    curriculum, trained, small_disk, tmp_path
):
    """Full from the first byte, then after some meta-steps; where there is room it comes to the same result."""
    line = ("meta-train", curriculum, "--learner", "rl2", *TINY, "--save-every", 0, "-o")
    folder, ballast = small_disk / "rl2", small_disk / "ballast"
    for room in (0, shutil.disk_usage(small_disk).free):
        ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - room))
        failed = run(*line, folder)
        assert failed.returncode == 1, failed.stderr
        assert "the disk is full" in failed.stderr.splitlines()[-1]
        assert "Traceback" not in failed.stderr
        ballast.unlink()
    assert json.loads((folder / "checkpoints.json").read_bytes())  # it had begun
    shutil.copytree(folder, tmp_path / "moved")
    assert run(*line, tmp_path / "moved").returncode == 0
    assert (tmp_path / "moved" / "metrics.jsonl").read_bytes() == (trained / "metrics.jsonl").read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a mount namespace")
def test_training_needs_no_shared_memory(curriculum, tmp_path):
    fill = "! head -c 9999 /dev/zero 2>/dev/null >/dev/shm/full"
    full = f'mount -t tmpfs -o size=4k tmpfs /dev/shm && {fill} && exec "$@"'
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to hide /dev/shm")
    line = command("meta-train", curriculum, "--learner", "rl2", "-o", tmp_path / "rl2", *TINY)
    line = ["unshare", "-m", "sh", "-c", full, "sh", *line]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_training_that_was_killed_as_it_began_can_be_begun_again(curriculum, tmp_path):
    folder = tmp_path / "rl2"
    folder.mkdir()
    (folder / "lock").touch()
    (folder / "training.json.new").write_bytes(b"")  # as earlier versions left it
    process = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    name = beside(folder / "training.json").name.replace(str(os.getpid()), process.stdout.decode().strip())
    (folder / name).write_bytes(b"{")
    assert run("meta-train", curriculum, "--learner", "rl2", "-o", folder, *TINY).returncode == 0
    assert not (folder / name).exists()


def test_help_and_completion_tell_every_learner_that_is_installed():
    """As the shell asks: a learner of somebody else's would be among them."""
    names = {entry.name for entry in entry_points(group="poet.learners")}
    assert {"rl2", "ppo", "maml", "promp"} <= names
    told = run("meta-train", "--help").stdout
    assert ",".join(sorted(names)) in "".join(told.split())  # lines break at hyphens, too
    asked = {"_POET_COMPLETE": "complete_bash", "COMP_WORDS": "poet meta-train there --learner m", "COMP_CWORD": "4"}
    done = subprocess.run(command(), env={**variables(), **asked}, capture_output=True, text=True, check=True)
    assert done.stdout.split() == sorted(name for name in names if name.startswith("m"))
