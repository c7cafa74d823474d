"""The protocol by which work is handed out, and its plainest form: here, one after another.

A work item is a picklable callable without arguments whose result depends on
nothing but itself. So any executor, with any number of workers and any
failures on the way, returns the same list.

An item may say more of itself, which an executor may use to spread the work
and which never changes a result: `amount`, how much work it is, and `kind`, a
hashable name of those whose cost goes with their amount; and `shared`, the
names of its attributes whose values it has in common with many others, so that
they need to be sent only once. Shared values must not be changed by an item.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

T = TypeVar("T")

WorkItem = Callable[[], T]
Progress = Callable[[int], None]
"""Called with the number of items done so far in this `run`."""


@dataclass(frozen=True, slots=True)
class Failure:
    """In place of the result of an item that raised, or that ended its worker each time it was tried."""

    item: str  # enough to run it again by hand
    reason: str

    def __str__(self) -> str:
        return f"{self.item} failed: {self.reason}"


class WorkersError(RuntimeError):
    """No worker is left, or can be kept alive."""


class Executor(Protocol):
    """Where work items run. No caller knows whether that is here or a thousand nodes away."""

    @property
    def workers(self) -> int:
        """How many items run at the same time."""
        ...

    def run(self, items: Sequence[WorkItem[T]], progress: Progress | None = None) -> list[T | Failure]:
        """Run every item and return the results in the items' order; an item's failure harms no other."""
        ...

    def close(self) -> None:
        """Let go of the workers."""
        ...


class InProcess:
    """Runs items in the calling process."""

    workers = 1

    def run(self, items: Sequence[WorkItem[T]], progress: Progress | None = None) -> list[T | Failure]:
        """Run every item in order; see `Executor.run`."""
        results: list[T | Failure] = []
        for done, item in enumerate(items, start=1):
            try:
                results.append(item())
            except Exception:
                results.append(Failure(str(item), traceback.format_exc()))
            if progress is not None:
                progress(done)
        return results

    def close(self) -> None:
        """Nothing to let go of."""
