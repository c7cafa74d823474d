"""The programs beside the engine: agreement of whole episodes, and the core under the sanitisers."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from environments.walker2d import native

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(native.problem() is not None, reason=str(native.problem()))
def test_returns_and_lengths_of_two_hundred_controllers_come_from_one_distribution_on_every_course():
    command = [sys.executable, "-m", "benchmarks.walker_agreement", "--json", "--traced", "5"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    rows = json.loads(done.stdout)
    assert len(rows) == 6
    for row in rows:
        assert row["controllers"] == 200
        assert min(row["p_return"], row["p_length"]) > 0.01, row
        assert row["same_outcome"] > 0.6, row


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not on the path")
def test_the_core_is_sound_under_the_sanitisers(tmp_path):
    source = ROOT / "environments" / "walker2d" / "native"
    options = ["-DWALKER_SANITIZE=ON", "-DWALKER_SELFTEST=ON"]
    subprocess.run(["cmake", "-S", source, "-B", tmp_path, *options], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", tmp_path], check=True, capture_output=True)
    done = subprocess.run([tmp_path / "walker_selftest"], capture_output=True, text=True, check=False)
    assert done.stdout == "the core is sound\n", done.stdout + done.stderr
