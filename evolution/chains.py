"""Chains of evaluations, each of which waits for its own results and for nobody else's.

A chain is a coroutine: where it awaits the results of work items, the others go
on. What a chain returns cannot depend on when the others' results came in, as
long as it shares nothing with them but what it awaits.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

T = TypeVar("T")


@runtime_checkable
class Failed(Protocol):
    """What stands in the place of the result of an item that failed; `cluster.executor.Failure` is one."""

    item: str  # enough to run it again by hand
    reason: str


class LostError(RuntimeError):
    """What episodes run on is lost: none that are still to come could be run either."""


class Workers(Protocol):
    """What evaluation asks of an executor; `cluster.executor.Executor` is one."""

    @property
    def workers(self) -> int:
        """How many items run at the same time."""
        ...

    def submit(self, items: Sequence[Any], urgency: int = 0) -> Sequence[int]:
        """Take on items beside those under way, and return a ticket for each; the lowest urgency runs first."""
        ...

    def collect(self) -> Sequence[tuple[int, Any]]:
        """Wait for results and give those there are, by ticket; in the place of one that failed, what says why."""
        ...

    def abandon(self) -> None:
        """Forget every item whose result was not collected."""
        ...


class Pending(Generic[T]):
    """What will be there later. A chain awaits it."""

    def __init__(self) -> None:
        self.done = False
        self._result: T | None = None
        self.waiting: list[Chain[Any]] = []

    @property
    def result(self) -> T:
        """What was awaited, once it is `done`."""
        return self._result  # type: ignore[return-value]

    def settle(self, result: T) -> None:
        """Take the result, and let the chains go on that wait for it."""
        self.done, self._result = True, result
        waiting, self.waiting = self.waiting, []
        for chain in waiting:
            chain.advance()

    def __await__(self) -> Generator[Pending[Any], None, T]:
        if not self.done:
            yield self
        return self.result


class Chain(Pending[T]):
    """A coroutine under way, and what it will return."""

    def __init__(self, steps: Coroutine[Pending[Any], None, T]) -> None:
        super().__init__()
        self._steps: Coroutine[Pending[Any], None, T] | None = steps
        self.advance()

    def advance(self) -> None:
        """Go on to the next thing that is not there yet; nothing where it was given up."""
        if self._steps is None:
            return
        try:
            awaited = self._steps.send(None)
        except StopIteration as end:
            self.settle(end.value)
        else:
            awaited.waiting.append(self)

    def close(self) -> None:
        """Give it up."""
        if self._steps is not None:
            self._steps.close()
        self._steps = None


class Exchange:
    """The work items that are under way at the workers, and what awaits their results."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._places: dict[int, tuple[_Results, int]] = {}  # by ticket, in the order of `_numbers`
        self._numbers: dict[int, int] = {}  # of the items, by ticket: in which order they were handed out
        self.handed_out = 0

    @property
    def under_way(self) -> int:
        """How many items have no result yet."""
        return len(self._places)

    @property
    def oldest(self) -> int:
        """The number of the first item that has no result yet; of the next one if all have theirs."""
        return next(iter(self._numbers.values()), self.handed_out)

    def submit(self, items: Sequence[Any], urgency: int) -> Pending[list[Any]]:
        """Hand out work items; their results, in order, are there once all of them are."""
        results = _Results(len(items))
        for place, ticket in enumerate(self._workers.submit(items, urgency)):
            self._places[ticket] = results, place
            self._numbers[ticket] = self.handed_out
            self.handed_out += 1
        return results

    def take_in(self) -> None:
        """Wait for results, and let the chains go on that await them.

        Raises:
            LostError: an item says that what it ran on is lost.
        """
        for ticket, result in self._workers.collect():
            if isinstance(result, Failed) and getattr(result, "final", False):
                raise LostError(result.reason)
            results, place = self._places.pop(ticket)
            del self._numbers[ticket]
            results.put(place, result)

    def abandon(self) -> None:
        """Give up all that is under way."""
        if self._places:
            self._places.clear()
            self._numbers.clear()
            self._workers.abandon()


class Flow:
    """Chains that run at once."""

    def __init__(self, work: Callable[[], None]) -> None:
        """Take what lets work go on until some results are in."""
        self._work = work
        self._chains: list[Chain[Any]] = []

    def start(self, steps: Coroutine[Pending[Any], None, T]) -> Chain[T]:
        """Let a chain run to where it waits."""
        chain = Chain(steps)
        self._chains.append(chain)
        return chain

    def wait(self, chain: Chain[T]) -> T:
        """Let all chains go on until this one is at its end."""
        while not chain.done:
            self._work()
        return chain.result

    def close(self) -> None:
        """Give up the chains that are not at their end."""
        for chain in self._chains:
            chain.close()


class _Results(Pending[list[Any]]):
    """The results of some items that are awaited together."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._results: list[Any] = [None] * size
        self._missing = size
        if not size:
            self.settle([])

    def put(self, place: int, result: Any) -> None:
        self._results[place] = result
        self._missing -= 1
        if not self._missing:
            self.settle(self._results)
