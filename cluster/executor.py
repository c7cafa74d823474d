"""The protocol by which work is handed out, and its plainest form: here, one after another.

A work item is a picklable callable without arguments whose result depends on
nothing but itself. So any executor, with any number of workers and any
failures on the way, gives the same result for it. More items may be submitted
while others run, so that what depends on a few need not wait for all.

An item may say more of itself, which an executor may use to spread the work
and which never changes a result: `amount`, how much work it is, and `kind`, a
hashable name of those whose cost goes with their amount, or `amounts`, by kind
where it is of several; `shared`, the names of its attributes whose values it
has in common with many others, so that they need to be sent only once; and
`parts`, of which each may have shared values too. Shared values must not be
changed by an item.

Where a process has a device that does much at once, items may say so: `room`
is how much work, in `amount`, the process that asks had best take at once, and
0 where one item after another is as good; `together(items)`, a function of
their class, then gives the results of several. An error with `ends_run` says
that what items run on is lost, so that no other item would fare better.
"""

from __future__ import annotations

import heapq
import traceback
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, Protocol, TypeVar

__all__ = ["Executor", "Failure", "InProcess", "Progress", "WorkItem", "WorkersError", "run"]

T = TypeVar("T")

LEAST = 1 / 256  # of its room: less does not show what a device can do, and would not be given to it at all

WorkItem = Callable[[], T]
Progress = Callable[[int], None]
"""Called with the number of items done so far."""


@dataclass(frozen=True, slots=True)
class Failure:
    """In place of the result of an item that raised, or that ended its worker each time it was tried."""

    item: str  # enough to run it again by hand
    reason: str
    final: bool = False  # what items run on is lost; the reason is a sentence

    def __str__(self) -> str:
        return f"{self.item} failed: {self.reason}"


def failure(item: WorkItem[Any], error: Exception) -> Failure:
    """Say that an item raised; to be called while the error is handled."""
    if getattr(error, "ends_run", False):
        return Failure(str(item), str(error), final=True)
    return Failure(str(item), traceback.format_exc())


def answers(items: Sequence[WorkItem[Any]]) -> list[Any]:
    """Run items in this process, together where that is meant; a `Failure` in the place of a result of one that raised.

    Raises:
        MemoryError, OSError: the machine's fault, not the items'.
    """
    if len(items) > 1 and room_for(items[0]):
        try:
            return list(type(items[0]).together(items))  # type: ignore[attr-defined]
        except (MemoryError, OSError):
            raise
        except Exception as error:
            if getattr(error, "ends_run", False):
                return [failure(item, error) for item in items]
    return [_answer(item) for item in items]


def room_for(item: WorkItem[Any]) -> float:
    """Say how much work like an item's this process had best take at once; none where it cannot say."""
    try:
        return float(getattr(item, "room", 0.0))
    except Exception:  # what is wrong, the item itself says when it runs
        return 0.0


def goes_together(item: WorkItem[Any]) -> bool:
    """Say whether an item is of a kind that may run together with others."""
    return callable(getattr(type(item), "together", None))


def _answer(item: WorkItem[Any]) -> Any:
    try:
        return item()
    except (MemoryError, OSError):
        raise
    except Exception as error:
        return failure(item, error)


class WorkersError(RuntimeError):
    """No worker is left, or can be kept alive."""


class Executor(Protocol):
    """Where work items run. No caller knows whether that is here or a thousand nodes away."""

    @property
    def workers(self) -> int:
        """How many items run at the same time."""
        ...

    def submit(self, items: Sequence[WorkItem[Any]], urgency: int = 0) -> Sequence[int]:
        """Take on items beside those under way, and return a ticket for each; the lowest urgency runs first."""
        ...

    def collect(self) -> Sequence[tuple[int, Any]]:
        """Wait for results and give those there are, by ticket, as they come; none if nothing is under way.

        In the place of the result of an item that failed stands a `Failure`, which harms no other item.
        """
        ...

    def abandon(self) -> None:
        """Forget every item whose result was not collected."""
        ...

    def close(self) -> None:
        """Let go of the workers."""
        ...


def run(executor: Executor, items: Sequence[WorkItem[T]], progress: Progress | None = None) -> list[T | Failure]:
    """Run every item, beside nothing else, and return the results in the items' order."""
    tickets = executor.submit(items)
    results: dict[int, T | Failure] = {}
    try:
        while len(results) < len(items):
            results.update(executor.collect())
            if progress is not None:
                progress(len(results))
    finally:
        executor.abandon()
    return [results[ticket] for ticket in tickets]


def amounts(item: WorkItem[Any]) -> Mapping[Hashable, float]:
    """Say how much work an item holds of each kind."""
    given: Mapping[Hashable, float] | None = getattr(item, "amounts", None)
    if given is None:
        given = {getattr(item, "kind", type(item).__name__): getattr(item, "amount", 1.0)}
    return {key: max(float(amount), 1e-9) for key, amount in given.items()}


def work(item: WorkItem[Any]) -> float:
    """Say how much work an item holds, of all kinds together."""
    return sum(amounts(item).values())


class InProcess:
    """Runs items in the calling process, one whenever results are asked for."""

    workers = 1

    def __init__(self) -> None:
        self._tickets = count()
        self._waiting: list[tuple[int, int, WorkItem[Any]]] = []  # a heap: urgency, ticket, item

    def submit(self, items: Sequence[WorkItem[Any]], urgency: int = 0) -> Sequence[int]:
        """Take on items; see `Executor.submit`."""
        tickets = list(islice(self._tickets, len(items)))
        for ticket, item in zip(tickets, items, strict=True):
            heapq.heappush(self._waiting, (urgency, ticket, item))
        return tickets

    def collect(self) -> Sequence[tuple[int, Any]]:
        """Run the most urgent item, and what goes with it; see `Executor.collect`."""
        if not self._waiting:
            return []
        taken = [heapq.heappop(self._waiting)]
        left = room_for(taken[0][2]) - work(taken[0][2])
        while self._waiting and goes_together(self._waiting[0][2]) and work(self._waiting[0][2]) <= left:
            taken.append(heapq.heappop(self._waiting))
            left -= work(taken[-1][2])
        try:
            results = answers([item for _, _, item in taken])
        except Exception as error:  # the machine's fault, and there is no other
            results = [failure(item, error) for _, _, item in taken]
        return [(ticket, result) for (_, ticket, _), result in zip(taken, results, strict=True)]

    def abandon(self) -> None:
        """Forget what was not run."""
        self._waiting.clear()

    def close(self) -> None:
        """Nothing to let go of."""
