import functools
import importlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

import pytest
from runs import alive, all_end, variables

from cluster.contract import executor_contract
from cluster.executor import Failure, InProcess, run
from cluster.processes import Processes
from environments.contracts import failures


def square(x):
    return x * x


def slow_square(x):
    time.sleep(0.02)
    return x * x


def end_worker():
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Square:
    """Gives with its square the number of items that ran together with it, in the process named by `of` alone."""

    x: int
    of: str = "all"
    amount = 10

    @property
    def room(self):
        return 45 if self.of in ("all", os.environ.get("POET_CREW", "alone")) else 0

    @staticmethod
    def together(items):
        if any(item.x == LOST for item in items):
            raise CardLostError("the card is lost")
        if any(item.x == ILL for item in items):
            raise ArithmeticError("no square")
        return [(item.x**2, len(items)) for item in items]

    def __call__(self):
        (found,) = self.together([self])
        return found


LOST, ILL = -1, -2


class CardLostError(RuntimeError):
    ends_run = True


TestHere = executor_contract(InProcess)
TestOneProcess = executor_contract(lambda: Processes(1))
TestThreeProcesses = executor_contract(lambda: Processes(3))


class Reorders(InProcess):
    """Answers under the ticket that is next, not under the item's own."""

    def collect(self):
        found = [*super().collect(), *super().collect()]  # one each
        tickets, results = [ticket for ticket, _ in found], [result for _, result in found]
        return list(zip(tickets, reversed(results), strict=True))


class LetsItemsRaise(InProcess):
    def collect(self):
        (found,) = super().collect() or [None]
        if found is not None and isinstance(found[1], Failure):
            raise ArithmeticError(found[1].reason)
        return [found] if found else []


class ForgetsToAbandon(InProcess):
    def abandon(self):
        pass


class GivesAFailureNoName(InProcess):
    def collect(self):
        return [(at, Failure("an item", "?") if isinstance(it, Failure) else it) for at, it in super().collect()]


@pytest.mark.parametrize(
    ("kind", "check", "words"),
    [
        (Reorders, "test_each_ticket_gets_the_result_of_its_own_item", "for each ticket the square of its item"),
        (Reorders, "test_results_come_in_the_items_order", "in the items' order"),
        (LetsItemsRaise, "test_an_item_that_raises_is_told_with_its_cause_and_harms_no_other", "ArithmeticError"),
        (
            ForgetsToAbandon,
            "test_abandoned_items_give_no_results_and_later_ones_do",
            "nothing to collect after",
        ),
        (GivesAFailureNoName, "test_an_item_that_raises_is_told_with_its_cause_and_harms_no_other", "names the item"),
    ],
)
def test_a_broken_executor_fails_the_check_that_is_about_its_fault(kind, check, words):
    found = failures(executor_contract(kind))
    assert words in found.get(check, ""), found


def test_urgent_items_run_before_those_that_wait():
    executor, order = InProcess(), []
    for urgency in (2, 0, 1, 0):
        executor.submit([functools.partial(order.append, urgency)], urgency)
    while executor.collect():
        pass
    assert order == [0, 0, 1, 2]


def test_killed_workers_are_replaced_and_their_items_run_again():
    executor = Processes(3)
    killed = []

    def kill_now_and_then():
        for number in range(5):
            time.sleep(0.2)
            worker = executor._pool[number % 3]
            os.kill(worker.process.pid, signal.SIGKILL)
            killed.append(worker.process.pid)

    killer = threading.Thread(target=kill_now_and_then)
    killer.start()
    results = run(executor, [functools.partial(slow_square, x) for x in range(300)])
    killer.join()
    executor.close()
    assert len(killed) == 5
    assert results == [x * x for x in range(300)]


def test_item_that_always_ends_its_worker_is_given_up_by_name_and_the_others_are_done():
    executor = Processes(2)
    items = [functools.partial(square, x) for x in range(40)]
    results = run(executor, [*items[:20], end_worker, *items[20:]])
    executor.close()
    failure = results.pop(20)
    assert re.search(r"end_worker.* failed: it ended its worker 3 times", str(failure))
    assert results == [x * x for x in range(40)]


class Unreadable:
    """An item that a worker cannot make anew, as one of a script's own is not."""

    def __reduce__(self):
        return importlib.import_module, ("no_such_module",)

    def __call__(self):
        return None


def test_item_that_a_worker_cannot_read_is_told_with_its_cause_and_ends_no_worker():
    executor = Processes(1)
    pid = executor._pool[0].process.pid
    four, failure, nine = run(executor, [functools.partial(square, 2), Unreadable(), functools.partial(square, 3)])
    assert executor._pool[0].process.pid == pid
    executor.close()
    assert (four, nine) == (4, 9)
    assert re.search(r"could not be read failed: [\s\S]*no_such_module", str(failure))


def test_workers_that_cannot_start_end_the_run_and_not_a_loop(tmp_path):
    # Whatever a cluster's environment does to Python's start-up, it must not spin for ever.
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'spawn_main' in ' '.join(sys.orig_argv): os._exit(7)\n"
    )
    code = (
        "from cluster.processes import Processes\nfrom cluster.executor import WorkersError, run\n"
        "import functools, operator\n"
        "if __name__ == '__main__':\n"
        "    try: run(Processes(2), [functools.partial(operator.add, 1, 2)] * 4)\n"
        "    except WorkersError as error: print(error)\n"
    )
    paths = os.pathsep.join([str(tmp_path), variables()["PYTHONPATH"]])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=variables(PYTHONPATH=paths),
    )
    assert "10 workers ended while starting, the last with 7" in done.stdout


def test_closing_leaves_no_process():
    executor = Processes(2)
    pids = [worker.process.pid for worker in executor._pool]
    executor.close()
    assert not any(alive(pid) for pid in pids)


def test_workers_leave_when_their_master_is_killed():
    code = (
        "import time; from cluster.processes import Processes\n"
        "if __name__ == '__main__':\n"
        "    pool = Processes(2)\n"
        "    print(*[w.process.pid for w in pool._pool], flush=True)\n"
        "    time.sleep(60)\n"
    )
    master = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=variables())
    with master:
        pids = [int(pid) for pid in master.stdout.readline().split()]
        assert len(pids) == 2
        time.sleep(0.5)
        master.kill()
    assert all_end(pids)


def test_workers_keep_their_libraries_to_one_thread():
    executor = Processes(1)
    assert run(executor, [functools.partial(os.getenv, "OMP_NUM_THREADS")]) == ["1"]
    executor.close()


@pytest.mark.parametrize("make", [InProcess, lambda: Processes(2)])
def test_a_process_with_room_runs_items_together_and_gives_each_its_own_result(make):
    executor = make()
    try:
        found = run(executor, [Square(x) for x in range(20)])
        assert [square for square, _ in found] == [x * x for x in range(20)]
        together = [count for _, count in found]
        assert max(together) == 4  # of 10 each, 45 have room
        mixed = run(executor, [Square(3), lambda_free, Square(4)])
        assert (mixed[0][0], mixed[1], mixed[2][0]) == (9, 5, 16)
    finally:
        executor.close()


def lambda_free():
    return 5


class Unsure:
    """Cannot say how much room there is, for the reason that it cannot run either."""

    @property
    def room(self):
        raise ValueError("there is no such engine here")

    @staticmethod
    def together(items):
        return [item() for item in items]

    def __call__(self):
        raise ValueError("there is no such engine here")


@pytest.mark.parametrize("make", [InProcess, lambda: Processes(1)])
def test_an_item_that_cannot_say_how_much_room_there_is_fails_by_its_own_reason(make):
    executor = make()
    try:
        for count in (1, 3):
            found = run(executor, [Unsure() for _ in range(count)])
            assert ["there is no such engine here" in str(failed) for failed in found] == [True] * count
    finally:
        executor.close()


@pytest.mark.parametrize("make", [InProcess, lambda: Processes(2)])
def test_one_that_fails_together_with_others_fails_alone_and_a_lost_card_is_final(make):
    executor = make()
    try:
        run(executor, [Square(x) for x in range(6)])  # whoever has room has said so
        found = run(executor, [Square(x) for x in (0, 1, ILL, 3, 4, 5)])
        assert [failed for failed in found if isinstance(failed, Failure)] == [found[2]]
        assert not found[2].final
        assert "ArithmeticError: no square" in found[2].reason
        lost = [failed for failed in run(executor, [Square(LOST)] * 3) if isinstance(failed, Failure)]
        assert [(each.reason, each.final) for each in lost] == [("the card is lost", True)] * 3
    finally:
        executor.close()
