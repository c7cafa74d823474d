"""The master's book by itself: a fake clock and no workers but in name."""

import random
import re
from dataclasses import dataclass

import pytest

from cluster.costs import Costs
from cluster.dispatch import SHARE, Dispatch, Load, Patience
from cluster.executor import Failure
from cluster.launch import Launch, launched


@dataclass(frozen=True)
class Item:
    amount: float
    kind: str = "a"


def taught(**seconds):
    """Costs that know how long a unit of each kind takes."""
    costs = Costs()
    for kind, spent in seconds.items():
        costs.learn(Item(1, kind), spent)
    return costs


def drain(dispatch, worker):
    """Hand everything to one worker; the indices of each chunk."""
    chunks = []
    while (chunk := dispatch.take(worker, 2, 0.0)) is not None:
        chunks.append(chunk.indices)
        dispatch.answer(worker, chunk.run, chunk.indices, [1e-3] * len(chunk.indices), 0.0)
    return chunks


def test_cost_is_learned_by_kind_and_goes_with_the_amount():
    costs = taught(quick=0.01, slow=1.0)
    assert costs.expect(Item(5, "quick")) == pytest.approx(0.05)
    assert costs.expect(Item(5, "slow")) == pytest.approx(5)
    assert 0.05 < costs.expect(Item(5, "never seen")) < 5
    assert Costs().expect(Item(5)) is None


def test_costliest_items_go_first_and_cheap_ones_travel_together():
    dispatch = Dispatch([1, 2], taught(quick=0.001, slow=1.0), Patience())
    dispatch.begin([Item(1, "quick")] * 400 + [Item(3, "slow"), Item(7, "slow")])
    chunks = drain(dispatch, 1)
    assert chunks[:2] == [(401,), (400,)]
    assert sorted(index for chunk in chunks for index in chunk) == list(range(402))
    assert len(chunks) < 60
    assert max(len(chunk) for chunk in chunks) * 0.001 == pytest.approx(0.4 / (2 * SHARE))


def test_unmeasured_items_go_one_by_one_in_their_order():
    dispatch = Dispatch([1], Costs(), Patience())
    dispatch.begin([Item(1)] * 5)
    assert drain(dispatch, 1) == [(0,), (1,), (2,), (3,), (4,)]


def test_worker_has_one_chunk_queued_and_no_more():
    dispatch = Dispatch([1], Costs(), Patience())
    dispatch.begin([Item(1)] * 5)
    assert [dispatch.take(1, 1, 0) is not None, dispatch.take(1, 1, 0)] == [True, None]
    assert [dispatch.take(1, 2, 0) is not None, dispatch.take(1, 2, 0)] == [True, None]


def test_lost_items_run_again_the_suspect_ones_apart():
    dispatch = Dispatch([1, 2], Costs(), Patience())
    dispatch.begin([Item(1)] * 3)
    first, second = dispatch.take(1, 2, 0), dispatch.take(1, 2, 0)
    assert dispatch.lose(1) == 2
    taken = [dispatch.take(2, 9, 0) for _ in range(3)]
    assert [(chunk.indices, chunk.careful) for chunk in taken] == [
        (first.indices, True),
        (second.indices, True),  # the answer to the first may have been lost with the worker
        ((2,), False),
    ]


def test_overdue_items_go_elsewhere_and_the_first_answer_counts():
    dispatch = Dispatch([1, 2], taught(a=1.0), Patience(factor=2, floor=10))
    dispatch.begin([Item(1)])
    chunk = dispatch.take(1, 2, now=100.0)
    assert dispatch.overdue(now=111.0) == []
    assert dispatch.overdue(now=112.1) == [1]
    assert dispatch.overdue(now=200.0) == []  # said once
    assert dispatch.take(1, 2, now=200.0) is None  # gets no more until it answers
    again = dispatch.take(2, 2, now=200.0)
    assert again.indices == chunk.indices
    dispatch.answer(1, chunk.run, ["late"], [1.0], 201.0)
    assert dispatch.done
    dispatch.answer(2, again.run, ["later"], [1.0], 202.0)
    assert dispatch.results == {0: "late"}


def test_overdue_items_go_to_two_workers_in_case_the_next_is_cut_off_too():
    dispatch = Dispatch([1, 2, 3], taught(a=1.0), Patience(factor=2, floor=10))
    dispatch.begin([Item(1)])
    dispatch.take(1, 2, now=0.0)
    dispatch.overdue(now=13.0)
    assert [dispatch.take(worker, 2, now=13.0).indices for worker in (2, 3)] == [(0,), (0,)]


def test_deadlines_move_when_the_master_was_stopped_itself():
    dispatch = Dispatch([1], taught(a=1.0), Patience(factor=2, floor=10))
    dispatch.begin([Item(1)])
    dispatch.take(1, 2, now=0.0)
    dispatch.postpone(100.0)
    assert dispatch.overdue(now=105.0) == []
    assert dispatch.overdue(now=113.0) == [1]


def test_answer_to_an_earlier_run_frees_the_worker_and_nothing_else():
    dispatch = Dispatch([1], Costs(), Patience())
    dispatch.begin([Item(1)])
    old = dispatch.take(1, 2, 0)
    dispatch.begin([Item(1)])
    dispatch.answer(1, old.run, ["old"], [1.0], 0)
    assert dispatch.results == {}
    assert not dispatch.workers[1].chunks


def test_queued_chunk_has_its_own_deadline():
    dispatch = Dispatch([1], taught(a=1.0), Patience(factor=2, floor=10))
    dispatch.begin([Item(1), Item(1)])
    first = dispatch.take(1, 2, now=0.0)
    dispatch.take(1, 2, now=0.0)
    dispatch.answer(1, first.run, [0], [1.0], now=11.0)
    assert dispatch.overdue(now=20.0) == []
    assert dispatch.overdue(now=23.1) == [1]


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_every_item_gets_its_own_result(seed):
    chance = random.Random(seed)
    dispatch = Dispatch(range(1, 9), taught(a=0.01, b=1.0), Patience(factor=1, floor=1))
    items = [Item(chance.uniform(0.1, 9), chance.choice("abc")) for _ in range(300)]
    dispatch.begin(items)
    now = 0.0
    while not dispatch.done:
        now += chance.uniform(0, 0.3)
        for worker in list(dispatch.workers):
            dispatch.take(worker, 2, now)
        worker = chance.choice(list(dispatch.workers))
        if chance.random() < 0.02 and len(dispatch.workers) > 1:
            dispatch.lose(worker)
        elif chance.random() < 0.8 and dispatch.workers[worker].chunks:
            chunk = dispatch.workers[worker].chunks[0]
            spent = [chance.uniform(0, 0.1) for _ in chunk.indices]
            dispatch.answer(worker, chunk.run, chunk.indices, spent, now)
        dispatch.overdue(now)
    given_up = {index for index, result in dispatch.results.items() if isinstance(result, Failure)}
    assert len(given_up) < 30
    assert all(dispatch.results[index] == index for index in range(300) if index not in given_up)


def test_load_report_names_the_slowest_host():
    load = Load()
    load.add(1, busy=9.0, idle=1.0, items=90)
    load.add(2, busy=30.0, idle=0.0, items=60)
    report = load.report({1: "swift", 2: "tardy"}, seconds=10)
    assert report == "load: 2 workers, 2% idle, 15.0 items/s, slowest host tardy at 500.0 ms an item"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, None),  # a batch script, not a step of MPI
        ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1"}, None),
        ({"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4"}, Launch(2, 4, False)),
        (
            {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "4", "OMPI_MCA_mpi_ft_enable": "1"},
            Launch(0, 4, True),
        ),
        ({"PMI_RANK": "1", "PMI_SIZE": "3"}, Launch(1, 3, False)),
        ({"PMIX_RANK": "3", "SLURM_STEP_NUM_TASKS": "8"}, Launch(3, 8, False)),
    ],
)
def test_launch_is_read_from_the_launchers_variables(variables, expected):
    assert launched(variables) == expected


def test_item_that_makes_workers_hang_is_given_up_by_name():
    dispatch = Dispatch([1, 2, 3, 4], taught(a=1.0), Patience(factor=1, floor=1))
    dispatch.begin([Item(1)])
    for worker in (1, 2, 3):
        assert dispatch.take(worker, 1, now=10.0 * worker) is not None
        assert dispatch.overdue(now=10.0 * worker + 5) == [worker]
    assert dispatch.done
    assert re.search(r"Item\(.*failed: 3 workers did not answer within 2 s", str(dispatch.results[0]))
