"""The fresh episodes of a run's best agents, for who shows or writes them: those kept, and the others played now."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection

from cluster.executor import Executor
from evolution.evaluator import Evaluator
from poet.archive import rescoring
from poet.archive.reading import read_config
from poet.archive.rescoring import Fresh
from poet.archive.store import Archive


@dataclass(frozen=True, slots=True)
class FreshEpisodes:
    """By niche."""

    kept: dict[int, Fresh]  # in the archive
    played: dict[int, Fresh]  # now

    @property
    def all(self) -> dict[int, Fresh]:
        """Those of every niche's best agent."""
        return {**self.kept, **self.played}


def fresh_episodes(
    connection: Connection,
    make_executor: Callable[[], AbstractContextManager[Executor]],
    progress: Callable[[int, int], None] | None = None,
) -> FreshEpisodes:
    """Give the fresh episodes of all best agents; `progress` hears of the episodes played, out of how many.

    Raises:
        EvaluationError: not one episode of an agent could be simulated.
    """
    kept, agents = rescoring.cached(connection), rescoring.missing(connection)
    if not agents:
        return FreshEpisodes(kept, {})

    def heard(purpose: str, done: int, total: int) -> None:
        if progress is not None:
            progress(done, total)

    with make_executor() as executor:
        evaluator = Evaluator(read_config(connection).simulation(), executor, heard)
        return FreshEpisodes(kept, rescoring.play(evaluator, agents))


def keep(folder: Path, played: dict[int, Fresh]) -> None:
    """Write into the archive of a run what was played.

    Raises:
        InputError: another process is writing it, or it cannot be written.
    """
    with closing(Archive.resume(folder)) as archive:
        archive.keep_rescores(rescoring.rows(played))
