"""Work items for tests of executors, and the program that runs them as an MPI job: python -m items NAME."""

import ctypes
import json
import os
import resource
import signal
import sys
import time
from functools import partial

from cluster import mpi
from cluster.dispatch import Patience
from cluster.executor import Failure, run
from cluster.launch import launched


def square(x):
    return x * x


def fail(x):
    raise ArithmeticError(f"no square of {x}")


def nap(seconds, x):
    time.sleep(seconds)
    return x * x


def end_worker():
    os.kill(os.getpid(), signal.SIGKILL)


def stop_worker():
    os.kill(os.getpid(), signal.SIGSTOP)


def stop_worker_once(path):
    """Freeze the first worker that runs it, as a machine that swaps or a network file system does."""
    try:
        with open(path, "x", encoding="utf-8"):  # noqa: PTH123 - the mode is the point
            os.kill(os.getpid(), signal.SIGSTOP)
    except FileExistsError:
        pass
    return "thawed"


def deafen_worker_once(path):
    """Hang in a library that never lets Python's other threads run."""
    try:
        with open(path, "x", encoding="utf-8"):  # noqa: PTH123 - the mode is the point
            ctypes.PyDLL(None).sleep(600)
    except FileExistsError:
        pass
    return "thawed"


def lambda_result(x):
    return lambda: x


def rank_here():
    return launched().rank


def plain(executor):
    seen = []
    results = [run(executor, [partial(square, x) for x in range(200)], seen.append) for _ in range(3)]
    return {"right": results == 3 * [[x * x for x in range(200)]], "seen": seen, "empty": run(executor, [])}


def failures(executor):
    return [str(result) for result in run(executor, [partial(square, 2), partial(fail, 7), partial(square, 3)])]


def unsendable(executor):
    return [str(result) for result in run(executor, [partial(lambda_result, 2), partial(square, 3)])]


def crash(executor):
    results = run(executor, [*(partial(square, x) for x in range(20)), end_worker])
    return {"workers": executor.workers, "failure": str(results.pop()), "right": results == [x * x for x in range(20)]}


def deaf(executor):
    return hang(executor, deafen_worker_once)


def hang(executor, hang_once=stop_worker_once):
    items = [partial(nap, 0.02, x) for x in range(60)]
    run(executor, items)  # to know what they cost
    once = partial(hang_once, os.environ["HANG_FILE"])
    results = run(executor, [once, *items])
    again = run(executor, items)
    return {"right": results == ["thawed", *(x * x for x in range(60))], "again": again == results[1:]}


def hang_always(executor):
    results = run(executor, [stop_worker, *(partial(square, x) for x in range(20))])
    failure = results.pop(0)
    assert isinstance(failure, Failure)
    return {"failure": str(failure), "right": results == [x * x for x in range(20)], "workers": executor.workers}


def wait(executor):
    """Measure what the master does while the workers do all."""
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    run(executor, [partial(nap, 0.25, x) for x in range(16)])
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": time.monotonic() - started, "processor": spent}


def spread(executor):
    """Which ranks ran something."""
    return sorted(set(run(executor, [rank_here for _ in range(100)])))


def endless(executor):
    run(executor, [partial(nap, 600, 0)] * executor.workers)


def main(name):
    launch = launched()
    if launch.serves:
        mpi.serve(launch)
    patience = float(os.environ.get("HANG_SECONDS", "60"))
    ranks = mpi.Ranks(launch, Patience(factor=5, floor=patience, unknown=patience))
    sys.stdout.write(f"RESULT {json.dumps(globals()[name](ranks))}\n")
    ranks.close()
    ranks.leave(0)


if __name__ == "__main__":
    import items  # so that items are called by a name that processes apart can import as well

    items.main(sys.argv[1])
