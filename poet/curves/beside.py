"""Curves of a run beside its display: TensorBoard's, and Weights & Biases' where that is asked for.

They are read from the archive after each commit. So a run that is resumed, killed or given curves late has the
same curves as any other: what is missing is read back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import Protocol

from environments.files import DiskError, PlaceError
from poet.archive.progress import points
from poet.archive.store import Archive
from poet.config import Config
from poet.curves.weights_and_biases import OnWandb
from poet.display.live import Display
from poet.population import Population
from poet.records import Journal

FOLDER = "tensorboard"  # in a run's


class Board(Protocol):
    """Where points of curves go."""

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Add a point to every curve."""
        ...

    def flush(self) -> None:
        """Let others see what was added."""
        ...

    def close(self) -> None:
        """Add no more."""
        ...


def identity(config: Config, first_agent: bytes) -> str:
    """Name a run by what it began with: 16 hexadecimal digits, the same after it is moved, extended or sped up."""
    settings = {name: value for name, value in config.to_table().items() if name != "iterations"}
    settings["engine"] = "auto"  # any other counts as this one, which most runs have
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode() + first_agent).hexdigest()[:16]


def on_tensorboard(folder: Path, connection: Connection, done: int, whose: str) -> Board:
    """Open a folder of TensorBoard's and add what it lacks of the iterations that are done.

    Raises:
        PlaceError: it holds curves of another run, or cannot be written.
        DiskError: the disk is full or broken.
    """
    from meta_learners.training import board  # noqa: PLC0415 - slow to load

    first = min(board.next_step(folder, whose), done)
    opened = board.Board(folder, first, whose)
    for step, values in points(connection, first, done):
        opened.add(values, step)
    opened.flush()
    return opened


@dataclass(frozen=True, slots=True)
class Curves:
    """Which curves are asked for."""

    tensorboard: Path | None = None  # a folder
    wandb: str | None = None  # a project


def beside(shown: Display, archive: Archive, curves: Curves, say: Callable[[str], object]) -> Display:
    """Put the curves that are asked for beside a display, which is closed if that fails.

    Raises:
        InputError: there is no client for them.
        PlaceError: they cannot be written there.
        DiskError: the disk is full or broken.
    """
    if curves == Curves():
        return shown
    try:
        return Curved(shown, archive.connection, _opened(archive, curves), say)
    except BaseException:
        shown.close()
        raise


def complete(archive: Archive, curves: Curves) -> None:
    """Add what curves lack of a run that has ended; for errors see `beside`."""
    for board in _opened(archive, curves):
        board.close()


def _opened(archive: Archive, curves: Curves) -> list[Board]:
    connection, done = archive.connection, archive.population.iteration
    whose = identity(archive.config, archive.first_agent().tobytes())
    boards: list[Board] = []
    try:
        if curves.tensorboard is not None:
            boards.append(on_tensorboard(curves.tensorboard, connection, done, whose))
        if curves.wandb is not None:
            boards.append(OnWandb(curves.wandb, archive.path.parent, archive.config, connection, done, whose))
    except BaseException:
        for board in boards:
            board.close()
        raise
    return boards


class Curved:
    """A display with curves beside it; where these cannot be written any more, the run goes on without."""

    def __init__(
        self, shown: Display, connection: Connection, boards: Sequence[Board], say: Callable[[str], object]
    ) -> None:
        self._shown = shown
        self._connection = connection
        self._boards = list(boards)
        self._say = say

    def phase(self, purpose: str, done: int, total: int) -> None:
        """Tell the display."""
        self._shown.phase(purpose, done, total)

    def iteration(self, population: Population, journal: Journal, seconds: float) -> None:
        """Tell the display, and add a point to the curves."""
        self._shown.iteration(population, journal, seconds)
        for step, values in points(self._connection, journal.iteration, journal.iteration + 1):
            for board in tuple(self._boards):
                self._safely(board, partial(_add, board, values, step))

    def close(self) -> None:
        """Close the display and the curves."""
        self._shown.close()
        for board in tuple(self._boards):
            self._safely(board, board.close)

    def _safely(self, board: Board, do: Callable[[], object]) -> None:
        try:
            do()
        except (PlaceError, DiskError) as error:
            self._boards.remove(board)
            with suppress(PlaceError, DiskError):
                board.close()
            self._say(f"warning: the run goes on without its curves: {error}; a resumed run adds what is missing")


def _add(board: Board, values: Mapping[str, float], step: int) -> None:
    board.add(values, step)
    board.flush()
