"""What PPO's gradient steps cost: the benchmark runs, and compares the same work."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from evolution import proximal

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(proximal.problem() is not None, reason=str(proximal.problem()))
def test_both_learners_are_timed_with_the_core_and_without():
    line = [sys.executable, "-m", "benchmarks.proximal_speed", "--turns", "1", "--json"]
    found = json.loads(subprocess.run(line, capture_output=True, text=True, check=True, cwd=ROOT).stdout)
    assert found.pop("kernel") == proximal.kernel()
    assert set(found) == {"evolution", "tasks"}
    for row in found.values():
        assert set(row) == {f"{what}_{by}" for what in ("gradients", "whole") for by in ("core", "torch")}
        assert all(row[f"gradients_{by}"] < row[f"whole_{by}"] for by in ("core", "torch"))
