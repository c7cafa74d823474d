"""One attack: copy the inputs, damage them, run the command line on them, judge what it did."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import random
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from benchmarks.fuzz.targets import Case, Target
from poet import cli
from poet.commands.complaints import BAD_INPUT

PATIENCE = 20  # s of the processor for one command
GENTLE = 3  # s of it after which a run or a training that goes on is told to stop, as a scheduler does
PLENTY = 240  # s on the clock
FLEETING = ("lock", "archive.sqlite-shm", "archive.sqlite-wal")  # what readers and writers share, and leave behind
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
LEAKS = ("Traceback", "Value error,", "unable to parse", "Input should be", "this is a defect", "pydantic", "Error(")
LONGEST = 2_000  # characters of a sentence


class TooSlow(BaseException):
    """A command did not end."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a command did."""

    status: int | None  # None where it had to be stopped
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What was wrong with it."""

    complaint: str
    case: Case
    done: Done

    def __str__(self) -> str:
        line = " ".join(_shown(word) for word in self.case.arguments)
        return f"{self.complaint}\n    poet {line}\n    status {self.done.status}: {self.done.err[-3000:]!r}"


def _shown(word: str) -> str:
    return repr(word if len(word) < 200 else f"{word[:60]}...{word[-20:]}")


def attack(
    target: Target, inputs: Path, seed: str, judge: Callable[[Done], str | None] | None = None
) -> Finding | None:
    """Attack one reader, as the seed decides; `judge` says what is wrong with what it did."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        for need in target.needs:
            if (inputs / need).is_dir():
                shutil.copytree(inputs / need, folder / need)
            else:
                shutil.copyfile(inputs / need, folder / need)
        case = target.damage(folder, rng)
        before = _prints(folder, case.keeps)
        with contextlib.chdir(folder):
            done = run(case.arguments)
        after = _prints(folder, case.keeps)
        changed = [path for path, print_ in before.items() if after.get(path) != print_]
        complaint = (judge or verdict)(done)
        if changed and complaint is None and not (case.writes and done.status != BAD_INPUT):
            complaint = f"changed {changed[0]}"
    return Finding(complaint, case, done) if complaint else None


def run(arguments: Sequence[str], patience: int = PATIENCE) -> Done:
    """Run the command line in this process, as `poet` does."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace") for _ in range(2))
    before, status = sys.argv, None
    sys.argv = ["poet", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _patience(patience):
            status = cli._run(None)
    except TooSlow:
        pass
    finally:
        sys.argv = before
    texts = []
    for stream in (out, err):
        stream.seek(0)
        texts.append(stream.read())
    return Done(status, *texts)


@contextlib.contextmanager
def _patience(seconds: int) -> Iterator[None]:
    """Tell the block to stop by SIGTERM, which a run obeys, and then raise TooSlow in it.

    What counts is the processor's time, on a machine that others use too; of any other time there is plenty.
    """

    def tell(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGPROF, give_up)
        signal.setitimer(signal.ITIMER_PROF, seconds - GENTLE)
        os.kill(os.getpid(), signal.SIGTERM)

    def give_up(number: int, frame: FrameType | None) -> None:
        raise TooSlow

    new = {signal.SIGPROF: tell, signal.SIGALRM: give_up, signal.SIGTERM: signal.SIG_IGN}
    before = {number: signal.signal(number, handler) for number, handler in new.items()}
    # Who was told to stop is deaf to more, as a process that is about to end may be.
    before |= {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGUSR1)}
    signal.setitimer(signal.ITIMER_PROF, GENTLE)
    signal.alarm(PLENTY)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def verdict(done: Done) -> str | None:
    """Say what is wrong with how a command ended; None where nothing is."""
    complaints = [line for line in done.err.splitlines() if line.startswith("error: ")]
    whole = not complaints or (done.err.endswith(f"{complaints[0]}\n") and len(complaints[0]) <= LONGEST)
    found = CONTROL.search(done.out + done.err)
    leaks = [leak for leak in LEAKS if leak in done.err]
    wrong = {
        f"did not end within {PATIENCE} s": done.status is None,
        f"status {done.status}": done.status not in (None, 0, 1, 2),
        f"wrote the control character {found[0] if found else ''!r}": found is not None,
        f"let slip {', '.join(map(repr, leaks))}": bool(leaks),
        f"complained {len(complaints)} times with status {done.status}": len(complaints) != (done.status != 0),
        "complained at length, or on more than one line": not whole,
    }
    return next((complaint for complaint, is_so in wrong.items() if is_so), None)


def _prints(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Give the hash of every file among what was to be read."""
    paths = [path for name in names for path in sorted([folder / name, *(folder / name).rglob("*")]) if path.is_file()]
    return {
        os.fspath(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
        if path.name not in FLEETING
    }
