"""The fresh episodes of best agents, as the commands that need them tell a person of them."""

from __future__ import annotations

import shlex
from contextlib import AbstractContextManager, closing
from pathlib import Path
from sqlite3 import Connection

from cluster.executor import Executor, InProcess
from cluster.processes import Processes
from poet.archive import rescoring
from poet.archive.best import best_agent
from poet.archive.reading import reading
from poet.archive.rescoring import Fresh
from poet.display.output import say
from poet.display.waiting import waiting
from poet.errors import ArchiveError, InputError
from poet.fresh import FreshEpisodes, fresh_episodes
from poet.fresh import keep as keep_in_archive

FEW_AGENTS = 3  # that are scored before other processes would have started


def fresh(connection: Connection, run: Path) -> dict[int, Fresh]:
    """Give the fresh episodes of all best agents: those in the archive, and the others played for this alone."""
    found = _played(connection)
    if found.played:
        again = f"poet inspect {shlex.quote(str(run))} --rescore"
        played = f"{len(found.played)} best agents were scored on fresh episodes for this alone"
        say(f"{played}; {again} keeps it in the archive")
    return found.all


def rescored(run: Path, niche: int | None) -> dict[int, Fresh]:
    """Play what is not there yet, and keep it where nobody else is writing and the archive can be written.

    Raises:
        NoNicheError: there is no such niche, if one is named; nothing was played.
    """
    with reading(run) as connection:
        if niche is not None:
            best_agent(connection, niche)
        found = _played(connection)
    if found.played:  # and nobody reads any more: an older archive is brought up to date now
        _keep(run, found.played)
    return found.all


def _played(connection: Connection) -> FreshEpisodes:
    agents = rescoring.missing(connection)

    def make_executor() -> AbstractContextManager[Executor]:
        return closing(InProcess() if len(agents) <= FEW_AGENTS else Processes(None))

    if not agents:
        return fresh_episodes(connection, make_executor)
    with waiting(f"playing fresh episodes of {len(agents)} agents", "episodes") as note:
        return fresh_episodes(connection, make_executor, note)


def _keep(run: Path, played: dict[int, Fresh]) -> None:
    try:
        keep_in_archive(run, played)
    except (InputError, ArchiveError) as error:
        say(f"scored {len(played)} best agents on fresh episodes, which are shown but not kept: {error}")
    else:
        say(f"scored {len(played)} best agents on fresh episodes")
