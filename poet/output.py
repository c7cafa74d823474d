"""What the commands share: consoles, common arguments, results as a table or as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType

from poet.foreign import printable, printable_values

LARGEST = 2**63 - 1  # that SQLite and the seeds can hold
MOST_WORKERS = 1024  # processes of one machine
PIPED_WIDTH = 200  # columns for a file or another program: a row stays a line

# Neither markup nor names of emoji are read in any string: most strings are a stranger's.
out, err = (Console(markup=False, emoji=False, highlight=False, stderr=stderr) for stderr in (False, True))
if not out.is_terminal and "COLUMNS" not in os.environ:
    out.width = PIPED_WIDTH

Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run.")]
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
