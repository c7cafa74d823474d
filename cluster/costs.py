"""What a work item is expected to cost, learned from what others like it took.

Expectations decide order, chunks and deadlines; they never influence results.
"""

from __future__ import annotations

from collections.abc import Hashable

from cluster.executor import WorkItem, amounts

MEMORY = 0.3  # weight of the newest measurement
KINDS = 4096  # remembered; the oldest are forgotten


class Costs:
    """Seconds for a unit of work, by kind."""

    def __init__(self) -> None:
        self._by_kind: dict[Hashable, float] = {}
        self._overall: float | None = None

    def learn(self, item: WorkItem[object], seconds: float) -> None:
        """Take in that an item took so long; of several kinds of work, each by as much more or less than expected."""
        work = amounts(item)
        rate = max(seconds, 1e-6) / sum(work.values())
        rates = {key: self._by_kind.get(key, self._overall or rate) for key in work}
        share = max(seconds, 1e-6) / sum(rates[key] * amount for key, amount in work.items())
        self._overall = _blend(self._overall, rate)
        for key in work:
            self._by_kind[key] = _blend(self._by_kind.pop(key, None), share * rates[key])
            if len(self._by_kind) > KINDS:
                del self._by_kind[next(iter(self._by_kind))]

    def expect(self, item: WorkItem[object]) -> float | None:
        """Give the seconds that an item will take; None before anything was measured."""
        if self._overall is None:
            return None
        return sum(self._by_kind.get(key, self._overall) * amount for key, amount in amounts(item).items())


def _blend(old: float | None, new: float) -> float:
    return new if old is None else (1 - MEMORY) * old + MEMORY * new
