"""Runs whose agents learn by PPO: equal archives for any number of workers, after any stop and any kill."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass

import pytest
from runs import TOY_SETTINGS, assert_equal_archives, command, history_of, variables

from cluster.executor import InProcess
from cluster.processes import Processes
from evolution.evaluator import EvaluationError
from evolution.optimisers.ppo import Iteration
from poet import archive as archives
from poet.archive import inspection
from poet.archive.store import Archive
from poet.config import build, merge, read_preset
from poet.errors import InputError
from poet.population import first_population
from poet.session import evolve_archive

SETTINGS = {
    "iterations": 5,
    "episode_limit": 60,
    "score_episodes": 2,
    "optimiser": {"options": {"worlds": 3, "steps": 60, "epochs": 2, "minibatches": 4, "critic": [16]}},
    "minimal_criterion": {"lower": -500.0},
    "reproduction": {"every": 2, "parent_score": -500.0, "children": 3, "capacity": 2},
    "transfer": {"every": 2, "rule": "original"},
    "archive": {"checkpoint_every": 2},
}


class Silent:
    def phase(self, purpose, done, total):
        pass

    def iteration(self, population, journal, seconds):
        pass


def evolved(folder, executor, iterations):
    """Evolve to an iteration, or go on to it."""
    if folder.exists():
        archive = Archive.resume(folder)
        archive.extend(iterations)
    else:
        config = build(merge(read_preset("ppo"), {**SETTINGS, "iterations": iterations}), "test")
        archive = Archive.create(folder, config, first_population(config))
    evolve_archive(archive, executor, Silent())
    archive.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ppo") / "whole"
    evolved(folder, InProcess(), SETTINGS["iterations"])
    return folder


def test_two_workers_and_two_lives_give_the_archive_of_one(whole, tmp_path):
    pool = Processes(2)
    for iterations in (3, SETTINGS["iterations"]):
        evolved(tmp_path / "run", pool, iterations)
    pool.close()
    assert_equal_archives(tmp_path / "run", whole)


@dataclass(frozen=True)
class Faulty:
    """Workers at which the second step of every agent raises."""

    inner: object

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def submit(self, items, urgency=0):
        second = [isinstance(item, Iteration) and item.key[1] == 1 for item in items]
        return self.inner.submit([fault if each else item for each, item in zip(second, items, strict=True)], urgency)


def fault():
    raise ZeroDivisionError


def test_a_step_that_fails_is_counted_and_the_run_goes_on_alike_for_any_number_of_workers(tmp_path):
    pool = Processes(2)
    for name, executor in (("one", InProcess()), ("two", pool)):
        evolved(tmp_path / name, Faulty(executor), 3)
    pool.close()
    assert_equal_archives(tmp_path / "two", tmp_path / "one")
    with archives.reading(tmp_path / "one") as connection:
        assert inspection.niche(connection, 0)["figures"]["broken"] == [0.0, 1.0, 0.0]
        assert [row["diverged"] for row in inspection.metrics(connection)] == [0, 3, 0]


def test_a_run_none_of_whose_steps_can_be_run_ends_in_one_sentence():
    """The toy's scores can be had, but it has no environments to step."""
    config = build({**TOY_SETTINGS, "es": {}, "optimiser": {"name": "ppo"}}, "test")
    with pytest.raises(
        EvaluationError, match=r"^not one of \d+ steps .* failed: NotImplementedError: the toy has no .*$"
    ):
        history_of(config)


def test_the_run_did_what_runs_do_and_its_archive_holds_state_and_figures(whole):
    with archives.reading(whole) as connection:
        parts = {name for (name,) in connection.execute("SELECT DISTINCT name FROM state")}
        niches, transfers = inspection.niches(connection), inspection.transfers(connection)
        figures = inspection.niche(connection, 0)["figures"]
        (steps,) = connection.execute("SELECT sum(steps) FROM cost WHERE purpose = 'optimise'").fetchone()
        kinds = connection.execute("SELECT DISTINCT kind FROM proposal").fetchall()
        pairs = sum(row["active"] for row in inspection.metrics(connection))
    assert parts == {"critic", "log_deviation", "first_moment", "second_moment", "updates"} | {
        f"seen_{name}" for name in ("mean", "variance", "count")
    }
    assert len(niches) == 3
    assert transfers["accepted"] > 0
    assert {kind for (kind,) in kinds} == {"direct", "fine-tuned", "confirmed"}
    assert {"training_return", "clipped", "divergence", "entropy", "value_loss", "broken"} <= figures.keys()
    assert figures["training_steps"] == [180.0] * len(figures["iteration"])
    assert steps == 180 * pairs


@pytest.mark.slow
def test_a_run_killed_in_the_middle_goes_on_to_what_it_would_have_been(tmp_path, poet):
    settings = tmp_path / "ppo.toml"
    settings.write_text(build(merge(read_preset("ppo"), {**SETTINGS, "iterations": 9}), "test").to_toml())
    unbroken, broken = (tmp_path / name for name in ("unbroken", "broken"))
    assert poet("evolve", unbroken, "--config", settings, "--workers", 1).returncode == 0
    process = subprocess.Popen(
        command("evolve", broken, "--config", settings, "--workers", 2),
        env=variables(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    try:
        while done(broken) < 2:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert done(broken) < 9
    assert poet("evolve", broken, "--workers", 2).returncode == 0
    assert_equal_archives(broken, unbroken)


def done(folder):
    """How many iterations a run has on disk."""
    try:
        with archives.reading(folder) as connection:
            return len(inspection.metrics(connection))
    except InputError:
        return 0  # it is only being made
