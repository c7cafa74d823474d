"""One life of a run: open or make the archive, evolve, commit, stop cleanly.

Decides what happens on a signal: Ctrl-C, and SIGTERM and SIGUSR1 with which
schedulers warn, drop the iteration in progress, whose work is less than what a
wait would cost; all before it is on disk.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cluster.executor import Executor
from environments.controller import Controller
from environments.domain import find_domain
from environments.files import holds_run
from evolution.evaluator import Evaluator
from poet import agents, founding, grounds
from poet import config as configuration
from poet.algorithm import evolve
from poet.archive import rescoring
from poet.archive.reading import read_config, reading
from poet.archive.store import CONFIG_NAME, Archive
from poet.config import Config, ControllerSettings
from poet.display.live import Display
from poet.errors import InputError
from poet.population import first_population, founded

DEFAULT_PRESET = "quick"
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None


class Interrupted(BaseException):
    """A signal asked the run to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.by_user = number == signal.SIGINT  # rather than by a scheduler, to whom stopping is success


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the user said of a run's settings, and of what it begins with."""

    base: Mapping[str, Any] | None  # table of the preset or file that was named, if one was
    overrides: Mapping[str, Any]  # table of single settings
    origin: str  # what to name where they are wrong
    agent: agents.Brought | None = None  # to begin with
    activations: tuple[str, str] | None = None  # of it, where a file or a network does not say
    environments: grounds.Brought | Sequence[grounds.Brought] | None = None  # to begin with
    source: Path | None = None  # a run or a curriculum, to begin with whose pairs instead


def open_run(folder: Path, choices: Choices, default: Mapping[str, Any]) -> Archive:
    """Resume the run in a folder, or start one there.

    Args:
        folder: of the run.
        choices: a run that is resumed must have them; only its number of iterations and its engine may change.
        default: the table that a new run is built from where neither another nor a source was named.

    Raises:
        InputError: the settings are wrong or are not those of the run that is there.
    """
    return resume_run(folder, choices) if _is_run(folder) else start_run(folder, choices, default)


def start_run(folder: Path, choices: Choices, default: Mapping[str, Any]) -> Archive:
    """Start a run in a folder that holds none; for arguments and errors see `open_run`."""
    if _is_run(folder):
        raise InputError(f"{folder} holds a run already")
    if choices.source is not None:
        return _branch(folder, choices)
    config = _build(default if choices.base is None else choices.base, choices)
    theta = None
    if choices.agent is not None:
        config, theta = _begin_with(config, choices)
    starts = None
    if choices.environments is not None:
        starts = grounds.take_environments(choices.environments, config)
        if len(starts) > config.reproduction.capacity:
            raise InputError(
                f"{len(starts)} environments are too many to begin with; "
                f"reproduction.capacity is {config.reproduction.capacity}"
            )
    return Archive.create(folder, config, first_population(config, theta, starts))


def _branch(folder: Path, choices: Choices) -> Archive:
    """Start a run with the pairs of another, or of a curriculum; with its settings too, where no others are named.

    More of them than there is room for may begin: the oldest retire when environments next reproduce.
    """
    assert choices.source is not None  # the caller has looked
    if choices.agent is not None or choices.environments is not None:
        raise InputError(f"{choices.source} gives the agents and environments to begin with; leave the others out")
    source = founding.read_source(choices.source)
    base = source.settings if choices.base is None else choices.base
    if base is None:
        raise InputError(f"{choices.source} does not tell the settings of its run; name some by --preset or --config")
    config = _with_layers(_build(base, choices), source.controller, f"the first pair of {choices.source}")
    source.check(config)
    return Archive.create(folder, config, founded(config, source.founders), source.told())


def resume_run(folder: Path, choices: Choices) -> Archive:
    """Resume the run that a folder holds; for arguments and errors see `open_run`."""
    if choices.base is not None or choices.overrides:
        # What is wrong in itself is refused before the archive is touched.
        _build(choices.base or _settings_of(folder), choices)
    archive = Archive.resume(folder)
    try:
        if choices.agent is not None:
            _check_begun_with(archive, choices)
        if choices.source is not None:
            _check_branch(archive, choices.source)
        if choices.agent is not None or choices.source is not None:
            same = {"controller": asdict(archive.config.controller)}
            choices = replace(choices, overrides=configuration.merge(choices.overrides, same))
        if choices.environments is not None:
            _check_begun_in(archive, choices.environments)
        _reconcile(archive, folder, choices)
    except BaseException:
        archive.close()
        raise
    return archive


def _is_run(folder: Path) -> bool:
    if folder.is_file():
        raise InputError(f"{folder} is a file; a run is a folder, an old one or one to be made")
    return holds_run(folder)


def _begin_with(config: Config, choices: Choices) -> tuple[Config, NDArray[np.float64]]:
    """Give a new run's settings, to which its agent's layers belong, and the first agent's parameters."""
    assert choices.agent is not None  # the caller has looked
    found = agents.take_agent(choices.agent, config.domain, config.make_domain().controller, choices.activations)
    return _with_layers(config, found.controller, found.name), found.theta


def _with_layers(config: Config, controller: Controller, name: str) -> Config:
    """Give a new run's settings the layers of who begins it."""
    own = find_domain(config.domain).controller
    if config.controller.make(own) == controller:
        return config
    layers = ControllerSettings() if controller == own else ControllerSettings.of(controller)
    if config.controller != ControllerSettings():
        raise InputError(f"{name} is an agent of {controller}; leave the settings controller.* to it")
    return replace(config, controller=layers)


def _check_begun_with(archive: Archive, choices: Choices) -> None:
    assert choices.agent is not None  # the caller has looked
    own = archive.config.make_domain().controller
    agent = agents.take_agent(choices.agent, archive.config.domain, own, choices.activations)
    first, theta = (each.astype(np.float32) for each in (archive.first_agent(), agent.theta))
    if agent.controller != own or not np.array_equal(first, theta):
        raise InputError(
            f"{archive.path.parent} holds a run that began with another agent, of {own}, "
            f"than that of {agent.name}, of {agent.controller}"
        )


def _check_begun_in(archive: Archive, brought: grounds.Brought | Sequence[grounds.Brought]) -> None:
    wanted = [environment.id for environment in grounds.take_environments(brought, archive.config)]
    begun = [niche.environment.id for niche in archive.population.niches if niche.born == 0]
    if wanted != begun:
        raise InputError(
            f"{archive.path.parent} holds a run that began in other environments, {', '.join(begun)}, "
            f"than {', '.join(wanted)}"
        )


def _check_branch(archive: Archive, folder: Path) -> None:
    """Raise InputError unless a run began with the pairs of this source, which may have gone on or be gone since."""
    begun = archive.source()
    wanted = founding.name_of(folder)
    if begun is None or begun["name"] != wanted:
        other = "no other's pairs" if begun is None else f"the pairs of {begun['name']}"
        raise InputError(f"{archive.path.parent} holds a run that began with {other}, not with those of {wanted}")


def _build(base: Mapping[str, Any], choices: Choices) -> Config:
    config = configuration.build(configuration.refine(base, choices.overrides), choices.origin)
    configuration.check_used(choices.overrides, config, choices.origin)
    return config


def _reconcile(archive: Archive, folder: Path, choices: Choices) -> None:
    """Check that a run's settings are those asked for, and extend it where more iterations are."""
    settings = archive.config.to_table()
    wanted = _build(settings if choices.base is None else choices.base, choices)
    _check_same(archive.config, wanted, f"{folder} holds a run with other settings")
    own = {"engine": choices.overrides["engine"]} if "engine" in choices.overrides else {}
    edited = _edited(folder, own) or archive.config
    _check_same(archive.config, edited, f"{folder / CONFIG_NAME} is not what the run was started with")
    iterations = choices.overrides.get("iterations", edited.iterations)
    if iterations < archive.population.iteration:
        raise InputError(f"iterations is {iterations}; this run has done {archive.population.iteration} already")
    engine = own.get("engine", edited.engine)  # a domain's agree to the bit
    if (iterations, engine) != (archive.config.iterations, archive.config.engine):
        archive.extend(iterations, engine)


def _settings_of(folder: Path) -> dict[str, Any]:
    """Read what a run was started with: single settings may be options of its encoding or its optimiser."""
    with reading(folder) as connection:
        return read_config(connection).to_table()


def _edited(folder: Path, own: Mapping[str, Any]) -> Config | None:
    """Read the configuration file beside the archive, where somebody may have changed it; `own` replaces some of it."""
    path = folder / CONFIG_NAME
    if not path.exists():
        return None
    return configuration.build(configuration.merge(configuration.read_file(path), own), str(path))


def _check_same(config: Config, wanted: Config, complaint: str) -> None:
    changed = configuration.differences(config, wanted)
    if changed:
        raise InputError(
            f"{complaint} ({'; '.join(changed)}): only iterations and the engine can change; "
            "leave the others as they were to resume it, or branch off it: another folder, and --from this one"
        )


def is_done(archive: Archive) -> bool:
    """Say whether a run has all of its iterations, and its best agents are scored on fresh episodes."""
    return archive.population.iteration >= archive.config.iterations and not rescoring.missing(archive.connection)


def live(
    archive: Archive,
    make_executor: Callable[[], AbstractContextManager[Executor]],
    make_display: Callable[[], Display],
    *,
    rescore: bool = True,
) -> None:
    """Run what is still to do, and then score the best agents on fresh episodes."""
    with ExitStack() as stack:
        with undisturbed():  # a worker that is interrupted while it starts complains
            executor = stack.enter_context(make_executor())
        display = stack.enter_context(closing(make_display()))
        evolve_archive(archive, executor, display)
        if rescore:
            rescore_archive(archive, executor, display)


def evolve_archive(archive: Archive, executor: Executor, display: Display) -> None:
    """Run the iterations that are still to do, each on disk before the next is; what pairs have ahead of it is not."""
    evaluator = Evaluator(archive.config.simulation(), executor, display.phase)
    started = time.monotonic()
    for population, journal in evolve(archive.population, archive.config, evaluator, archive.inputs):
        seconds = time.monotonic() - started
        with undisturbed():
            archive.commit(population, journal, seconds, executor.workers)
        display.iteration(population, journal, seconds)
        started = time.monotonic()


def rescore_archive(archive: Archive, executor: Executor, display: Display) -> None:
    """Score the niches' best agents on fresh episodes, those that have not been, and keep what they came to."""
    unscored = rescoring.missing(archive.connection)
    if unscored:
        evaluator = Evaluator(archive.config.simulation(), executor, display.phase)
        found = rescoring.play(evaluator, unscored)
        with undisturbed():
            archive.keep_rescores(rescoring.rows(found))


@contextmanager
def interruptible(numbers: Sequence[signal.Signals] = STOP_SIGNALS) -> Iterator[None]:
    """Turn the first Ctrl-C, SIGTERM or SIGUSR1 into `Interrupted` while the block runs, and be deaf to more."""
    before = _handle(_interrupt, numbers)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
        yield
    except Interrupted:
        raise  # still deaf: what is left is to close and to leave
    except BaseException:
        _restore(before)
        raise
    _restore(before)


@contextmanager
def interruptible_by_keyboard() -> Iterator[None]:
    """Let Ctrl-C end the block by KeyboardInterrupt, but let what the block cleans up be cleaned up whole.

    For callers who are a guest in somebody else's process: every other signal is theirs, and so is Ctrl-C where they
    have a handler of their own. Outside the main thread, which alone hears signals, nothing is changed.
    """
    if not _hears_signals() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    try:
        with interruptible((signal.SIGINT,)):
            yield
    except Interrupted:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise KeyboardInterrupt from None


def _hears_signals() -> bool:
    return threading.current_thread() is threading.main_thread()


def hold_signals() -> None:
    """Hold back signals that come before `interruptible`, which then hears them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold a signal back until the block is done, and then let it do what it would have done."""
    if not _hears_signals():
        yield
        return
    arrived: list[int] = []
    heard = [number for number in STOP_SIGNALS if signal.getsignal(number) not in (None, signal.SIG_IGN)]
    before = _handle(lambda number, frame: arrived.append(number), heard)
    try:
        yield
    finally:
        _restore(before)
    if arrived:
        signal.raise_signal(arrived[0])


def _interrupt(number: int, frame: FrameType | None) -> None:
    _handle(signal.SIG_IGN, [each for each in STOP_SIGNALS if signal.getsignal(each) is _interrupt])
    raise Interrupted(number)


def _handle(handler: Handler, numbers: Iterable[int]) -> dict[int, Handler]:
    return {number: signal.signal(number, handler) for number in numbers}


def _restore(handlers: Mapping[int, Handler]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
