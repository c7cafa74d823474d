"""The command line: results on standard output, progress and complaints on standard error.

Exit status: 0 done, or stopped by a scheduler's SIGTERM or SIGUSR1; 1 failed;
2 bad usage or input; 130 interrupted by Ctrl-C.
"""

from __future__ import annotations

import logging
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.logging import RichHandler

from cluster import mpi
from cluster.executor import Executor, InProcess, WorkersError
from cluster.launch import LaunchError, launched
from cluster.processes import Processes
from poet import archive as archives
from poet import config as configuration
from poet.agents import Activations, parse_activations
from poet.archive import inspection, rescoring
from poet.commands import doctor as doctors
from poet.commands import reference, study, tables
from poet.commands.complaints import BAD_INPUT, FAILED, complaint
from poet.commands.control import app as control
from poet.commands.headline import headline
from poet.commands.meta_test import meta_test
from poet.commands.meta_train import meta_train
from poet.display.live import make_display
from poet.display.output import MOST_WORKERS, Json, Run, err, say, show
from poet.display.waiting import waiting
from poet.errors import InputError
from poet.foreign import printable, shortened
from poet.session import (
    Choices,
    Interrupted,
    evolve_archive,
    hold_signals,
    interruptible,
    open_run,
    rescore_archive,
    undisturbed,
)

INTERRUPTED = 130
DEFAULT_PRESET = "quick"

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


@app.command()
def evolve(
    context: typer.Context,
    run: Run,
    preset: Annotated[
        str | None,
        typer.Option(
            help=f"Settings that come with the program: {', '.join(configuration.presets())}. "
            f"A new run without --preset or --config uses {DEFAULT_PRESET}."
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="One setting, such as es.pairs=64. Repeatable."),
    ] = None,
    agent: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Begin with the agent of a file, .safetensors or PyTorch's .pt, rather than with a random one; "
            "its layers become the settings controller.*.",
        ),
    ] = None,
    activations: Activations = None,
    iterations: Annotated[int | None, typer.Option(help="Run to this iteration.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes that simulate; one per core by default, 1 for none beside this."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Start a run in the folder RUN, or resume the one that it holds.

    A run can be stopped at any time, even by kill -9; the same command goes
    on from the last iteration on disk. Settings are fixed when a run starts,
    but for --iterations and --workers, which never change a result. Under
    mpirun or srun, rank 0 is the master and the other ranks are the workers.
    """
    ranks: mpi.Ranks | None = context.obj
    if ranks is not None and workers is not None:
        raise InputError("--workers is for one machine; this job's workers are its ranks but the first")
    if preset is not None and config is not None:
        raise InputError("--preset and --config exclude each other; give one, and refine it by --set")
    if workers is not None and not 1 <= workers <= MOST_WORKERS:
        raise InputError(f"--workers is {workers}; it must be in [1, {MOST_WORKERS}]")
    if activations is not None and agent is None:
        raise InputError(f"--activations {activations} goes with --agent FILE")
    choices = _choices(preset, config, set_ or [], {"seed": seed, "iterations": iterations})
    choices = replace(choices, agent=agent, activations=parse_activations(activations))
    with interruptible():
        with waiting(f"comparing {run} with its checksums"):
            archive = open_run(run, choices, configuration.read_preset(DEFAULT_PRESET))
        try:
            _evolve(archive, run, lambda: ranks or (InProcess() if workers == 1 else Processes(workers)))
            archive.check()  # what is shown now must be of this run
        except Interrupted:
            say(f"interrupted: {_how_to_resume(archive, run)}")
            raise
        except WorkersError as error:
            raise WorkersError(f"{error}: {_how_to_resume(archive, run)}") from error
        finally:
            archive.close()
    with archives.reading(run) as connection:
        figures, words = inspection.summary(connection), headline(connection, run)
    show(figures, as_json, tables.summary)
    if not as_json:
        for line in words.splitlines():
            say(line)


def _choices(
    preset: str | None, config: Path | None, assignments: list[str], options: Mapping[str, int | None]
) -> Choices:
    base, origin = None, "settings"
    if config is not None:
        base, origin = configuration.read_file(config), str(config)
    elif preset is not None:
        base, origin = configuration.read_preset(preset), f"preset {preset}"
    overrides: dict[str, Any] = {}
    for text in assignments:
        overrides = configuration.merge(overrides, configuration.parse_assignment(text))
    given = {name: value for name, value in options.items() if value is not None}
    return Choices(base=base, overrides=configuration.merge(overrides, given), origin=origin)


def _evolve(archive: archives.Archive, run: Path, make_executor: Callable[[], Executor]) -> None:
    done, wanted = archive.population.iteration, archive.config.iterations
    if done >= wanted:
        say(f"{run} has all of its {done} iterations; --iterations N goes on to N")
        if not rescoring.missing(archive.connection):
            return
        say("its best agents are yet to be scored on fresh episodes")
    else:
        say(f"{'resuming' if done else 'starting'} {run} at iteration {done} of {wanted}")
    if not done:
        for sentence in configuration.advice(archive.config):
            say(f"warning: {sentence}")
    with ExitStack() as stack:
        with undisturbed():  # a worker that is interrupted while it starts complains
            executor = stack.enter_context(closing(make_executor()))
        before = archive.accepted_transfers()
        display = stack.enter_context(closing(make_display(err, archive.config, run, archive.population, before)))
        evolve_archive(archive, executor, display)
        rescore_archive(archive, executor, display)


def _how_to_resume(archive: archives.Archive, run: Path) -> str:
    done = archive.population.iteration
    return f"{done} iterations are on disk; resume with: poet evolve {shlex.quote(str(run))}"


commands = (study.inspect, study.report, study.render, study.export, study.evaluate)
for command in (*commands, meta_train, meta_test):
    app.command()(command)
app.add_typer(control, name="control")


@app.command()
def settings(
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help="One setting, such as es.pairs, or a section, such as es.")
    ] = None,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Write the table of docs/settings.md.")] = False,
    as_json: Json = False,
) -> None:
    """Explain the settings: what each means, may be, is by default and is in the papers."""
    if as_markdown:
        if as_json or key is not None:
            raise InputError("--markdown writes the whole page and goes with nothing else")
        typer.echo(reference.markdown(), nl=False)
        return
    found = reference.chosen(key)
    show([each.to_json() for each in found], as_json, lambda _: tables.settings(found))


@app.command()
def doctor(
    run: Annotated[Path | None, typer.Argument(metavar="[RUN]", help="Folder of a run to examine instead.")] = None,
    as_json: Json = False,
) -> None:
    """Say what of the installation works; exit status 1 if evolving the walker does not.

    With RUN: compare all that its archive keeps with its checksums; exit
    status 1 if something is not what was committed.
    """
    with waiting("trying each part" if run is None else f"comparing {run} with its checksums"):
        findings = doctors.diagnose() if run is None else doctors.examine(run)
    rows = [
        {"part": finding.part, "works": finding.works, "detail": finding.detail, "needed": finding.needed}
        for finding in findings
    ]
    show(rows, as_json, tables.findings)
    if any(finding.needed and not finding.works for finding in findings):
        raise typer.Exit(FAILED)


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
