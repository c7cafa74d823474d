"""MPI jobs whose ranks are lost or hang while the job starts or ends: it ends, leaves nobody behind, and says how."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import tomli_w
from jobs import iterations, kill, mpirun, pids, start, wait_for
from runs import TOY_SETTINGS, alive, all_end, command, variables

SLOW = pytest.mark.slow
ITEMS = [sys.executable, "-m", "items"]
STARTED_AGAIN = "nothing was run, start the job again by the same command"


@pytest.fixture
def toy(tmp_path):
    """The command that evolves the toy in the folder `run`."""
    (tmp_path / "toy.toml").write_text(tomli_w.dumps(TOY_SETTINGS), encoding="utf-8")
    return command("evolve", tmp_path / "run", "--config", tmp_path / "toy.toml")


@pytest.mark.parametrize("victim", [0, 1])
def test_rank_killed_while_it_starts_ends_the_job_with_one_sentence(victim):
    job = start(mpirun(3, [*ITEMS, "endless"]))
    ranks = pids(job, 3)
    kill(ranks[victim])
    _, err = job.communicate(timeout=60)
    assert job.returncode == 1, err
    assert err.count(f"1 of the 3 ranks on {os.uname().nodename} ended while the job started; {STARTED_AGAIN}") == 1
    assert "Traceback" not in err
    assert all_end(ranks.values(), seconds=2)


@SLOW
@pytest.mark.parametrize("victim", [0, 1, 2])
@pytest.mark.parametrize("delay", [0.0, 0.3, 0.6, 0.9, 1.2, 1.5])
def test_run_whose_rank_is_killed_at_any_moment_of_its_start_ends_or_goes_on(tmp_path, toy, victim, delay):
    job = start(mpirun(3, toy))
    ranks = pids(job, 3)
    time.sleep(delay)
    with suppress(ProcessLookupError):
        kill(ranks[victim])
    _, err = job.communicate(timeout=100)
    if job.returncode == 0:
        assert iterations(tmp_path / "run") == TOY_SETTINGS["iterations"]
    else:
        assert job.returncode == 1, err
        assert "error: " in err
    assert "Traceback" not in err
    assert all_end(ranks.values(), seconds=2)


def test_rank_that_freezes_while_it_starts_is_given_up_after_the_deadline():
    job = start(mpirun(3, [*ITEMS, "endless"]), POET_START_SECONDS="3")
    ranks = pids(job, 3)
    os.kill(ranks[2], signal.SIGSTOP)
    _, err = job.communicate(timeout=60)
    assert job.returncode == 1, err
    assert err.count("MPI did not start within 3 s") == 1
    assert STARTED_AGAIN in err
    assert all_end(ranks.values(), seconds=2)


def test_launcher_killed_while_the_ranks_start_leaves_no_orphans():
    job = start(mpirun(3, [*ITEMS, "endless"]))
    ranks = pids(job, 3)
    os.kill(ranks[2], signal.SIGSTOP)  # so that the others wait for it within MPI
    time.sleep(1)
    kill(job.pid)
    assert all_end([ranks[0], ranks[1]], seconds=15)
    os.kill(ranks[2], signal.SIGCONT)
    assert all_end(ranks.values(), seconds=30)
    job.communicate(timeout=30)


@pytest.mark.parametrize("how", ["hang", pytest.param("deaf", marks=SLOW)])
def test_worker_that_hangs_to_the_end_changes_neither_result_nor_status(tmp_path, how):
    job = start(mpirun(4, [*ITEMS, how]), HANG_SECONDS="1", HANG_FILE=str(tmp_path / "hung"))
    ranks = pids(job, 4)
    out, err = job.communicate(timeout=90)
    assert (tmp_path / "hung").exists()
    assert json.loads(out.rpartition("RESULT ")[2]) == {"right": True, "again": True}, err
    assert job.returncode == 0, err
    assert all_end(ranks.values(), seconds=2)


def test_signal_beside_a_frozen_worker_stops_the_run_with_the_status_that_queues_it_again(tmp_path, toy):
    job = start(mpirun(4, toy), TOY_SECONDS="0.05")
    ranks = pids(job, 4)
    wait_for(tmp_path / "run", 1, job)
    os.kill(ranks[2], signal.SIGSTOP)
    job.send_signal(signal.SIGUSR1)  # as the job script does
    _, err = job.communicate(timeout=60)
    assert job.returncode == 0, err
    assert f"interrupted: {iterations(tmp_path / 'run')} iterations are on disk; resume with" in err
    assert "worker rank=2" in err
    assert all_end(ranks.values(), seconds=2)


def test_signal_while_the_ranks_start_stops_the_run_as_later(tmp_path, toy):
    job = start(mpirun(3, toy))
    ranks = pids(job, 3)
    os.kill(ranks[1], signal.SIGSTOP)  # so that the master waits for it within MPI
    deadline = time.monotonic() + 60
    while not holds_back(ranks[0], signal.SIGUSR1) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(ranks[0], signal.SIGUSR1)
    time.sleep(0.5)
    assert alive(ranks[0])
    os.kill(ranks[1], signal.SIGCONT)
    _, err = job.communicate(timeout=60)
    assert job.returncode == 0, err
    assert iterations(tmp_path / "run") < TOY_SETTINGS["iterations"]


def holds_back(pid, number):
    (mask,) = re.findall(r"SigBlk:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.parametrize(
    ("launcher", "complaint"),
    [
        ({"PMI_RANK": "{}", "PMI_SIZE": "2"}, "PMI_SIZE says 2 ranks, MPI counts 1"),
        ({"SLURM_PROCID": "{}", "SLURM_STEP_NUM_TASKS": "2"}, "srun started 2 copies of this program without MPI"),
    ],
)
def test_launcher_that_does_not_connect_the_ranks_is_named_once_with_the_way_out(tmp_path, toy, launcher, complaint):
    for rank in (0, 1):
        extra = {name: value.format(rank) for name, value in launcher.items()}
        done = subprocess.run(toy, env=variables(**extra), capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 2, done.stderr
        assert (complaint in done.stderr) == (rank == 0)
        assert ("srun --mpi=pmix" in done.stderr) == (rank == 0)
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "run").exists()


def test_log_of_a_job_holds_no_escape_codes_and_keeps_a_message_in_a_line(tmp_path, toy):
    job = start(mpirun(2, toy), COLUMNS="", TERM="xterm-256color")
    out, err = job.communicate(timeout=90)
    assert job.returncode == 0, err
    assert "iterations         36 of 36" in out
    assert "\x1b" not in out + err
    assert any("load: 1 workers" in line and "ms an item" in line for line in err.splitlines())
