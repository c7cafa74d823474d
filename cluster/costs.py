"""What a work item is expected to cost, learned from what others like it took.

Expectations decide order, chunks and deadlines; they never influence results.
"""

from __future__ import annotations

from collections.abc import Hashable

from cluster.executor import WorkItem

MEMORY = 0.3  # weight of the newest measurement
KINDS = 4096  # remembered; the oldest are forgotten


class Costs:
    """Seconds for a unit of work, by kind of item."""

    def __init__(self) -> None:
        self._by_kind: dict[Hashable, float] = {}
        self._overall: float | None = None

    def learn(self, item: WorkItem[object], seconds: float) -> None:
        """Take in that an item took so long."""
        rate = max(seconds, 1e-6) / amount(item)
        self._overall = _blend(self._overall, rate)
        key = kind(item)
        self._by_kind[key] = _blend(self._by_kind.pop(key, None), rate)
        if len(self._by_kind) > KINDS:
            del self._by_kind[next(iter(self._by_kind))]

    def expect(self, item: WorkItem[object]) -> float | None:
        """Give the seconds that an item will take; None before anything was measured."""
        rate = self._by_kind.get(kind(item), self._overall)
        return None if rate is None else rate * amount(item)


def amount(item: WorkItem[object]) -> float:
    """Say how much work an item holds, compared with others of its kind."""
    return max(float(getattr(item, "amount", 1.0)), 1e-9)


def kind(item: WorkItem[object]) -> Hashable:
    """Say which items cost the same for the same amount."""
    key: Hashable = getattr(item, "kind", type(item).__name__)
    return key


def _blend(old: float | None, new: float) -> float:
    return new if old is None else (1 - MEMORY) * old + MEMORY * new
