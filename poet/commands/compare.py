"""`poet compare`: two or more runs beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from poet.commands import compared
from poet.commands.going_on import workers_of
from poet.display.output import LARGEST, MOST_WORKERS, Json, say, show
from poet.display.waiting import waiting
from poet.errors import InputError


def compare(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN RUN...", help="Folders of runs; after --group also groups, NAME=RUN,RUN."),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=RUN,RUN",
            help="Runs that count as one, such as seeds: interquartile means with 95 % intervals. Repeatable.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE.html", help="Also write a page, which has all of it.")
    ] = None,
    matrix: Annotated[
        bool, typer.Option("--matrix/--no-matrix", help="Play the agents of each run in the niches of all.")
    ] = True,
    niches: Annotated[
        int, typer.Option(min=1, help="In the matrix, at most so many niches of each run, evenly chosen by birth.")
    ] = 20,
    episodes: Annotated[int, typer.Option(min=1, help="In the matrix, of each agent in each niche.")] = 3,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST, help="Seed of the matrix's episodes.")] = 0,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_WORKERS, help="Processes that simulate; one per core by default."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Lay runs beside each other: progress, cost, settings that differ, agents in each other's niches.

    Runs are only read, and may be going on. The page needs no network: curves
    over iterations, steps or core-hours, the matrix, and all of it as SVG,
    PNG or CSV. Runs of different domains are compared without the matrix.
    """
    from poet.compare import page  # noqa: PLC0415 - slow to load
    from poet.compare.comparing import MatrixSettings, compare_folders  # noqa: PLC0415

    folders, groups = _asked(runs or [], group or [])
    if output is not None:
        page.check(output)
    settings = MatrixSettings(wanted=matrix, episodes=episodes, niches=niches, seed=seed)

    with waiting("comparing", "episodes") as note:
        found = compare_folders(
            folders, groups, settings=settings, make_executor=partial(workers_of, workers), progress=note
        )
    if output is not None:
        say(f"{output}: {page.write(found, output) / 2**20:.1f} MiB")
    show(found.to_plain(), as_json, compared.comparison)


def _asked(runs: Sequence[str], options: Sequence[str]) -> tuple[list[Path], dict[str, list[Path]]]:
    """Tell runs from groups."""
    groups: dict[str, list[Path]] = {}
    folders = []
    for text in runs:
        if options and "=" in text and not Path(text).exists():
            options = [*options, text]
        else:
            folders.append(Path(text))
    for text in options:
        name, equals, members = text.partition("=")
        parts = members.split(",")
        if not name or not equals or not all(parts):
            raise InputError(f"--group is {text!r}; it must be a name and runs, as NAME=RUN,RUN")
        if name in groups:
            raise InputError(f"--group names {name!r} twice; give all of its runs at once")
        groups[name] = [Path(part) for part in parts]
    return folders, groups
