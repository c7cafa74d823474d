"""The fresh episodes of best agents, as the commands that need them tell a person of them."""

from __future__ import annotations

import shlex
from contextlib import AbstractContextManager, closing
from pathlib import Path
from sqlite3 import Connection

from cluster.executor import Executor, InProcess
from cluster.processes import Processes
from poet.archive import rescoring
from poet.archive.rescoring import Fresh
from poet.display.output import say
from poet.display.waiting import waiting
from poet.errors import ArchiveError, InputError
from poet.fresh import fresh_episodes
from poet.fresh import keep as keep_in_archive

FEW_AGENTS = 3  # that are scored before other processes would have started


def fresh(connection: Connection, run: Path, *, keep: bool = False) -> dict[int, Fresh]:
    """Give the fresh episodes of all best agents: those that the archive holds, and the others played now.

    Args:
        connection: the archive, as a reader.
        run: its folder.
        keep: write into the archive what was played, where nobody else is writing and it can be written.
    """
    agents = rescoring.missing(connection)
    if not agents:
        return rescoring.cached(connection)

    def make_executor() -> AbstractContextManager[Executor]:
        return closing(InProcess() if len(agents) <= FEW_AGENTS else Processes(None))

    with waiting(f"playing fresh episodes of {len(agents)} agents", "episodes") as note:
        found = fresh_episodes(connection, make_executor, note)
    if keep:
        _keep(run, found.played)
    else:
        again = f"poet inspect {shlex.quote(str(run))} --rescore"
        say(f"{len(agents)} best agents were scored on fresh episodes for this alone; {again} keeps it in the archive")
    return found.all


def _keep(run: Path, played: dict[int, Fresh]) -> None:
    try:
        keep_in_archive(run, played)
    except (InputError, ArchiveError) as error:
        say(f"scored {len(played)} best agents on fresh episodes, which are shown but not kept: {error}")
    else:
        say(f"scored {len(played)} best agents on fresh episodes")
