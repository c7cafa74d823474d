import functools
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from runs import alive, all_end, variables

from cluster.executor import Failure, InProcess, run
from cluster.processes import Processes


def square(x):
    return x * x


def slow_square(x):
    time.sleep(0.02)
    return x * x


def fail(x):
    raise ArithmeticError(f"no square of {x}")


def end_worker():
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(params=[InProcess, lambda: Processes(1), lambda: Processes(3)], ids=["here", "one", "three"])
def executor(request):
    executor = request.param()
    yield executor
    executor.close()


def test_results_come_in_the_items_order(executor):
    assert run(executor, [functools.partial(square, x) for x in range(50)]) == [x * x for x in range(50)]


def test_no_items_give_no_results(executor):
    assert run(executor, []) == []


def test_progress_counts_up_to_all(executor):
    seen = []
    run(executor, [functools.partial(square, x) for x in range(20)], seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 20


def test_failure_names_the_item_and_its_cause_and_harms_no_other(executor):
    items = [functools.partial(square, 2), functools.partial(fail, 7), functools.partial(square, 3)]
    for _ in range(4):
        four, failure, nine = run(executor, items)
        assert (four, nine) == (4, 9)
        assert isinstance(failure, Failure)
        assert re.search(r"fail.*7.* failed: [\s\S]*ArithmeticError: no square of 7", str(failure))


def test_items_join_while_others_run_and_each_ticket_gets_its_own_result(executor):
    results, asked = {}, {}
    asked |= {ticket: x for x, ticket in enumerate(executor.submit([functools.partial(square, x) for x in range(8)]))}
    while len(results) < len(asked):
        for ticket, result in executor.collect():
            results[ticket] = result
            x = asked[ticket] + 100
            if x < 500:
                (new,) = executor.submit([functools.partial(square, x)], urgency=x)
                asked[new] = x
    assert len(results) == 8 * 5
    assert results == {ticket: x * x for ticket, x in asked.items()}
    assert executor.collect() == []


def test_abandoned_items_give_no_results_and_later_ones_do(executor):
    executor.submit([functools.partial(slow_square, x) for x in range(20)])
    executor.collect()
    executor.abandon()
    assert executor.collect() == []
    assert run(executor, [functools.partial(square, x) for x in range(9)]) == [x * x for x in range(9)]


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
