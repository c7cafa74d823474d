"""The command line as processes that need not load it: each is forked from one that has loaded all of it.

Loading takes most of a short command's time. What a process is, stays: its number, folder, streams, signals and exit
status are its own. Tests of how the program loads and of how it is killed start it by `runs.command` instead.

Run as a program, this module is the one that is forked: it reads a line of JSON for each command, and answers each
with its exit status.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

PACKAGES = ("poet", "environments", "evolution", "transfer", "cluster", "meta_learners")


class WarmCommands:
    """Runs `poet` in processes that are forked from one of its own."""

    def __init__(self, environment, first=""):
        """Load in an environment, after a program in Python that changes what is found there."""
        self._environment, self._first = environment, first
        self._server = None

    def run(self, *arguments, folder=None, environment=None, timeout=240):
        """Run a command to its end, with what it says captured as text, in this process's folder or another.

        Of another environment it sees what is read when it is needed, not what was read when the program was loaded.
        """
        words = list(map(str, arguments))
        with tempfile.TemporaryDirectory() as place:
            paths = [Path(place, name) for name in ("out", "err")]
            status = self._ask(words, str(folder or Path.cwd()), environment, list(map(str, paths)), timeout)
            said = [path.read_text(encoding="utf-8") for path in paths]
        if status == -signal.SIGALRM:
            raise subprocess.TimeoutExpired(words, timeout, *said)
        return subprocess.CompletedProcess(words, status, *said)

    def close(self):
        """End the process that is forked."""
        if self._server is not None:
            with self._server:
                self._server.kill()
            self._server = None

    def _ask(self, *question):
        if self._server is None:
            line, pipe = [sys.executable, "-P", __file__, self._first], subprocess.PIPE
            self._server = subprocess.Popen(line, stdin=pipe, stdout=pipe, text=True, env=self._environment)
        try:
            self._server.stdin.write(f"{json.dumps(question)}\n")
            self._server.stdin.flush()
            return int(self._server.stdout.readline())
        except BaseException:  # also a test that takes too long: its answer would come to the next one
            self.close()
            raise


def _load():
    for package in PACKAGES:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not module.name.endswith("__main__"):
                with suppress(ImportError):  # then commands say what is missing
                    importlib.import_module(module.name)
    gc.freeze()  # a child that collects garbage would copy all of it


def _serve():
    """Fork for every line until there are no more."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _run(*json.loads(line))
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(words, folder, environment, streams, seconds):
    """Be a command until its end. Tearing down what was loaded would take longer than most of them."""
    signal.alarm(seconds)  # which ends it
    for number, path in enumerate([os.devnull, *streams]):
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(folder)
    if environment is not None:
        os.environ.clear()
        os.environ.update(environment)
    sys.argv = ["poet", *words]
    status = 1
    try:
        from poet.__main__ import main  # noqa: PLC0415

        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)  # of forks where there are threads: the linear algebra's rest
    exec(sys.argv[1])
    _load()
    _serve()
