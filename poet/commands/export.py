"""`poet export`: the environments and agents of a run as a curriculum for any learner."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poet import archive as archives
from poet.commands import tables
from poet.commands.freshness import fresh
from poet.display.output import LARGEST, Json, Run, show
from poet.display.waiting import waiting
from poet.export.splits import Fractions, SplitBy, StageOrder


def export(
    run: Run,
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
    same bytes; an older curriculum in DIR is replaced at once and whole.
    """
    from poet.export import curriculum  # noqa: PLC0415

    settings = curriculum.ExportSettings(
        split_by=split_by,
        fractions=Fractions.parse(fractions),
        seed=seed,
        stage_order=stage_order,
    )
    with archives.reading(run) as connection, archives.one_moment(connection):
        episodes = fresh(connection, run)
        with waiting(f"writing {output}"):
            document = curriculum.export(connection, output, settings, episodes)
    sizes = {name: len(ids) for name, ids in document["splits"]["members"].items()}
    figures = {"folder": str(output), "tasks": len(document["environments"]), "splits": sizes}
    show(
        figures, as_json, lambda shown: f"{shown['folder']}: {shown['tasks']} tasks, {tables.counted(shown['splits'])}"
    )
