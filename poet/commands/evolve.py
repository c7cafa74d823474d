"""`poet evolve`: start a run or go on with it, here or as the master of an MPI job."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from cluster import mpi
from cluster.executor import Executor, InProcess, WorkersError
from cluster.processes import Processes
from environments.files import holds_run
from evolution.chains import LostError
from poet import archive as archives
from poet import config as configuration
from poet.agents import parse_activations
from poet.archive import inspection
from poet.commands import tables
from poet.commands.headline import headline
from poet.curves import weights_and_biases
from poet.curves.beside import FOLDER, Curves, beside, complete
from poet.display.live import make_display
from poet.display.output import MOST_WORKERS, Activations, Json, Run, err, say, show
from poet.display.waiting import waiting
from poet.errors import InputError
from poet.session import DEFAULT_PRESET, Choices, Interrupted, interruptible, is_done, live, open_run


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
    environment: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Begin in the environments of a JSON file, one or a list, rather than in the simplest. Repeatable.",
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FOLDER",
            help="Begin with the pairs of another run or of an exported curriculum: its environments but the retired, "
            "each with its best agent; and with its settings, but for what else is named here. Of more than "
            "reproduction.capacity the oldest retire when environments next reproduce.",
        ),
    ] = None,
    iterations: Annotated[int | None, typer.Option(help="Run to this iteration.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes that simulate; one per core by default, 1 for none beside this."),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write curves for TensorBoard into the run's folder, too.")
    ] = False,
    tensorboard_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write them into this folder, of this run alone.")
    ] = None,
    wandb: Annotated[str | None, typer.Option(metavar="PROJECT", help="Send curves to Weights & Biases, too.")] = None,
    as_json: Json = False,
) -> None:
    """Start a run in the folder RUN, or resume the one that it holds.

    A run can be stopped at any time, even by kill -9; the same command goes
    on from the last iteration on disk. Settings are fixed when a run starts,
    but for --iterations, --workers and --set engine=NAME, which never change
    a result. Under mpirun or srun, rank 0 is the master and the other ranks
    are the workers.
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
    if wandb is not None:
        weights_and_biases.check_installed()
    curves = Curves(tensorboard_dir or (run / FOLDER if tensorboard else None), wandb)
    choices = _choices(preset, config, set_ or [], {"seed": seed, "iterations": iterations})
    choices = replace(
        choices,
        agent=agent,
        activations=parse_activations(activations),
        environments=environment or None,
        source=source,
    )
    with interruptible():
        with waiting(f"comparing {run} with its checksums" if holds_run(run) else f"opening {run}"):
            archive = open_run(run, choices, configuration.read_preset(DEFAULT_PRESET))
        try:
            _evolve(archive, run, lambda: ranks or (InProcess() if workers == 1 else Processes(workers)), curves)
            archive.check()  # what is shown now must be of this run
        except Interrupted:
            say(f"interrupted: {_how_to_resume(archive, run)}")
            raise
        except (LostError, WorkersError) as error:
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
    overrides = configuration.read_assignments(assignments)
    given = {name: value for name, value in options.items() if value is not None}
    return Choices(base=base, overrides=configuration.merge(overrides, given), origin=origin)


def _evolve(archive: archives.Archive, run: Path, make_executor: Callable[[], Executor], curves: Curves) -> None:
    done, wanted = archive.population.iteration, archive.config.iterations
    if done >= wanted:
        say(f"{run} has all of its {done} iterations; --iterations N goes on to N")
        if is_done(archive):
            complete(archive, curves)
            return
        say("its best agents are yet to be scored on fresh episodes")
    else:
        say(f"{'resuming' if done else 'starting'} {run} at iteration {done} of {wanted}")
    if not done:
        for sentence in configuration.advice(archive.config):
            say(f"warning: {sentence}")
    before = archive.accepted_transfers()
    live(
        archive,
        lambda: closing(make_executor()),
        lambda: beside(make_display(err, archive.config, run, archive.population, before), archive, curves, say),
    )


def _how_to_resume(archive: archives.Archive, run: Path) -> str:
    done = archive.population.iteration
    return f"{done} iterations are on disk; resume with: poet evolve {shlex.quote(str(run))}"
