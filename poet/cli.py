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
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.logging import RichHandler

from cluster import mpi
from cluster.executor import Executor, InProcess, WorkersError
from cluster.launch import launched
from cluster.processes import Processes
from environments.curriculum import CurriculumError
from evolution.evaluation import EvaluationError
from meta_learners.errors import MetaLearningError, TrainingError
from poet import archive as archives
from poet import config as configuration
from poet import doctor as doctors
from poet import inspection, learning, reference, study, tables
from poet.agents import Activations, parse_activations
from poet.display import make_display
from poet.errors import ArchiveError, InputError
from poet.headline import headline
from poet.output import Json, Run, err, say, show
from poet.session import Choices, Interrupted, evolve_archive, interruptible, open_run, undisturbed
from poet.waiting import waiting

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
DEFAULT_PRESET = "quick"
MOST_WORKERS = 1024

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="POET: evolve environments together with agents that solve them.",
)


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
        archive = open_run(run, choices, configuration.read_preset(DEFAULT_PRESET))
        try:
            _evolve(archive, run, lambda: ranks or (InProcess() if workers == 1 else Processes(workers)))
        except Interrupted:
            say(f"interrupted: {_how_to_resume(archive, run)}")
            raise
        except WorkersError as error:
            raise WorkersError(f"{error}: {_how_to_resume(archive, run)}") from error
        finally:
            archive.close()
    with archives.reading(run) as connection:
        figures, words = inspection.summary(connection), headline(connection, run)
    show(figures, as_json, tables.summary(figures))
    if not as_json:
        say(words)


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
        return
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


def _how_to_resume(archive: archives.Archive, run: Path) -> str:
    done = archive.population.iteration
    return f"{done} iterations are on disk; resume with: poet evolve {shlex.quote(str(run))}"


commands = (study.inspect, study.report, study.render, study.export, study.evaluate)
for command in (*commands, learning.meta_train, learning.meta_test):
    app.command()(command)


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
    show([each.to_json() for each in found], as_json, tables.settings(found))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what of the installation works; exit status 1 if evolving the walker does not."""
    with waiting("trying each part"):
        findings = doctors.diagnose()
    listing = "\n".join(
        f"{'[green]works[/]' if finding.works else '[red]fails[/]'}  {finding.part:<15} {finding.detail}"
        for finding in findings
    )
    rows = [
        {"part": finding.part, "works": finding.works, "detail": finding.detail, "needed": finding.needed}
        for finding in findings
    ]
    show(rows, as_json, listing)
    if any(finding.needed and not finding.works for finding in findings):
        raise typer.Exit(FAILED)


def main() -> NoReturn:
    """Run the command line; as a rank of an MPI job, only the first does, and the others serve it."""
    launch = launched()
    if launch is None or sys.argv[1:2] != ["evolve"]:
        sys.exit(0 if launch is not None and launch.serves else _run(None))
    if launch.serves:
        mpi.serve()
    _set_up_logging()
    ranks = mpi.Ranks()
    status = _run(ranks)
    ranks.close()
    ranks.leave(status)


def _set_up_logging() -> None:
    handler = RichHandler(console=err, show_path=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    for name in ("cluster", "poet.archive"):
        logging.getLogger(name).setLevel(logging.INFO)


def _run(ranks: mpi.Ranks | None) -> int:
    """Run the command and turn what went wrong into one sentence; return the exit status."""
    _set_up_logging()
    if sys.stdout is not None:
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    status = 0
    try:
        app(obj=ranks)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else FAILED
    except BrokenPipeError:  # whoever read us, such as head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = FAILED
    except (InputError, CurriculumError, MetaLearningError) as error:
        status = _complain(error, BAD_INPUT)
    except (ArchiveError, EvaluationError, TrainingError, WorkersError) as error:
        status = _complain(error, FAILED)
    except Interrupted as interrupted:
        status = INTERRUPTED if interrupted.by_user else 0
    except KeyboardInterrupt:
        status = INTERRUPTED
    return status


def _complain(error: Exception, status: int) -> int:
    say(f"error: {error}")
    return status
