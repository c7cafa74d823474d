"""What a person sees while a run goes on: a live picture on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live

from environments.domain import Encoding, Environment
from poet.config import Config
from poet.display.estimate import Estimate
from poet.display.frame import Phase, View, frame
from poet.display.terminal import without_echoed_keys
from poet.foreign import printable
from poet.population import Population
from poet.records import Journal
from transfer.tournament import best

EVENTS = 6  # kept in view
QUIET_SECONDS = 10.0  # between plain lines in which nothing happened
SMOOTHING = 20  # iterations that speed and remaining time are averaged over


class Display(Protocol):
    """Told of a run's progress; shows it or not."""

    def phase(self, purpose: str, done: int, total: int) -> None:
        """Hear that a phase has done so many of its episodes."""
        ...

    def iteration(self, population: Population, journal: Journal, seconds: float) -> None:
        """Hear that an iteration is on disk."""
        ...

    def close(self) -> None:
        """Stop showing."""
        ...


def make_display(console: Console, config: Config, folder: Path, population: Population, transfers: int = 0) -> Display:
    """Choose by what the console is; so many transfers were accepted before."""
    pace = _Pace(config)
    return (
        LiveDisplay(console, config, folder, population, pace, transfers)
        if console.is_terminal and not console.is_dumb_terminal
        else PlainDisplay(console, config, pace)
    )


class _Pace:
    """How fast the run goes and how long it will take."""

    def __init__(self, config: Config) -> None:
        self.estimate = Estimate(config)
        self.recent: deque[tuple[int, float]] = deque(maxlen=SMOOTHING)  # steps, seconds

    def note(self, journal: Journal, seconds: float) -> None:
        self.recent.append((sum(journal.tally.steps.values()), seconds))
        self.estimate.note(journal)

    @property
    def speed(self) -> float:
        """Simulated steps a second."""
        seconds = sum(spent for _, spent in self.recent)
        return sum(steps for steps, _ in self.recent) / seconds if seconds else 0.0

    def remaining(self, next_iteration: int) -> str:
        """Say how long it will take if the population fills."""
        return duration(self.estimate.steps_left(next_iteration) / self.speed) if self.speed else "-"


def duration(seconds: float) -> str:
    """Write a length of time with its two largest units."""
    whole = round(seconds)
    days, hours, minutes = whole // 86_400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {whole % 60:02} s" if minutes else f"{whole} s"


def events(journal: Journal, describe: Mapping[int, str]) -> Iterator[str]:
    """Say in a line each what an iteration changed in the population."""
    at = f"iteration {journal.iteration}:"
    for child in journal.children:
        if child.niche is not None:
            chosen = best(child.candidates)
            origin = f"child of {child.parent}" if child.input is None else "put in by hand"
            yield (
                f"{at} admitted niche {child.niche} ({describe[child.niche]}), {origin}; "
                f"the agent of niche {chosen.source} scores {chosen.score:.1f} there"
            )
    if journal.children and not journal.admitted:
        yield f"{at} none of {len(journal.children)} children met the minimal criterion"
    for pair in journal.retired:
        yield f"{at} retired niche {pair.niche.id}, the oldest"
    accepted = [record for record in journal.transfers if record.winner is not None]
    if journal.transfers:
        moves = ", ".join(f"{record.winner.source} to {record.target}" for record in accepted if record.winner)
        yield f"{at} {len(accepted)} of {len(journal.transfers)} transfers accepted{': ' + moves if moves else ''}"
    if journal.tally.diverged:
        yield f"{at} {journal.tally.diverged} episodes diverged"


class _Descriptions:
    """Every niche in a few words, each described once: a thousand CPPNs take a fifth of a second."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._encodings: dict[str, Encoding] = {}
        self._known: dict[int, str] = {}

    def of(self, population: Population) -> dict[int, str]:
        """Describe the population's niches, by id."""
        for niche in population.niches[len(self._known) :]:  # in order of admission, and for good
            self._known[niche.id] = self._words(niche.environment)
        return self._known

    def _words(self, environment: Environment) -> str:
        if environment.encoding not in self._encodings:
            self._encodings[environment.encoding] = self._config.encoding_of(environment)
        return printable(self._encodings[environment.encoding].describe(environment.genome))


def _annecs(config: Config, population: Population) -> str:
    """Give the measure of open-endedness, where the run takes it."""
    return f"ANNECS {population.annecs(config.minimal_criterion)}, " if config.reproduction.whole_archive else ""


class PlainDisplay:
    """Lines for logs: every event, and a status line now and then."""

    def __init__(self, console: Console, config: Config, pace: _Pace) -> None:
        self._console = console
        self._config = config
        self._pace = pace
        self._descriptions = _Descriptions(config)
        self._last = 0.0

    def phase(self, purpose: str, done: int, total: int) -> None:
        """Phases are too short to log."""

    def iteration(self, population: Population, journal: Journal, seconds: float) -> None:
        """Print what happened, and the status if the last is old or this iteration ends the run."""
        self._pace.note(journal, seconds)
        happened = list(events(journal, self._descriptions.of(population)))
        last = population.iteration == self._config.iterations
        if happened or last or time.monotonic() - self._last > QUIET_SECONDS:
            self._last = time.monotonic()
            for line in [*happened, self._status(population)]:
                self._console.print(line, highlight=False, soft_wrap=True, markup=False)

    def close(self) -> None:
        """Nothing is held."""

    def _status(self, population: Population) -> str:
        scores = " ".join(f"{pair.niche.id}:{pair.score:.0f}" for pair in population.pairs if pair.score is not None)
        return (
            f"iteration {population.iteration}/{self._config.iterations}, {_annecs(self._config, population)}"
            f"{self._pace.speed:,.0f} steps/s, {self._pace.remaining(population.iteration)} left; scores {scores}"
        )


class LiveDisplay:
    """A picture that redraws itself: progress, active pairs with score bars, latest events."""

    def __init__(
        self,
        console: Console,
        config: Config,
        folder: Path,
        population: Population,
        pace: _Pace,
        transfers: int = 0,
    ) -> None:
        self._config = config
        self._folder = folder
        self._population = population
        self._pace = pace
        self._descriptions = _Descriptions(config)
        self._events: deque[str] = deque(maxlen=EVENTS)
        self._transfers = transfers
        self._phase = Phase("starting", 0, None)
        self._held = ExitStack()
        self._held.enter_context(without_echoed_keys())
        self._live = self._held.enter_context(Live(self, console=console, refresh_per_second=4))

    def phase(self, purpose: str, done: int, total: int) -> None:
        """Move the phase's bar."""
        self._phase = Phase(purpose, done, total)

    def iteration(self, population: Population, journal: Journal, seconds: float) -> None:
        """Take in the new state."""
        self._pace.note(journal, seconds)
        self._transfers += sum(record.winner is not None for record in journal.transfers)
        self._events.extend(events(journal, self._descriptions.of(population)))
        self._population = population

    def close(self) -> None:
        """Leave the last picture standing."""
        self._held.close()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        population = self._population
        niches, active = len(population.niches), len(population.pairs)
        admitted = sum(niche.born > 0 for niche in population.niches)
        view = View(
            title=f"POET {printable(str(self._folder))}",
            iteration=Phase("iteration", population.iteration, self._config.iterations),
            remaining=f"{self._pace.remaining(population.iteration)} left",
            phase=self._phase,
            figures=(
                f"{active} active, {niches - active} retired, {admitted} admitted, "
                f"{_annecs(self._config, population)}"
                f"{self._transfers} transfers accepted, {self._pace.speed:,.0f} steps/s"
            ),
            pairs=population.pairs,
            descriptions=self._descriptions.of(population),
            full_score=max(self._config.minimal_criterion.upper, 1.0),
            events=tuple(self._events),
        )
        yield frame(view, console, options.max_width, console.size.height)
