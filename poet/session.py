"""One life of a run: open or make the archive, evolve, commit, stop cleanly.

Decides what happens on a signal: Ctrl-C, and SIGTERM and SIGUSR1 with which
schedulers warn, drop the iteration in progress, whose work is less than what a
wait would cost; all before it is on disk.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cluster.executor import Executor
from environments.domain import find_domain
from environments.files import holds_run
from evolution.evaluation import Evaluator
from poet import config as configuration
from poet.agents import read_agent_file
from poet.algorithm import evolve
from poet.archive import rescoring
from poet.archive.reading import read_config, reading
from poet.archive.store import CONFIG_NAME, Archive
from poet.config import Config, ControllerSettings
from poet.display.live import Display
from poet.errors import InputError
from poet.population import first_population

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None


class Interrupted(BaseException):
    """A signal asked the run to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.by_user = number == signal.SIGINT  # rather than by a scheduler, to whom stopping is success


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the user said of a run's settings."""

    base: Mapping[str, Any] | None  # table of the preset or file that was named, if one was
    overrides: Mapping[str, Any]  # table of single settings
    origin: str  # what to name where they are wrong
    agent: Path | None = None  # file of the agent to begin with
    activations: tuple[str, str] | None = None  # of it, where the file does not say


def open_run(folder: Path, choices: Choices, default: Mapping[str, Any]) -> Archive:
    """Resume the run in a folder, or start one there.

    Args:
        folder: of the run.
        choices: a run that is resumed must have them; only its number of iterations may change.
        default: the table that a new run is built from where no other was named.

    Raises:
        InputError: the settings are wrong or are not those of the run that is there.
    """
    if folder.is_file():
        raise InputError(f"{folder} is a file; a run is a folder, an old one or one to be made")
    if not holds_run(folder):
        config, theta = _beginning(default, choices)
        return Archive.create(folder, config, first_population(config, theta))
    if choices.base is not None or choices.overrides:
        _build(
            choices.base or _settings_of(folder), choices
        )  # what is wrong in itself is refused before the archive is touched
    archive = Archive.resume(folder)
    try:
        if choices.agent is not None:
            _check_begun_with(archive, choices.agent, choices.activations)
            same = {"controller": asdict(archive.config.controller)}
            choices = replace(choices, overrides=configuration.merge(choices.overrides, same))
        _reconcile(archive, folder, choices)
    except BaseException:
        archive.close()
        raise
    return archive


def _beginning(default: Mapping[str, Any], choices: Choices) -> tuple[Config, NDArray[np.float64] | None]:
    """Say what a new run begins with: its settings, and the first agent where one was named."""
    base = default if choices.base is None else choices.base
    config = _build(base, choices)
    if choices.agent is None:
        return config, None
    found = read_agent_file(choices.agent, config.domain, choices.activations)
    own = find_domain(config.domain).controller
    layers = ControllerSettings() if found.controller == own else ControllerSettings.of(found.controller)
    if config.controller not in (layers, ControllerSettings()):
        raise InputError(f"{choices.agent} is an agent of {found.controller}; leave the settings controller.* to it")
    return replace(config, controller=layers), found.theta.astype(np.float64)


def _check_begun_with(archive: Archive, path: Path, activations: tuple[str, str] | None) -> None:
    agent = read_agent_file(path, archive.config.domain, activations)
    own = archive.config.make_domain().controller
    if agent.controller != own or not np.array_equal(archive.first_agent().astype(np.float32), agent.theta):
        raise InputError(
            f"{archive.path.parent} holds a run that began with another agent, of {own}, "
            f"than that of {path}, of {agent.controller}"
        )


def _build(base: Mapping[str, Any], choices: Choices) -> Config:
    config = configuration.build(configuration.merge(base, choices.overrides), choices.origin)
    configuration.check_used(choices.overrides, config, choices.origin)
    return config


def _reconcile(archive: Archive, folder: Path, choices: Choices) -> None:
    """Check that a run's settings are those asked for, and extend it where more iterations are."""
    settings = archive.config.to_table()
    wanted = _build(settings if choices.base is None else choices.base, choices)
    _check_same(archive.config, wanted, f"{folder} holds a run with other settings")
    edited = _edited(folder) or archive.config
    _check_same(archive.config, edited, f"{folder / CONFIG_NAME} is not what the run was started with")
    iterations = choices.overrides.get("iterations", edited.iterations)
    if iterations < archive.population.iteration:
        raise InputError(f"iterations is {iterations}; this run has done {archive.population.iteration} already")
    if iterations != archive.config.iterations:
        archive.extend(iterations)


def _settings_of(folder: Path) -> dict[str, Any]:
    """Read what a run was started with: single settings may be options of its encoding or its optimiser."""
    with reading(folder) as connection:
        return read_config(connection).to_table()


def _edited(folder: Path) -> Config | None:
    """Read the configuration file beside the archive, where somebody may have changed it."""
    path = folder / CONFIG_NAME
    return configuration.build(configuration.read_file(path), str(path)) if path.exists() else None


def _check_same(config: Config, wanted: Config, complaint: str) -> None:
    changed = configuration.differences(config, wanted)
    if changed:
        raise InputError(
            f"{complaint} ({'; '.join(changed)}): only iterations can change; "
            "leave the others as they were to resume it, or name another folder"
        )


def evolve_archive(archive: Archive, executor: Executor, display: Display) -> None:
    """Run the iterations that are still to do, each on disk before the next is; what pairs have ahead of it is not."""
    evaluator = Evaluator(archive.config.simulation(), executor, display.phase)
    started = time.monotonic()
    for population, journal in evolve(archive.population, archive.config, evaluator):
        seconds = time.monotonic() - started
        with undisturbed():
            archive.commit(population, journal, seconds, executor.workers)
        display.iteration(population, journal, seconds)
        started = time.monotonic()


def rescore_archive(archive: Archive, executor: Executor, display: Display) -> None:
    """Score the niches' best agents on fresh episodes, those that have not been, and keep what they came to."""
    agents = rescoring.missing(archive.connection)
    if agents:
        evaluator = Evaluator(archive.config.simulation(), executor, display.phase)
        found = rescoring.play(evaluator, agents)
        with undisturbed():
            archive.keep_rescores(rescoring.rows(found))


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn the first Ctrl-C, SIGTERM or SIGUSR1 into `Interrupted` while the block runs, and be deaf to more."""
    before = _handle(_interrupt)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        yield
    except Interrupted:
        raise  # still deaf: what is left is to close and to leave
    except BaseException:
        _restore(before)
        raise
    _restore(before)


def hold_signals() -> None:
    """Hold back signals that come before `interruptible`, which then hears them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold a signal back until the block is done."""
    arrived: list[int] = []
    before = _handle(lambda number, frame: arrived.append(number))
    try:
        yield
    finally:
        _restore(before)
    if arrived:
        _interrupt(arrived[0], None)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _handle(signal.SIG_IGN)
    raise Interrupted(number)


def _handle(handler: Handler) -> dict[int, Handler]:
    return {number: signal.signal(number, handler) for number in STOP_SIGNALS}


def _restore(handlers: Mapping[int, Handler]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
