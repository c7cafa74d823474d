"""Whoever waits for more than two seconds is told for what, how far it is and how long it has taken.

On a terminal a bar that vanishes, elsewhere a line now and then, all on standard error.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from poet.display.output import err

FIRST, EVERY = 2.0, 10.0  # s until the first line where there is no terminal, and between lines

Note: TypeAlias = Callable[[int, int], None]
"""Told what is done, out of how much."""


@contextmanager
def waiting(what: str, unit: str = "", console: Console = err) -> Iterator[Note]:
    """Show that something goes on for as long as the block runs; call what it gives to say how far it is."""
    with _bar(what, unit, console) if console.is_terminal else _lines(what, unit, console) as note:
        yield note


@contextmanager
def _bar(what: str, unit: str, console: Console) -> Iterator[Note]:
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn())
    counted = TextColumn("{task.fields[counted]}", markup=False)
    with Progress(*columns, counted, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task(what, total=None, counted="")

        def note(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, counted=_counted(done, total, unit))

        yield note


@contextmanager
def _lines(what: str, unit: str, console: Console) -> Iterator[Note]:
    started, over = time.monotonic(), threading.Event()
    latest = ""

    def note(done: int, total: int) -> None:
        nonlocal latest
        latest = f": {_counted(done, total, unit)}"

    def tell() -> None:
        pause = FIRST
        while not over.wait(pause):
            pause = EVERY
            seconds = time.monotonic() - started
            console.print(f"{what}{latest}, {seconds:.0f} s", highlight=False, markup=False, soft_wrap=True)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield note
    finally:
        over.set()
        teller.join()


def _counted(done: int, total: int, unit: str) -> str:
    return f"{done:,} of {total:,}{f' {unit}' if unit else ''}"
