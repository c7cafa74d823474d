"""Fixtures that several folders share."""

import signal
import subprocess
import sys

import pytest
import tomli_w
from runs import TOY_SETTINGS, command, variables
from warm import WarmCommands

from poet.config import build

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a job in the background, whose processes would ignore it
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Files with the longest tests: begun last, one of them would run on alone while the other workers have nothing to do.
FIRST = (
    *("test_hosts.py", "test_native_programs.py", "test_docs.py", "test_native_parity.py", "test_cuda_source.py"),
    *("test_third_domain.py", "test_training.py", "test_known_answers.py", "test_inspect.py", "test_ppo.py"),
    *("test_policy_learner.py", "test_native_fuzz.py", "test_fuzz.py", "test_mpi.py", "test_start_and_end.py"),
    *("test_archive.py", "test_report.py"),
)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))


def pytest_collection_finish():
    """Leave PyTorch one thread, as commands do: more than there are cores spin while they wait for each other."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture
def toy_config():
    return build(TOY_SETTINGS, "the toy's settings")


@pytest.fixture
def toy_file(tmp_path):
    """The toy run's settings as a TOML file."""
    path = tmp_path / "toy.toml"
    path.write_text(tomli_w.dumps(TOY_SETTINGS))
    return path


@pytest.fixture(scope="session")
def warm():
    commands = WarmCommands(variables())
    yield commands
    commands.close()


@pytest.fixture(scope="session")
def poet(warm):
    """Run the command line to its end: poet("evolve", folder) gives the finished process."""

    def run(*arguments, **extra):
        if not extra:
            return warm.run(*arguments, environment=variables())
        return subprocess.run(  # loaded in that environment
            command(*arguments), capture_output=True, text=True, timeout=120, check=False, env=variables(**extra)
        )

    return run


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of 400 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)
