"""One life of a run: open or make the archive, evolve, commit, stop cleanly.

Decides what happens on a signal: Ctrl-C and SIGTERM drop the iteration in
progress, whose work is less than what a wait would cost; all before it is on disk.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from cluster.executor import Executor
from evolution.evaluation import Evaluator
from poet import config as configuration
from poet.algorithm import evolve
from poet.archive import Archive, holds_run
from poet.config import Config
from poet.display import Display
from poet.errors import InputError
from poet.population import first_population


class Interrupted(BaseException):
    """A signal asked the run to stop."""


def open_run(folder: Path, settings: Mapping[str, Any], origin: str, given: bool, iterations: int | None) -> Archive:
    """Resume the run in a folder, or start one there.

    Args:
        folder: of the run.
        settings: the table a new run is built from.
        origin: what to name where the settings are wrong.
        given: whether the user chose settings; then a run that is resumed must have them.
        iterations: the number to run to, if the user chose one.

    Raises:
        InputError: the settings are wrong or are not those of the run that is there.
    """
    if not holds_run(folder):
        chosen = {} if iterations is None else {"iterations": iterations}
        config = configuration.build(configuration.merge(settings, chosen), origin)
        return Archive.create(folder, config, first_population(config))
    wanted = configuration.build(settings, origin) if given else None
    archive = Archive.resume(folder)
    try:
        _check_same(folder, archive.config, wanted)
        if iterations is not None and iterations != archive.config.iterations:
            archive.extend(iterations)
    except BaseException:
        archive.close()
        raise
    return archive


def _check_same(folder: Path, config: Config, wanted: Config | None) -> None:
    changed = configuration.differences(config, wanted) if wanted else []
    if changed:
        raise InputError(
            f"{folder} holds a run with other settings ({'; '.join(changed)}); "
            "leave the settings out to resume it, or name another folder"
        )


def evolve_archive(archive: Archive, executor: Executor, display: Display) -> None:
    """Run the iterations that are still to do, each on disk before the next begins."""
    evaluator = Evaluator(archive.config.simulation(), executor, display.phase)
    started = time.monotonic()
    for population, journal in evolve(archive.population, archive.config, evaluator):
        seconds = time.monotonic() - started
        with _undisturbed():
            archive.commit(population, journal, seconds, executor.workers)
        display.iteration(population, journal, seconds)
        started = time.monotonic()


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into `Interrupted` while the block runs."""
    with _handling(_interrupt):
        yield


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold a signal back until the block is done."""
    arrived: list[int] = []
    with _handling(lambda number, frame: arrived.append(number)):
        yield
    if arrived:
        raise Interrupted


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
