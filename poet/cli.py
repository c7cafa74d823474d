"""The command line: results on standard output, progress and complaints on standard error.

Exit status: 0 done, or stopped by a scheduler's SIGTERM or SIGUSR1; 1 failed;
2 bad usage or input; 130 interrupted by Ctrl-C.
"""

from __future__ import annotations

import logging
import os
import sys
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer
from rich.logging import RichHandler

from cluster import mpi
from cluster.launch import LaunchError, launched
from poet.commands.compare import compare
from poet.commands.complaints import BAD_INPUT, FAILED, complaint
from poet.commands.control import app as control
from poet.commands.doctor import doctor
from poet.commands.evaluate import evaluate
from poet.commands.evolve import evolve
from poet.commands.export import export
from poet.commands.inject import inject
from poet.commands.inspect import inspect
from poet.commands.meta_test import meta_test
from poet.commands.meta_train import meta_train
from poet.commands.render import render
from poet.commands.report import report
from poet.commands.settings import settings
from poet.commands.studio import studio
from poet.commands.sweep import sweep
from poet.display.output import err, say
from poet.foreign import printable, shortened
from poet.session import Interrupted, hold_signals

INTERRUPTED = 130

app = typer.Typer(
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"poet {version('poet-trailblazer')}")
        raise typer.Exit


@app.callback()
def poet(
    version_: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """POET: evolve environments together with agents that solve them."""


_COMMANDS = (
    evolve,
    inject,
    inspect,
    report,
    studio,
    render,
    export,
    evaluate,
    compare,
    meta_train,
    meta_test,
    sweep,
    settings,
    doctor,
)
for command in _COMMANDS:
    app.command()(command)
app.add_typer(control, name="control")


def main() -> NoReturn:
    """Run the command line; as a rank of an MPI job, only the first does, and the others serve it."""
    launch = launched()
    if launch is None or sys.argv[1:2] != ["evolve"]:
        sys.exit(0 if launch is not None and launch.serves else _run(None))
    if launch.serves:
        mpi.serve(launch)
    _set_up_logging()
    hold_signals()  # until the run can say how to resume
    try:
        ranks = mpi.Ranks(launch)
    except LaunchError as error:
        say(f"error: {error}")
        sys.exit(BAD_INPUT)
    ranks.leave(_run(ranks))


def _set_up_logging() -> None:
    handler = RichHandler(console=err, show_path=False)
    handler.addFilter(_made_printable)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    for name in ("cluster", "poet.archive.store"):
        logging.getLogger(name).setLevel(logging.INFO)


def _made_printable(record: logging.LogRecord) -> bool:
    """Put what a log line says in place of what it was made of: names of hosts and files are a stranger's."""
    record.msg, record.args = printable(record.getMessage()), None
    return True


def _run(ranks: mpi.Ranks | None) -> int:
    """Run the command and turn what went wrong into one sentence; return the exit status."""
    _set_up_logging()
    if sys.stdout is not None:
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    status = 0
    try:
        status = app(sys.argv[1:] or ["--help"], prog_name="poet", obj=ranks, standalone_mode=False) or 0
        if sys.stdout is not None:
            sys.stdout.flush()  # what cannot be written is to be said now, not by the interpreter as it ends
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else FAILED
    except BrokenPipeError:  # whoever read us, such as head, has enough
        status = _give_up_output(FAILED)
    except Interrupted as interrupted:
        status = INTERRUPTED if interrupted.by_user else 0
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except Exception as error:
        sentence, status = complaint(error)
        say(f"error: {shortened(sentence)}")
        if isinstance(error, OSError) and error.filename is None:  # standard output's, then
            _give_up_output(status)
    return status


def _give_up_output(status: int) -> int:
    """Let what standard output still holds go nowhere: as the interpreter ends, it would fail again."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status
