"""`poet report`: one page that shows all of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poet import archive as archives
from poet.commands.freshness import fresh
from poet.display.output import Run, say
from poet.display.waiting import waiting


def report(
    run: Run,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.html", help="Page to write.")],
    films: Annotated[int, typer.Option(min=0, help="Record the episodes of at most so many agents.")] = 12,
) -> None:
    """Write one page that shows all of a run: curves, family tree, transfers, gallery, films.

    The page needs no network and no server: open it in any browser.
    """
    from poet import report as reports  # noqa: PLC0415

    with archives.reading(run) as connection, archives.one_moment(connection):
        episodes = fresh(connection, run)
        with waiting(f"recording films and writing {output}"):
            size = reports.write(connection, output, run.resolve().name, films, episodes)
    say(f"{output}: {size / 2**20:.1f} MiB")
