"""Two hosts, made of network namespaces: a run over both, and the link between them cut."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
import tomli_w
from jobs import MPIRUN, ROOT, start, wait_for
from runs import TOY_SETTINGS, assert_equal_archives, command, variables

AGENT = """#!/bin/sh
# In the place of ssh: run a command on a "host", with its network and its name.
host=$1; shift
exec ip netns exec "{prefix}${{host##*.}}" unshare --uts sh -c "hostname {prefix}${{host##*.}}; $*"
"""


def ip(*arguments):
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def hosts(tmp_path):
    """The prefix of two namespaces with a cable between them, and options with which mpirun uses both."""
    prefix = f"poet{os.getpid()}-"
    if not all(map(shutil.which, ("ip", "unshare"))) or ip("netns", "add", f"{prefix}1").returncode:
        pytest.skip("needs ip and the right to make network namespaces")
    ip("netns", "add", f"{prefix}2")
    ip("link", "add", "eth0", "netns", f"{prefix}1", "type", "veth", "peer", "name", "eth0", "netns", f"{prefix}2")
    for number in (1, 2):
        ip("-n", f"{prefix}{number}", "addr", "add", f"10.77.0.{number}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            ip("-n", f"{prefix}{number}", "link", "set", device, "up")
    agent, list_of_hosts = tmp_path / "agent", tmp_path / "hosts"
    agent.write_text(AGENT.format(prefix=prefix))
    agent.chmod(0o755)
    list_of_hosts.write_text("10.77.0.1 slots=3\n10.77.0.2 slots=2\n", encoding="utf-8")
    yield (
        prefix,
        ["--hostfile", str(list_of_hosts), "--prtemca", "plm", "ssh", "--prtemca", "plm_ssh_agent", str(agent)],
    )
    switch_off(prefix)
    for number in (1, 2):
        ip("netns", "del", f"{prefix}{number}")


def switch_off(prefix):
    """End what still runs on both hosts."""
    for number in (1, 2):
        for pid in ip("netns", "pids", f"{prefix}{number}").stdout.split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


@pytest.mark.slow
def test_run_over_two_hosts_outlives_the_cut_of_one(tmp_path, hosts):
    prefix, options = hosts
    (tmp_path / "toy.toml").write_text(tomli_w.dumps(TOY_SETTINGS))
    toy = ["--config", tmp_path / "toy.toml"]
    alone = subprocess.run(command("evolve", tmp_path / "alone", *toy, "--workers", 1), env=variables(), check=False)
    assert alone.returncode == 0
    lines = [str(MPIRUN), *ROOT, "--with-ft", "ulfm", "--bind-to", "none", *options, "-n", "5"]
    lines += [sys.executable, *command("evolve", tmp_path / "run", *toy)[1:]]
    host = ["ip", "netns", "exec", f"{prefix}1", "unshare", "--uts", "sh", "-c", f'hostname {prefix}1; exec "$@"', "sh"]
    job = start([*host, *lines], TOY_SECONDS="0.02")
    wait_for(tmp_path / "run", 3, job)
    ip("-n", f"{prefix}2", "link", "set", "eth0", "down")
    wait_for(tmp_path / "run", 36, job, seconds=200)
    time.sleep(1)
    # mpirun waits for the host that it cannot reach; the run itself is over.
    switch_off(prefix)
    _, err = job.communicate(timeout=30)
    # By overdue items: heartbeats would be sooner, and take a rank on a busy machine for dead.
    assert f"host={prefix}2" in err
    assert f"host={prefix}1;" not in err
    assert_equal_archives(tmp_path / "run", tmp_path / "alone")
