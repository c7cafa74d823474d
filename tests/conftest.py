"""Fixtures that several folders share."""

import subprocess

import pytest
import tomli_w
from runs import TOY_SETTINGS, command, variables

from poet.config import build


@pytest.fixture
def toy_config():
    return build(TOY_SETTINGS, "the toy's settings")


@pytest.fixture
def toy_file(tmp_path):
    """The toy run's settings as a TOML file."""
    path = tmp_path / "toy.toml"
    path.write_text(tomli_w.dumps(TOY_SETTINGS))
    return path


@pytest.fixture
def poet():
    """Run the command line to its end: poet("evolve", folder) gives the finished process."""

    def run(*arguments, **extra):
        return subprocess.run(
            command(*arguments), capture_output=True, text=True, timeout=120, check=False, env=variables(**extra)
        )

    return run
