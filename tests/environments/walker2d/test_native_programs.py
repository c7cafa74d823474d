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
@pytest.mark.skipif(native.problem() is not None, reason=str(native.problem()))
def test_episodes_of_every_skill_are_equal_on_both_engines_on_every_course():
    command = [sys.executable, "-m", "benchmarks.walker_agreement", "--json", "--controllers", "40", "--limit", "1200"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    rows = json.loads(done.stdout)
    assert len(rows) == 6
    for row in rows:
        assert row["equal"] == row["episodes"] == 40
        assert row["returns"][2] > 100  # trained walkers are among them, so the episodes are not all short


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
