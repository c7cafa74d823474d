"""What every executor promises, as checks that their authors run: a line in a file of tests.

    from cluster.contract import executor_contract

    TestMine = executor_contract(lambda: MyExecutor(workers=3))

pytest collects the class and reports every check by its name. A check that fails says what was expected and what came.
Nothing here needs pytest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar

from cluster.executor import Executor, Failure, run

__all__ = ["ExecutorContract", "executor_contract"]


def square(x: int) -> int:
    """Do little."""
    return x * x


def slow_square(x: int) -> int:
    """Take longer, the earlier an item comes: who gives results as they come, gives them out of order."""
    time.sleep(max(0.05 - 0.01 * x, 0.001))
    return x * x


def fail(x: int) -> int:
    """Raise."""
    raise ArithmeticError(f"no square of {x}")


def _expect(holds: bool, expected: str, came: object) -> None:
    if not holds:
        raise AssertionError(f"expected {expected}; came {came}")


class ExecutorContract:
    """What every `cluster.executor.Executor` promises; see `executor_contract`."""

    make: ClassVar[staticmethod[[], Executor]]

    def test_results_come_in_the_items_order(self) -> None:
        with self._open() as executor:
            came = run(executor, [partial(slow_square, x) for x in range(30)])
        _expect(came == [x * x for x in range(30)], "the squares of 0 to 29 in the items' order", came)

    def test_each_ticket_gets_the_result_of_its_own_item(self) -> None:
        with self._open() as executor:
            tickets = list(executor.submit([partial(slow_square, x) for x in range(12)]))
            _expect(len(set(tickets)) == 12, "12 tickets, each another", tickets)
            came = _gather(executor, 12)
        expected = {ticket: x * x for x, ticket in enumerate(tickets)}
        _expect(came == expected, f"for each ticket the square of its item, {expected}", came)

    def test_items_join_while_others_run(self) -> None:
        with self._open() as executor:
            asked = dict(zip(executor.submit([partial(square, x) for x in range(8)]), range(8), strict=True))
            results: dict[int, Any] = {}
            while len(results) < len(asked):
                for ticket, result in executor.collect():
                    results[ticket] = result
                    x = asked[ticket] + 100
                    if x < 500:
                        (new,) = executor.submit([partial(square, x)], urgency=x)
                        asked[new] = x
            expected = {ticket: x * x for ticket, x in asked.items()}
            _expect(results == expected, "for each of 40 tickets the square of its item", results)
            left = list(executor.collect())
        _expect(left == [], "nothing to collect when all is collected", left)

    def test_no_items_give_no_results(self) -> None:
        with self._open() as executor:
            came = run(executor, [])
            nothing = list(executor.collect())
        _expect(came == [] and nothing == [], "no results of no items", (came, nothing))

    def test_an_item_that_raises_is_told_with_its_cause_and_harms_no_other(self) -> None:
        with self._open() as executor:
            for _ in range(4):
                four, failure, nine = run(executor, [partial(square, 2), partial(fail, 7), partial(square, 3)])
                _expect((four, nine) == (4, 9), "4 and 9 of the items beside the one that raises", (four, nine))
                _expect(isinstance(failure, Failure), "a Failure in the place of the item that raises", repr(failure))
                told = all(word in str(failure) for word in ("fail", "7", "ArithmeticError: no square of 7"))
                _expect(told, "a Failure that names the item and its cause", str(failure))

    def test_abandoned_items_give_no_results_and_later_ones_do(self) -> None:
        with self._open() as executor:
            executor.submit([partial(slow_square, x) for x in range(20)])
            executor.collect()
            executor.abandon()
            left = list(executor.collect())
            _expect(left == [], "nothing to collect after abandon()", left)
            came = run(executor, [partial(square, x) for x in range(9)])
        _expect(came == [x * x for x in range(9)], "the squares of 0 to 8 after abandon()", came)

    def test_progress_counts_up_to_all(self) -> None:
        seen: list[int] = []
        with self._open() as executor:
            run(executor, [partial(square, x) for x in range(20)], seen.append)
        _expect(seen == sorted(seen) and seen[-1:] == [20], "counts that rise to 20", seen)

    def test_it_says_how_many_items_run_at_once(self) -> None:
        with self._open() as executor:
            workers = executor.workers
        _expect(workers >= 1, "at least one worker", workers)

    @contextmanager
    def _open(self) -> Iterator[Executor]:
        executor = self.make()
        try:
            yield executor
        finally:
            executor.close()


def executor_contract(make: Callable[[], Executor]) -> type[ExecutorContract]:
    """Give the checks of an executor, for pytest to collect.

    Args:
        make: makes an executor, which each check closes; items are functions of this module, which workers import.
    """
    return type("ExecutorContract", (ExecutorContract,), {"make": staticmethod(make)})


def _gather(executor: Executor, count: int) -> dict[int, Any]:
    results: dict[int, Any] = {}
    while len(results) < count:
        found = executor.collect()
        _expect(len(found) > 0, f"{count - len(results)} more results", "none")
        results.update(found)
    return results
