"""What the commands share: consoles, common arguments, results as a table or as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Annotated, Any, cast

import typer
from rich.console import Console, RenderableType

from cluster import processes
from environments.controller import ACTIVATIONS, NO_ACTIVATION
from poet.foreign import printable, printable_values

LARGEST = 2**63 - 1  # that SQLite and the seeds can hold
MOST_WORKERS = processes.MOST_WORKERS
PIPED_WIDTH = 200  # columns for a file or another program: a row stays a line


class _Log:
    """Standard error, as far as it takes what is written: no run ends because its log's disk is full."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


# Neither markup nor names of emoji are read in any string: most strings are a stranger's.
_plain = partial(Console, markup=False, emoji=False, highlight=False)
# Open MPI gives its ranks a terminal of its own making, whatever their output goes to.
_terminal = False if "OMPI_COMM_WORLD_RANK" in os.environ and "FORCE_COLOR" not in os.environ else None
out = _plain(force_terminal=_terminal)
err = _plain(file=cast("IO[str]", _Log()), stderr=True, force_terminal=_terminal)
for console in (out, err):
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = PIPED_WIDTH

Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run.")]
Activations = Annotated[
    str | None,
    typer.Option(
        metavar="HIDDEN,LAST",
        help="Activations of the file's agent, such as relu,none, where the file does not say: "
        f"{', '.join(ACTIVATIONS)}; the last may be {NO_ACTIVATION}.",
        show_default="the file's, or tanh,tanh",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON to standard output.")]


def show(value: Any, as_json: bool, table: Callable[[Any], RenderableType]) -> None:
    """Write a result for a program, or for a person as the table that `table` makes of its printable values."""
    if as_json:
        typer.echo(json.dumps(value, indent=2).replace("\x7f", "\\u007f"))
    else:
        out.print(table(printable_values(value)))


def say(text: str) -> None:
    """Tell a person something that is not the result, in one line."""
    err.print(printable(text), soft_wrap=True)
