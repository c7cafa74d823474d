"""Real MPI jobs with real losses: `mpirun` from PyPI, SIGKILL and SIGSTOP from us."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest
from jobs import iterations, kill, mpirun, pids, start, wait_for
from runs import alive, all_end, assert_equal_archives, command, variables

SLOW = pytest.mark.slow  # a few prove in every `make test` that real jobs work; the others take a minute or two
pytestmark = pytest.mark.timeout(280)

ITEMS = [sys.executable, "-m", "items"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The toy run, made without MPI."""
    place = tmp_path_factory.mktemp("alone")
    lines = command("evolve", place / "run", *toy(place), "--workers", 1)
    done = subprocess.run(lines, env=variables(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return place / "run"


def toy(place):
    """Options for the toy's settings, written beside a run."""
    import tomli_w  # noqa: PLC0415
    from runs import TOY_SETTINGS  # noqa: PLC0415

    (place / "toy.toml").write_text(tomli_w.dumps(TOY_SETTINGS))
    return "--config", place / "toy.toml"


def run_items(name, ranks, **extra):
    job = start(mpirun(ranks, [*ITEMS, name]), **extra)
    return job, lambda: finish_items(job)


def finish_items(job):
    out, err = job.communicate(timeout=90)
    found = re.search(r"RESULT (.*)", out)
    assert found, err
    return json.loads(found[1])


def evolve(folder, ranks, seconds, **options):
    """Start a toy run that is slow enough to be disturbed."""
    lines = command("evolve", folder, *toy(folder.parent))
    return start(mpirun(ranks, lines, **options), TOY_SECONDS=seconds)


def resume_alone(folder):
    done = subprocess.run(command("evolve", folder), env=variables(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("ranks", [pytest.param(2, marks=SLOW), 3, pytest.param(5, marks=SLOW)])
def test_any_number_of_ranks_gives_the_archive_of_one_process(tmp_path, finished, ranks):
    job = evolve(tmp_path / "run", ranks, "0")
    out, err = job.communicate(timeout=120)
    assert job.returncode == 0, err
    assert_equal_archives(tmp_path / "run", finished)
    assert out.count("iterations") == 1, "one rank alone prints"
    assert err.count("starting") == 1
    assert re.search(rf"load: {ranks - 1} workers, \d+% idle, [\d.,]+ items/s, slowest host \S+ at", err)


@SLOW
def test_single_rank_is_a_run_on_its_own(tmp_path, finished):
    job = evolve(tmp_path / "run", 1, "0")
    _, err = job.communicate(timeout=120)
    assert job.returncode == 0, err
    assert_equal_archives(tmp_path / "run", finished)


@SLOW
def test_workers_killed_at_random_moments_cost_nothing_until_one_is_left(tmp_path, finished):
    chance = random.Random(2)
    job = evolve(tmp_path / "run", 7, "0.03")
    workers = pids(job, 7)
    workers.pop(0)
    order = chance.sample(sorted(workers), 5)
    wait_for(tmp_path / "run", 2, job)
    for victims in (order[:1], order[1:3], order[3:4], order[4:]):  # two at once among them
        time.sleep(chance.uniform(0.05, 0.6))
        assert job.poll() is None
        kill(*(workers[rank] for rank in victims))
    _, err = job.communicate(timeout=90)
    assert job.returncode == 0, err
    assert err.count("lost worker") == 5
    assert "workers left: 1" in err
    assert_equal_archives(tmp_path / "run", finished)


def test_all_but_one_killed_at_once_is_survived(tmp_path, finished):
    job = evolve(tmp_path / "run", 5, "0.01")
    workers = pids(job, 5)
    wait_for(tmp_path / "run", 3, job)
    kill(*(workers[rank] for rank in (1, 2, 4)))
    _, err = job.communicate(timeout=90)
    assert job.returncode == 0, err
    assert err.count("lost worker") == 3
    assert_equal_archives(tmp_path / "run", finished)


@SLOW
def test_run_without_workers_ends_with_a_message_and_resumes(tmp_path, finished):
    job = evolve(tmp_path / "run", 3, "0.05")
    ranks = pids(job, 3)
    wait_for(tmp_path / "run", 2, job)
    kill(ranks[1], ranks[2])
    _, err = job.communicate(timeout=30)
    assert job.returncode == 1
    reached = iterations(tmp_path / "run")
    assert f"all 2 workers are lost: {reached} iterations are on disk; resume with: poet evolve" in err
    assert "Traceback" not in err
    resume_alone(tmp_path / "run")
    assert_equal_archives(tmp_path / "run", finished)


@SLOW
def test_without_fault_tolerance_a_lost_worker_ends_the_run_which_resumes(tmp_path, finished):
    job = evolve(tmp_path / "run", 3, "0.05", options=[])
    ranks = pids(job, 3)
    wait_for(tmp_path / "run", 2, job)
    kill(ranks[1])
    began = time.monotonic()
    _, err = job.communicate(timeout=30)
    assert job.returncode != 0
    assert time.monotonic() - began < 15
    assert "mpirun --with-ft ulfm would go on with the rest" in err
    assert re.search(r"rank 1 .*exited", err)
    assert all_end(ranks.values())
    resume_alone(tmp_path / "run")
    assert_equal_archives(tmp_path / "run", finished)


@SLOW
@pytest.mark.parametrize("options", [[], ["--with-ft", "ulfm"]], ids=["plain", "ulfm"])
def test_loss_of_the_master_ends_every_rank_and_costs_one_iteration_at_most(tmp_path, finished, options):
    job = evolve(tmp_path / "run", 4, "0.05", options=options)
    ranks = pids(job, 4)
    wait_for(tmp_path / "run", 2, job)
    before = iterations(tmp_path / "run")
    kill(ranks[0])
    assert all_end(ranks.values(), seconds=15)
    job.communicate(timeout=30)
    assert job.returncode != 0
    assert iterations(tmp_path / "run") >= before
    resume_alone(tmp_path / "run")
    assert_equal_archives(tmp_path / "run", finished)


@SLOW
def test_loss_of_the_master_ends_workers_in_the_midst_of_a_long_item():
    job, _ = run_items("endless", 3)
    ranks = pids(job, 3)
    time.sleep(4)
    kill(ranks[0])
    assert all_end(ranks.values(), seconds=15)
    job.communicate(timeout=30)


def test_loss_of_the_launcher_leaves_no_orphans(tmp_path):
    job = evolve(tmp_path / "run", 4, "0.05")
    ranks = pids(job, 4)
    wait_for(tmp_path / "run", 2, job)
    kill(job.pid)
    assert all_end(ranks.values(), seconds=15)
    job.communicate(timeout=30)


def to_master(job, ranks, number):
    os.kill(ranks[0], number)


def to_all_ranks(job, ranks, number):
    for pid in ranks.values():
        os.kill(pid, number)


def to_mpirun(job, ranks, number):
    job.send_signal(number)


@SLOW
@pytest.mark.parametrize(
    ("deliver", "number", "status"),
    [
        (to_master, signal.SIGTERM, 0),
        (to_all_ranks, signal.SIGTERM, 0),  # as scancel and preemption do
        (to_all_ranks, signal.SIGUSR1, 0),  # as Slurm's --signal=USR1 does
        (to_mpirun, signal.SIGUSR1, 0),  # as our job script does
        (to_master, signal.SIGINT, 130),
    ],
)
def test_signal_stops_the_job_and_says_how_to_resume(tmp_path, finished, deliver, number, status):
    job = evolve(tmp_path / "run", 3, "0.05")
    ranks = pids(job, 3)
    wait_for(tmp_path / "run", 3, job)
    deliver(job, ranks, number)
    _, err = job.communicate(timeout=30)
    assert job.returncode == status, err
    reached = iterations(tmp_path / "run")
    assert f"interrupted: {reached} iterations are on disk; resume with: poet evolve" in err
    assert err.count("interrupted") == 1
    assert "Traceback" not in err
    assert all_end(ranks.values())
    resume_alone(tmp_path / "run")
    assert_equal_archives(tmp_path / "run", finished)


@SLOW
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--config", "missing.toml"], "cannot read missing.toml"),
        (["--set", "es.pears=3"], "unknown setting es.pears"),
        (["--workers", "3"], "--workers is for one machine"),
        (["--colour"], "No such option"),
    ],
)
def test_bad_input_ends_all_ranks_with_status_2_and_is_said_once(tmp_path, options, complaint):
    job = start(mpirun(3, command("evolve", tmp_path / "run", *options), options=[]))
    _, err = job.communicate(timeout=60)
    assert job.returncode == 2
    assert err.count(complaint) == 1
    assert "--with-ft" not in err  # advice on a run that there will not be
    assert not (tmp_path / "run").exists()


@SLOW
def test_other_commands_run_once_under_mpirun(finished):
    job = start(mpirun(3, command("inspect", finished)))
    out, err = job.communicate(timeout=60)
    assert job.returncode == 0, err
    assert out.count("iterations") == 1


@SLOW
def test_results_come_in_order_and_progress_counts_up_to_all():
    _, result = run_items("plain", 3)
    found = result()
    assert found["right"]
    assert found["empty"] == []
    assert found["seen"][-1] == 200


@SLOW
def test_work_is_spread_over_all_workers():
    _, result = run_items("spread", 4)
    assert result() == [1, 2, 3]


def test_exception_in_an_item_comes_back_by_name_and_harms_no_other():
    _, result = run_items("failures", 2)
    four, failure, nine = result()
    assert (four, nine) == ("4", "9")
    assert re.search(r"fail.*7.* failed: [\s\S]*ArithmeticError: no square of 7", failure)


@SLOW
def test_result_that_cannot_be_sent_is_reported():
    _, result = run_items("unsendable", 2)
    failure, _ = result()
    assert "cannot be sent failed" in failure


@SLOW
def test_item_that_ends_its_worker_costs_one_worker_and_is_given_up_by_name():
    _, result = run_items("crash", 3)
    found = result()
    assert found["right"]
    assert found["workers"] == 1
    assert re.search(r"end_worker.* failed: it ended its worker 3 times", found["failure"])


@SLOW
def test_hanging_worker_is_noticed_and_its_late_answer_changes_nothing(tmp_path):
    job, result = run_items("hang", 3, HANG_SECONDS="1", HANG_FILE=str(tmp_path / "hung"))
    ranks = pids(job, 3)
    deadline = time.monotonic() + 60
    while not (tmp_path / "hung").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    stopped = [pid for pid in ranks.values() if alive(pid)]
    time.sleep(3)  # longer than the deadline: the items are run again by now
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    found = result()
    assert found == {"right": True, "again": True}
    assert job.returncode == 0


@SLOW
def test_item_that_hangs_every_worker_is_given_up_and_the_job_ends():
    job, result = run_items("hang_always", 5, HANG_SECONDS="1")
    ranks = pids(job, 5)
    found = result()
    assert found["right"]
    assert "stop_worker" in found["failure"]
    assert "3 workers did not answer within" in found["failure"]
    assert all_end(ranks.values())


@SLOW
def test_waiting_master_leaves_its_core_to_others():
    _, result = run_items("wait", 3)
    found = result()
    assert found["seconds"] > 1.5
    assert found["processor"] < 0.2 * found["seconds"], found


@SLOW
def test_single_process_runs_and_inspection_never_load_mpi(tmp_path, finished):
    code = (
        "import sys; from poet.cli import main\n"
        "try: main()\n"
        "finally: sys.stderr.write(f'MPI LOADED {\"mpi4py\" in sys.modules}')\n"
    )
    for line in (["inspect", finished], ["evolve", tmp_path / "run", *toy(tmp_path), "--workers", 1]):
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, line)], env=variables(), capture_output=True, text=True, check=False
        )
        assert "MPI LOADED False" in done.stderr
