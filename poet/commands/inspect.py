"""`poet inspect`: what a run's archive holds, also while the run goes on."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from poet import archive as archives
from poet.archive import inspection
from poet.commands import tables
from poet.commands.freshness import rescored
from poet.commands.selection import Selection, State, select
from poet.display.output import LARGEST, Json, Run, say, show
from poet.errors import InputError

ALL_SHOWN = 40  # niches listed to a person unless --limit says otherwise


class View(StrEnum):
    """What `poet inspect` can show."""

    SUMMARY = "summary"
    NICHES = "niches"
    NICHE = "niche"
    LINEAGE = "lineage"
    TRANSFERS = "transfers"
    METRICS = "metrics"
    TIMING = "timing"


def inspect(
    run: Run,
    view: Annotated[View, typer.Argument(help="What to show.")] = View.SUMMARY,
    number: Annotated[
        int | None, typer.Argument(metavar="[ID]", min=0, max=LARGEST, help="Which niche, with the view niche.")
    ] = None,
    state: Annotated[State | None, typer.Option(help="List only such niches.")] = None,
    search: Annotated[
        str | None, typer.Option(help="List only niches with this in their id, description or difficulty.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="CONDITION", help="List only such niches as 'pit_gap>=4', 'score>230'. Repeatable."),
    ] = None,
    sort: Annotated[str | None, typer.Option(metavar="COLUMN", help="List niches by a column or a gene.")] = None,
    descending: Annotated[bool, typer.Option("--descending", help="Largest first.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="List at most so many niches.")] = None,
    rescore: Annotated[
        bool,
        typer.Option("--rescore", help="First score the best agents on fresh episodes, as a run does when it ends."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what a run's archive holds, also while the run goes on.

    An agent's mean return and its interval are of fresh episodes, which no
    choice was made by. They are there once a run has ended; --rescore gives
    them before, or for an older archive, and keeps them in the archive.
    """
    if (view is View.NICHE) != (number is not None):
        raise InputError(f"the view {view} takes {'the ID of a niche' if view is View.NICHE else 'no ID'}")
    chosen = (state, search, where, sort, limit)
    if view is not View.NICHES and (descending or any(option is not None for option in chosen)):
        raise InputError("--state, --search, --where, --sort, --descending and --limit go with the view niches")
    worth = {View.SUMMARY, View.NICHES, View.NICHE, View.LINEAGE}
    if rescore and view not in worth:
        raise InputError(f"--rescore goes with the views {', '.join(each for each in View if each in worth)}")
    values = () if number is None else (number,)
    options = {"fresh": rescored(run, number)} if rescore else {}
    with archives.reading(run) as connection:
        found: Any = getattr(inspection, view)(connection, *values, **options)
    if view is View.NICHES:
        unknown = sum(entry["mean_return"] is None for entry in found)
        if unknown and not as_json:
            say(f"{unknown} of {len(found)} best agents are not scored on fresh episodes yet; --rescore does")
        wanted = Selection(
            state=state, search=search, where=where or (), sort=sort or "id", descending=descending, limit=limit
        )
        found = select(found, wanted)
        if not as_json and limit is None and len(found) > ALL_SHOWN:
            say(f"{ALL_SHOWN} of {len(found)} niches; --limit shows more, --state, --search and --where choose")
            found = found[:ALL_SHOWN]
    show(found, as_json, getattr(tables, view))
