"""The one door for all evaluation: it runs what is asked for on the workers, and keeps count.

Optimisation, scores, children, transfers, novelty, rescoring and `poet evaluate` all come through here. Results do not
depend on how rows were packed, where they ran, or what failed on the way.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.domain import Domain, Environment, Outcome, Rollouts
from evolution.chains import Chain, Exchange, Failed, Flow, Workers
from evolution.noise import Key
from evolution.packing import Answer, Line, Piece
from evolution.requests import Item, Request, ScoreRequest, Simulation

logger = logging.getLogger(__name__)

PATIENCE = 10  # work items with episodes that may fail before one has succeeded
SOON = 0  # the urgency of what is little work, and awaited; that of a step's episodes is above


@dataclass
class Tally:
    """What evaluations cost, by purpose."""

    episodes: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    diverged: int = 0
    crashed: int = 0  # of the diverged: episodes that no engine survived

    def add(self, purpose: str, rollouts: Rollouts) -> None:
        """Count some episodes."""
        self.episodes[purpose] += len(rollouts.returns)
        self.steps[purpose] += int(rollouts.lengths.sum())
        self.diverged += rollouts.count(Outcome.DIVERGED)

    def absorb(self, other: Tally) -> None:
        """Count what another counted."""
        self.episodes += other.episodes
        self.steps += other.steps
        self.diverged += other.diverged
        self.crashed += other.crashed


PhaseListener = Callable[[str, int, int], None]
"""Called with a phase's purpose, its episodes done and its episodes in all."""


@dataclass(slots=True)
class _Phase:
    """How far a phase is, for whoever listens."""

    purpose: str
    episodes: int
    done: int = 0


class EvaluationError(RuntimeError):
    """Nothing could be simulated: no crash of one controller, but something wrong with all."""


class Evaluator:
    """Runs requests through an executor and keeps count."""

    def __init__(
        self,
        simulation: Simulation,
        executor: Workers,
        listener: PhaseListener | None = None,
        *,
        every_episode: bool = False,
    ) -> None:
        """Take how and where episodes are run, and who hears how far they are.

        Where `every_episode` counts, one that no engine survives is an EvaluationError; else it counts as diverged.
        """
        self.simulation = simulation
        self._every_episode = every_episode
        self.executor = executor
        self.tally = Tally()
        self._listener = listener
        self._exchange = Exchange(executor)
        self._line = Line(self._exchange, executor, self._deliver)
        self._phases: list[_Phase] = []  # under way, the innermost last
        self._last_failure = ""
        self._computed = self._failed = 0  # work items with episodes

    @property
    def domain(self) -> Domain:
        """The domain that everything is simulated in."""
        return self.simulation.make_domain()

    @contextmanager
    def side_by_side(self, purpose: str, episodes: int) -> Iterator[Flow]:
        """Run chains of evaluations at once, with so many episodes in all; give up what is not done.

        The chains get their results from `rollouts` and `compute`, and may go on while another phase waits for its own.
        """
        flow = Flow(self._work)
        self._phases.append(_Phase(purpose, episodes))
        try:
            yield flow
        finally:
            flow.close()
            self._phases.pop()
            if not self._phases:  # else what was given up shares items with what goes on
                self._line.clear()
                self._exchange.abandon()

    def run(self, purpose: str, requests: Sequence[Request]) -> list[Rollouts]:
        """Run requests that depend on nothing, and return one `Rollouts` for each, in order."""
        with self.side_by_side(purpose, sum(request.episodes for request in requests)) as flow:
            chains = [flow.start(self.rollouts(purpose, request)) for request in requests]
            return [flow.wait(chain) for chain in chains]

    async def rollouts(
        self, purpose: str, request: Request, urgency: int = SOON, tally: Tally | None = None
    ) -> Rollouts:
        """Run a request's episodes and count them; part of a chain.

        Args:
            purpose: that they are counted under.
            request: for the episodes.
            urgency: the lowest runs first.
            tally: to count them in, rather than in that of the evaluator.
        """
        answer = await self._line.join(request, urgency)
        tally = self.tally if tally is None else tally
        tally.crashed += answer.crashed
        tally.add(purpose, answer.rollouts)
        return answer.rollouts

    async def compute(
        self, purpose: str, items: Sequence[Any], urgency: int = SOON, tally: Tally | None = None
    ) -> list[Any]:
        """Run other work items and give what they return; part of a chain.

        Args:
            purpose: that the episodes in their results are counted under, where a result has `rollouts`.
            items: `item()` gives a result; one without `episodes` is little work, runs soon, and here if need be.
                The episodes of one that has them and fails are counted as diverged.
            urgency: of those with `episodes`; the lowest runs first.
            tally: to count in, rather than in that of the evaluator.

        Raises:
            EvaluationError: an item that runs episodes failed; whoever awaits it may catch that and go on.
        """
        tally = self.tally if tally is None else tally
        small = not any(hasattr(item, "episodes") for item in items)
        results = await self._exchange.submit(items, SOON if small else urgency)
        self._note(sum(getattr(item, "episodes", 0) for item in items))
        found, failures = [], []
        for item, result in zip(items, results, strict=True):
            if isinstance(result, Failed) and hasattr(item, "episodes"):  # what ended its worker would end us
                self._count_as_diverged(result)
                tally.crashed += item.episodes
                tally.add(purpose, self._diverged(item.episodes))
                failures.append(_told(result))
                self._failed += 1
                continue
            own = item() if isinstance(result, Failed) else result  # fails as it did there, with the cause at hand
            if isinstance(rollouts := getattr(own, "rollouts", None), Rollouts):
                tally.add(purpose, rollouts)
            found.append(own)
            self._computed += hasattr(item, "episodes")
        if failures:
            raise EvaluationError(failures[0])
        return found

    def score_request(self, theta: NDArray[np.float64], environment: Environment, key: Key, episodes: int) -> Request:
        """Ask for an agent's episodes in an environment."""
        return ScoreRequest(
            simulation=self.simulation,
            environment=environment,
            theta=theta.astype(np.float32),
            key=key,
            start=0,
            stop=episodes,
        )

    def take_tally(self) -> Tally:
        """Hand over the count and start a new one.

        Raises:
            EvaluationError: every single episode since the last count has failed, or every work item that runs
                episodes and there were `PATIENCE`.
        """
        tally, self.tally = self.tally, Tally()
        if tally.crashed and tally.crashed == tally.episodes.total():
            raise EvaluationError(f"no episode could be simulated; the last failure was: {self._last_failure}")
        if self._failed >= PATIENCE and not self._computed:
            raise EvaluationError(
                f"not one of {self._failed} steps could be run; the last failure was: {self._last_failure}"
            )
        return tally

    def _work(self) -> None:
        """Hand out what must wait no longer, and wait for results."""
        self._line.advance()
        self._exchange.take_in()

    def _note(self, episodes: int) -> None:
        if self._phases and self._listener is not None:
            phase = self._phases[-1]
            phase.done += episodes
            self._listener(phase.purpose, min(phase.done, phase.episodes), phase.episodes)

    def _deliver(self, item: Item, pieces: Sequence[Piece], urgency: int) -> None:
        Chain(self._play(item, pieces, urgency))

    async def _play(self, item: Item, pieces: Sequence[Piece], urgency: int) -> None:
        """Have an item's rows run, and give everybody theirs."""
        (result,) = await self._exchange.submit([item], urgency)
        if isinstance(result, Rollouts):
            self._check(result, item)
            ends = np.cumsum([part.episodes for part in item.parts]).tolist()
            answers = [
                Answer(result.rows(slice(end - part.episodes, end))) for end, part in zip(ends, item.parts, strict=True)
            ]
        else:
            answers = await self._rescue(item.parts)
        self._note(item.episodes)
        self._line.rows -= item.episodes
        for piece, answer in zip(pieces, answers, strict=True):
            piece.asked.put(piece.start, answer)

    async def _rescue(self, parts: Sequence[Request]) -> list[Answer]:
        """Find the episodes that no engine survives and let them count as diverged: part by part, then one by one."""
        apart = [Item((part,)) for part in parts]
        found: list[Any] = await self._exchange.submit(apart, SOON) if len(apart) > 1 else [None]
        singles = [
            [] if isinstance(result, Rollouts) else list(part.split(1))
            for part, result in zip(parts, found, strict=True)
        ]
        alone = [Item((single,)) for each in singles for single in each]
        tried = iter(zip(alone, await self._exchange.submit(alone, SOON), strict=True))
        answers = []
        for item, result, each in zip(apart, found, singles, strict=True):
            if isinstance(result, Rollouts):
                self._check(result, item)
                answers.append(Answer(result))
            else:
                answers.append(self._salvaged([next(tried) for _ in each]))
        return answers

    def _salvaged(self, tried: Sequence[tuple[Item, Any]]) -> Answer:
        rollouts, crashed = [], 0
        for item, result in tried:
            if isinstance(result, Rollouts):
                self._check(result, item)
                rollouts.append(result)
                continue
            if self._every_episode:
                raise EvaluationError(_told(result))
            self._count_as_diverged(result)
            crashed += item.episodes
            rollouts.append(self._diverged(item.episodes))
        return Answer(Rollouts.join(rollouts), crashed)

    def _count_as_diverged(self, failed: Failed) -> None:
        self._last_failure = _told(failed)
        logger.error("counted as diverged: %s", self._last_failure)
        logger.debug("%s", failed.reason)

    def _diverged(self, n: int) -> Rollouts:
        outcomes = np.full(n, Outcome.DIVERGED, dtype=np.int8)
        return Rollouts(np.full(n, self.domain.fall_return), np.zeros(n, dtype=np.int32), outcomes)

    def _check(self, found: Rollouts, item: Item) -> None:
        """Refuse what a domain returned if it lacks episodes or has more."""
        try:
            found.check(item.episodes, self.simulation.domain)
        except ValueError as error:
            raise EvaluationError(str(error)) from error


def _told(failed: Failed) -> str:
    """Say in one line what failed and why: of a traceback, its exception's."""
    lines = failed.reason.rpartition("Traceback (most recent call last):")[2].splitlines()
    reason = next((line for line in lines if line and not line[0].isspace()), failed.reason.strip())
    return f"{failed.item} failed: {reason}"
