"""What a person sees while a run goes on: a live picture on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from poet.config import Config
from poet.estimate import Estimate
from poet.foreign import printable
from poet.population import Pair, Population
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


def make_display(console: Console, config: Config, folder: Path, population: Population) -> Display:
    """Choose by what the console is."""
    pace = _Pace(config)
    return (
        LiveDisplay(console, config, folder, population, pace)
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


def events(journal: Journal, describe: dict[int, str]) -> Iterator[str]:
    """Say in a line each what an iteration changed in the population."""
    at = f"iteration {journal.iteration}:"
    for child in journal.children:
        if child.niche is not None:
            chosen = best(child.candidates)
            yield (
                f"{at} admitted niche {child.niche} ({describe[child.niche]}), child of {child.parent}; "
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
        self._encoding = config.make_encoding()
        self._known: dict[int, str] = {}

    def of(self, population: Population) -> dict[int, str]:
        """Describe the population's niches, by id."""
        for niche in population.niches[len(self._known) :]:  # in order of admission, and for good
            self._known[niche.id] = printable(self._encoding.describe(niche.environment.genome))
        return self._known


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

    def __init__(self, console: Console, config: Config, folder: Path, population: Population, pace: _Pace) -> None:
        self._config = config
        self._folder = folder
        self._population = population
        self._pace = pace
        self._descriptions = _Descriptions(config)
        self._events: deque[str] = deque(maxlen=EVENTS)
        self._transfers = 0
        self._phases = Progress(
            TextColumn("{task.description:>10}"), BarColumn(bar_width=40), MofNCompleteColumn(), TextColumn("episodes")
        )
        self._task = self._phases.add_task("starting", total=None)
        self._live = Live(self, console=console, refresh_per_second=4)
        self._live.start()

    def phase(self, purpose: str, done: int, total: int) -> None:
        """Move the phase's bar."""
        self._phases.update(self._task, description=purpose, completed=done, total=total)

    def iteration(self, population: Population, journal: Journal, seconds: float) -> None:
        """Take in the new state."""
        self._population = population
        self._pace.note(journal, seconds)
        self._transfers += sum(record.winner is not None for record in journal.transfers)
        self._events.extend(events(journal, self._descriptions.of(population)))

    def close(self) -> None:
        """Leave the last picture standing."""
        self._live.stop()

    def __rich__(self) -> Panel:
        done, total = self._population.iteration, self._config.iterations
        progress = Table.grid(padding=(0, 1))
        progress.add_row(
            "iteration",
            ProgressBar(total=total, completed=done, width=40),
            f"{done:,}/{total:,}",
            f"{self._pace.remaining(done)} left",
        )
        niches, active = len(self._population.niches), len(self._population.pairs)
        figures = Text(
            f"{active} active, {niches - active} retired, {niches - 1} admitted, "
            f"{_annecs(self._config, self._population)}"
            f"{self._transfers} transfers accepted, {self._pace.speed:,.0f} steps/s"
        )
        happened = [Text(line, overflow="ellipsis", no_wrap=True, style="dim") for line in self._events]
        body = Group(progress, self._phases, figures, self._pairs(), *happened)
        return Panel(body, title=Text(f"POET {printable(str(self._folder))}"), title_align="left")

    def _pairs(self) -> Table:
        descriptions = self._descriptions.of(self._population)
        table = Table(box=None, expand=True)
        for heading in ("niche", "parent", "born"):
            table.add_column(heading, justify="right")
        table.add_column("environment", ratio=1, min_width=24, no_wrap=True, overflow="ellipsis")
        table.add_column("score", justify="right")
        table.add_column("", max_width=24)
        table.add_column("best", justify="right")
        table.add_column("solved", justify="right")
        for pair in self._population.pairs:
            table.add_row(*self._row(pair, descriptions[pair.niche.id]))
        return table

    def _row(self, pair: Pair, description: str) -> list[Text | ProgressBar | str]:
        niche, score = pair.niche, pair.score
        bar: ProgressBar | str = ""
        if score is not None:
            # Full at the minimal criterion's upper bound: an agent for which its environment is too easy.
            full = max(self._config.minimal_criterion.upper, 1.0)
            bar = ProgressBar(total=full, completed=min(max(score, 0), full))
        return [
            str(niche.id),
            "-" if niche.parent is None else str(niche.parent),
            str(niche.born),
            description,
            "-" if score is None else f"{score:.1f}",
            bar,
            "-" if pair.best is None else f"{pair.best.score:.1f}",
            "" if pair.solved is None else str(pair.solved),
        ]
