"""The command line: results on standard output, progress and complaints on standard error.

Exit status: 0 done, 1 failed, 2 bad usage or input, 130 interrupted.
"""

from __future__ import annotations

import json
import logging
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console, RenderableType
from rich.logging import RichHandler

from cluster.executor import Executor, InProcess
from cluster.processes import Processes
from evolution.evaluation import EvaluationError
from poet import archive as archives
from poet import config as configuration
from poet import doctor as doctors
from poet import inspection, rendering, tables
from poet.display import make_display
from poet.errors import ArchiveError, InputError
from poet.session import Interrupted, evolve_archive, interruptible, open_run

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
DEFAULT_PRESET = "quick"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="POET: evolve environments together with agents that solve them.",
)
out, err = Console(), Console(stderr=True)

Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run.")]
Json = Annotated[bool, typer.Option("--json", help="Write JSON to standard output.")]


class View(StrEnum):
    """What `poet inspect` can show."""

    SUMMARY = "summary"
    NICHES = "niches"
    NICHE = "niche"
    LINEAGE = "lineage"
    TRANSFERS = "transfers"
    METRICS = "metrics"
    TIMING = "timing"


@app.command()
def evolve(
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
    but for --iterations and --workers, which never change a result.
    """
    if preset is not None and config is not None:
        raise InputError("--preset and --config exclude each other; give one, and refine it by --set")
    settings, origin = _settings(preset, config, set_ or [], seed)
    given = any(option is not None for option in (preset, config, set_, seed))
    for option, value in (("--iterations", iterations), ("--workers", workers)):
        if value is not None and value < 1:
            raise InputError(f"{option} is {value}; it must be at least 1")
    with interruptible():
        archive = open_run(run, settings, origin, given, iterations)
        try:
            _evolve(archive, run, workers)
        finally:
            archive.close()
    with archives.reading(run) as connection:
        figures = inspection.summary(connection)
    _show(figures, as_json, tables.summary(figures))


def _settings(
    preset: str | None, config: Path | None, assignments: list[str], seed: int | None
) -> tuple[dict[str, Any], str]:
    table = configuration.read_file(config) if config else configuration.read_preset(preset or DEFAULT_PRESET)
    for text in assignments:
        table = configuration.merge(table, configuration.parse_assignment(text))
    if seed is not None:
        table = configuration.merge(table, {"seed": seed})
    return table, str(config) if config else f"preset {preset or DEFAULT_PRESET}"


def _evolve(archive: archives.Archive, run: Path, workers: int | None) -> None:
    done, wanted = archive.population.iteration, archive.config.iterations
    if done >= wanted:
        err.print(f"{run} has all of its {done} iterations; --iterations N goes on to N", highlight=False)
        return
    err.print(f"{'resuming' if done else 'starting'} {run} at iteration {done} of {wanted}", highlight=False)
    executor: Executor = InProcess() if workers == 1 else Processes(workers)
    display = make_display(err, archive.config, run, archive.population)
    try:
        evolve_archive(archive, executor, display)
    except Interrupted:
        display.close()
        done = archive.population.iteration
        err.print(f"interrupted: {done} iterations are on disk; resume with: poet evolve {run}", highlight=False)
        raise
    finally:
        display.close()
        executor.close()


@app.command()
def inspect(
    run: Run,
    view: Annotated[View, typer.Argument(help="What to show.")] = View.SUMMARY,
    number: Annotated[int | None, typer.Argument(metavar="[ID]", help="Which niche, with the view niche.")] = None,
    as_json: Json = False,
) -> None:
    """Show what a run's archive holds, also while the run goes on."""
    if (view is View.NICHE) != (number is not None):
        raise InputError(f"the view {view} takes {'the ID of a niche' if view is View.NICHE else 'no ID'}")
    with archives.reading(run) as connection:
        if number is not None:
            found: Any = inspection.niche(connection, number)
        else:
            found = getattr(inspection, view)(connection)
    _show(found, as_json, getattr(tables, view)(found))


@app.command()
def render(
    run: Run,
    niche: Annotated[int, typer.Argument(metavar="NICHE", help="Which niche; its best agent is shown in it.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="FILE.gif, FILE.mp4 or FILE.png.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the episode.")] = 0,
) -> None:
    """Make a film of a pair, or a PNG of moments side by side; needs no screen."""
    rendering.check_format(output)
    with archives.reading(run) as connection:
        shown = rendering.film(connection, niche, seed)
    rendering.write(shown, output)
    err.print(f"{output}: {len(shown.frames) - 1} steps, return {shown.score:.1f}", highlight=False)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what of the installation works; exit status 1 if evolving the walker does not."""
    findings = doctors.diagnose()
    listing = "\n".join(
        f"{'[green]works[/]' if finding.works else '[red]fails[/]'}  {finding.part:<15} {finding.detail}"
        for finding in findings
    )
    rows = [
        {"part": finding.part, "works": finding.works, "detail": finding.detail, "needed": finding.needed}
        for finding in findings
    ]
    _show(rows, as_json, listing)
    if any(finding.needed and not finding.works for finding in findings):
        raise typer.Exit(FAILED)


def _show(value: Any, as_json: bool, table: RenderableType) -> None:
    if as_json:
        sys.stdout.write(f"{json.dumps(value, indent=2)}\n")
    else:
        out.print(table, highlight=False)


def main() -> NoReturn:
    """Run the command line and turn what went wrong into one sentence and an exit status."""
    logging.basicConfig(
        level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=err, show_path=False)]
    )
    try:
        app()
    except InputError as error:
        _complain(error, BAD_INPUT)
    except (ArchiveError, EvaluationError) as error:
        _complain(error, FAILED)
    except (Interrupted, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    sys.exit(0)


def _complain(error: Exception, status: int) -> NoReturn:
    err.print(f"error: {error}", highlight=False, soft_wrap=True, markup=False)
    sys.exit(status)
