"""A core that is missing or broken: domains still import, and say which it is."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import environments


@pytest.mark.parametrize(
    ("domain", "body", "core"), [("walker2d", "walker", "_core"), ("hexapod3d", "hexapod", "_core4")]
)
@pytest.mark.parametrize(
    ("torn", "reason"), [(False, "it was not built"), (True, "file too short")], ids=["missing", "torn"]
)
def test_a_core_that_was_not_built_is_told_from_one_that_cannot_be_used(tmp_path, domain, body, core, torn, reason):
    copy = tmp_path / "environments"
    shutil.copytree(Path(environments.__file__).parent, copy, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    if torn:
        (copy / domain / "native" / f"{core}.so").write_bytes(b"torn")
    script = f"""
import sys
sys.meta_path = [finder for finder in sys.meta_path if finder.__module__.startswith("_frozen_importlib")]
sys.path[:] = [place for place in sys.path if place != {str(Path(environments.__file__).parents[1])!r}]
import environments.{domain}.native as native
print(native.__file__)
print(native.problem())
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    place, told = done.stdout.splitlines()
    assert place.startswith(str(copy))
    assert told.startswith(f"the {body}'s C++ core cannot be imported (")
    assert reason in told
    assert told.endswith("); reinstall with a C++20 compiler: pip install .")
