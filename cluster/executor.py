"""The protocol by which work is handed out, and its plainest form: here, one after another.

A work item is a picklable callable without arguments whose result depends on
nothing but itself. So any executor, with any number of workers and any
failures on the way, returns the same list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")

WorkItem = Callable[[], T]
Progress = Callable[[int], None]
"""Called with the number of items done so far in this `run`."""


class WorkItemError(RuntimeError):
    """A work item raised; the message names the item and holds the traceback."""


class Executor(Protocol):
    """Where work items run. No caller knows whether that is here or a thousand nodes away."""

    workers: int

    def run(self, items: Sequence[WorkItem[T]], progress: Progress | None = None) -> list[T]:
        """Run every item and return the results in the items' order.

        Raises:
            WorkItemError: an item raised an exception.
        """
        ...

    def close(self) -> None:
        """Let go of the workers."""
        ...


class InProcess:
    """Runs items in the calling process."""

    workers = 1

    def run(self, items: Sequence[WorkItem[T]], progress: Progress | None = None) -> list[T]:
        """Run every item in order; see `Executor.run`."""
        results = []
        for done, item in enumerate(items, start=1):
            try:
                results.append(item())
            except Exception as error:
                raise WorkItemError(f"{item} failed: {error!r}") from error
            if progress is not None:
                progress(done)
        return results

    def close(self) -> None:
        """Nothing to let go of."""
