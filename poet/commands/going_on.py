"""What commands share that run long, keep what they have found, and go on with it when they are called again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import MofNCompleteColumn, Progress

from cluster.executor import Executor, InProcess
from cluster.processes import Processes
from poet.display.output import MOST_WORKERS, err, say
from poet.session import Interrupted, interruptible, undisturbed

Workers = Annotated[
    int | None, typer.Option(min=1, max=MOST_WORKERS, help="Processes that simulate; one per core by default.")
]


@contextmanager
def going_on(output: Path) -> Iterator[ExitStack]:
    """Run something that the same command goes on with after an interruption."""
    with interruptible(), ExitStack() as stack:
        try:
            yield stack
        except Interrupted:
            say(f"interrupted: what was found is in {shlex.quote(str(output))}; the same command goes on")
            raise


@contextmanager
def workers_of(count: int | None) -> Iterator[Executor]:
    """Have so many processes, one per core where None, for as long as the block runs."""
    with undisturbed():  # a worker that is interrupted while it starts complains
        executor: Executor = InProcess() if count == 1 else Processes(count)
    with closing(executor):
        yield executor


@contextmanager
def counting_bar() -> Iterator[Progress]:
    """Show how much of each of several things is done."""
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        yield bar
