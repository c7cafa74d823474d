"""`poet export`: the environments and agents of runs as a curriculum for any learner."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from poet import archive as archives
from poet.archive.rescoring import Fresh
from poet.commands import tables
from poet.commands.freshness import fresh
from poet.display.output import LARGEST, Json, show
from poet.display.waiting import waiting
from poet.export.splits import Fractions, SplitBy, StageOrder
from poet.names import names_of


def export(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Folder of the run; of several, for one curriculum of all.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder to write.")],
    split_by: Annotated[SplitBy, typer.Option(help="What decides on a task's split.")] = SplitBy.LINEAGE,
    fractions: Annotated[
        str, typer.Option(metavar="TRAIN,VALIDATION,TEST", help="Shares of the splits.")
    ] = "0.7,0.15,0.15",
    stage_order: Annotated[StageOrder, typer.Option(help="In which order to learn the tasks.")] = StageOrder.BIRTH,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST, help="Decides between equally good splits.")] = 0,
    as_json: Json = False,
) -> None:
    """Write the environments and agents of a run as a curriculum for any learner.

    No task and its parent ever lie in two splits. The same archive gives the
    same bytes; an older curriculum in DIR is replaced at once and whole. Of
    several runs, an environment that more than one invented is one task, and
    relatives across runs are kept apart too.
    """
    from poet.export import curriculum  # noqa: PLC0415

    settings = curriculum.ExportSettings(
        split_by=split_by,
        fractions=Fractions.parse(fractions),
        seed=seed,
        stage_order=stage_order,
    )
    names = names_of(runs)
    with ExitStack() as stack:
        sources = []
        for run, name in zip(runs, names, strict=True):
            connection = stack.enter_context(archives.reading(run))
            stack.enter_context(archives.one_moment(connection))
            sources.append(curriculum.Source(name, connection))

        def played(place: int) -> dict[int, Fresh]:
            found = fresh(sources[place].connection, runs[place])
            if place == len(sources) - 1:
                stack.enter_context(waiting(f"writing {output}"))
            return found

        document = curriculum.export_sources(sources, output, settings, played)
    sizes = {name: len(ids) for name, ids in document["splits"]["members"].items()}
    figures = {"folder": str(output), "tasks": len(document["environments"]), "splits": sizes}
    show(
        figures, as_json, lambda shown: f"{shown['folder']}: {shown['tasks']} tasks, {tables.counted(shown['splits'])}"
    )
