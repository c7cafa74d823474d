"""`poet studio` as a process of its own, and settings of runs that admit whatever comes."""

import signal
import subprocess
from contextlib import contextmanager

from runs import command, variables

TINY = {
    "es.pairs": 2,
    "score_episodes": 1,
    "episode_limit": 60,
    "minimal_criterion.lower": -1000,
    "minimal_criterion.upper": 1000,
    "reproduction.every": 2,
    "reproduction.parent_score": -1000,
    "reproduction.children": 2,
    "reproduction.admitted": 4,
    "reproduction.capacity": 30,
    "transfer.every": 2,
}


@contextmanager
def studio(*arguments, **settings):
    """Start `poet studio`; gives its address with a token, and the process. Settings are environment variables."""
    line = command("studio", *arguments, "--port", 0)
    environment = variables(**settings)
    with subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:"), process.stderr.read()
            yield address, process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)
