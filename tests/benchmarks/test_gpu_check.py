"""The check of a GPU, where there is none: it finds what is wrong with engines that are wrong, and nothing stops it."""

import json
import re
import shutil
import subprocess
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
from runs import evolved, variables

from benchmarks import walker_gpu
from benchmarks.gpu_check import agreement, bare, engine, runs, stepping
from benchmarks.gpu_check.__main__ import FAILED, SKIPPED, check_all, supervise
from benchmarks.gpu_check.target import CheckError, Target, find_card
from environments.domain import Batch
from environments.rollouts import Rollouts
from environments.walker2d import native, simulator

ROOT = Path(__file__).parents[2]
REHEARSAL = Target(engine="native", yardstick="native", device="cpu", card=None)
needs_native = pytest.mark.skipif(native.problem() is not None, reason=str(native.problem()))


def silent(line):
    pass


@pytest.fixture
def rollouts():
    return Rollouts(np.array([1.0, np.nan, 0.0, -3.5]), np.arange(4, dtype=np.int32), np.arange(4, dtype=np.int8))


@pytest.mark.parametrize("part", agreement.PARTS)
def test_every_single_bit_that_is_flipped_is_found_in_its_row(rollouts, part):
    assert not agreement.rows_that_differ(rollouts, rollouts).any()
    for bit in range(8 * getattr(rollouts, part).dtype.itemsize):
        broken = agreement.damaged(rollouts, part, 1, bit)
        assert agreement.rows_that_differ(broken, rollouts).tolist() == [False, True, False, False]
    assert agreement.check_that_damage_shows(rollouts) > 0


def test_a_zero_of_another_sign_is_another_result(rollouts):
    other = Rollouts(rollouts.returns * np.array([1, 1, -1.0, 1]), rollouts.lengths, rollouts.outcomes)
    assert (other.returns[2] == rollouts.returns[2]) & agreement.rows_that_differ(other, rollouts)[2]


@pytest.fixture
def engine_of(monkeypatch):
    """Make an engine of a function, as one that is checked."""

    def make(play):
        monkeypatch.setitem(simulator.ENGINES, "broken", play)
        simulator.engines.cache_clear()
        return Target(engine="broken", yardstick="native", device="cpu", card=None)

    yield make
    simulator.engines.cache_clear()


def wrong_in_one_bit(batch, limit):
    """Be wrong in the last bit of one return in all."""
    found = native.run_native(batch, limit)
    return agreement.damaged(found, "returns", len(batch) - 1, 0) if len(batch) else found


def leaning_on_neighbours(batch, limit):
    found = native.run_native(batch, 20)
    return Rollouts(found.returns + 1e-9 * found.returns[0], found.lengths, found.outcomes)


@needs_native
@pytest.mark.parametrize("check", [agreement.check_episodes, agreement.check_edges])
def test_an_engine_that_is_wrong_in_one_bit_fails(engine_of, check, monkeypatch):
    monkeypatch.setattr(agreement, "LIMIT", 20)
    with pytest.raises(CheckError, match=r"1 of \d+ episodes differ; row \d+: broken has return"):
        check(engine_of(wrong_in_one_bit), silent)


@needs_native
def test_an_engine_whose_rows_depend_on_their_neighbours_fails(engine_of):
    with pytest.raises(CheckError, match="differ when they are played shuffled"):
        agreement.check_repeats(engine_of(leaning_on_neighbours), silent)


@needs_native
def test_an_engine_that_plays_on_the_processor_beside_a_card_fails():
    quiet = Target(engine="native", yardstick="native", device="cuda", card="one that nobody uses")
    batch = Batch.of(agreement.controllers(2), agreement.course({}), np.arange(2, dtype=np.uint64))
    with pytest.raises(CheckError, match="no kernel was started"):
        agreement.compare(quiet, batch, 5, "two episodes")
    with pytest.raises(CheckError, match=r"there is a card, .*|there is no engine cuda.*"):
        engine.check_engine(Target(engine="cuda", yardstick="native", device="cuda", card="one that is not"), silent)


def test_every_flipped_bit_of_a_step_is_found_in_its_world():
    rng = np.random.default_rng(0)
    step = (rng.random((5, 24), dtype=np.float32), rng.random(5), rng.random(5) < 0.5, np.arange(5))
    assert stepping.check_that_damage_shows(step) > 0
    with pytest.raises(CheckError, match="a step gives float64"):
        stepping.worlds_that_differ((step[0].astype(np.float64),), step[:1])


def test_archives_that_differ_in_a_bit_are_found(tmp_path):
    settings = {
        "domain": "toy",
        "encoding": {"name": "target"},
        "iterations": 2,
        "es": {"pairs": 2},
        "episode_limit": 5,
    }
    for name in ("one", "other"):
        evolved(tmp_path / name, settings)
    assert runs.check_same(tmp_path / "one", tmp_path / "other", "toys") > 5
    evolved(tmp_path / "another", {**settings, "seed": 1})
    with pytest.raises(CheckError, match=r"toys: the archives differ in .*score"):
        runs.check_same(tmp_path / "one", tmp_path / "another", "toys")


def test_a_part_that_hangs_is_ended_with_all_it_started(tmp_path):
    program = "import subprocess, sys\nsubprocess.run(['sleep', '77.5'], start_new_session=True)"
    began = time.monotonic()
    verdict = supervise("hanging", [sys.executable, "-c", program], tmp_path, 1.5)
    assert (verdict.verdict, verdict.why) == (FAILED, "it took longer than its 2 s")
    assert time.monotonic() - began < 20
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "sleep 77.5" not in listed


def test_a_part_that_dies_is_a_failure_and_what_has_no_time_is_skipped(tmp_path):
    program = "print('here'); import os; os._exit(7)"
    assert supervise("dying", [sys.executable, "-c", program], tmp_path, 60).why == "its process ended with 7"
    assert "== dying\nhere" in (tmp_path / "log.txt").read_text(encoding="utf-8")
    (skipped,) = check_all(["episodes"], tmp_path, time.monotonic() + 1, 0)
    assert (skipped.verdict, skipped.why) == (SKIPPED, "there was no time left for it")


def test_every_dependency_of_ours_is_expected_carried_or_left_behind():
    named = {re.split(r"[\[>=<]", each)[0] for each in bare.PROJECT["project"]["dependencies"]}
    known = {bare._key(each) for each in (*bare.EXPECTED, *bare.CARRIED, *bare.STRIPPED, *bare.LEFT_BEHIND)}
    assert {bare._key(each) for each in named} <= known


def test_the_hand_made_dist_info_offers_what_an_installation_offers(tmp_path):
    bare.write_dist_info(tmp_path)
    program = f"""
import sys
sys.path[:] = [{str(tmp_path)!r}, *(each for each in sys.path if "site-packages" not in each)]
from importlib.metadata import entry_points, version
print(version("poet-trailblazer"))
for group in ("poet.domains", "poet.optimisers", "poet.novelty", "poet.learners"):
    print(sorted((entry.name, entry.value) for entry in entry_points(group=group)))
"""
    line = [sys.executable, "-I", "-S", "-c", program]
    version, *found = subprocess.run(line, capture_output=True, text=True, check=True).stdout.splitlines()
    assert version == bare.VERSION
    for group, text in zip(("poet.domains", "poet.optimisers", "poet.novelty", "poet.learners"), found, strict=True):
        installed = {(entry.name, entry.value) for entry in entry_points(group=group) if entry.name != "toy"}
        assert installed == {tuple(each) for each in eval(text)}


def test_the_script_refuses_what_it_does_not_know():
    script = [shutil.which("bash"), str(ROOT / "benchmarks" / "gpu_check.sh")]
    refused = {
        "--nonsense": "--nonsense is no option",
        "--seconds x": "seconds are x",
        "--out": "--out needs a value",
        "--python no-such": "no-such is not Python 3.11",
    }
    for words, said in refused.items():
        done = subprocess.run([*script, *words.split()], capture_output=True, text=True, check=False)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr


@needs_native
@pytest.mark.skipif(find_card() is not None, reason="there is a GPU")
def test_the_benchmark_without_a_card_says_so_and_measures_the_processor():
    words = ["--json", "--seconds", "0.01", "--limit", "3"]
    line = [sys.executable, "-m", "benchmarks.walker_gpu", *words]
    done = subprocess.run(line, capture_output=True, text=True, check=True, cwd=ROOT, env=variables())
    found = json.loads(done.stdout)
    assert {"gpu_flat", "gpu_obstacles", "cpu_flat", "cpu_obstacles", "device"} <= set(found)
    assert (found["gpu_flat"], found["gpu_obstacles"], found["device"]) == (None, None, None)
    assert min(found["cpu_flat"], found["cpu_obstacles"]) > 0
    assert done.stderr.startswith("no GPU was measured: ")
    refused = subprocess.run([*line, "--engine", "cuda"], capture_output=True, text=True, check=False, env=variables())
    assert (refused.returncode, refused.stderr.startswith("engine is 'cuda', but ")) == (2, True)


def test_a_stopwatch_gives_each_moment_to_one_stage():
    watch = walker_gpu.Stopwatch()
    copy = watch.timing(lambda: time.sleep(0.02), "copying")
    nested = watch.timing(copy, "kernel")
    began = time.perf_counter()
    with watch.stage("packing"):
        copy()
        nested()
    spent = time.perf_counter() - began
    assert set(watch.seconds) == {"packing", "copying", "kernel"}
    assert min(watch.seconds["copying"], watch.seconds["kernel"]) >= 0.02
    assert abs(sum(watch.seconds.values()) - spent) < 0.005
