"""The master's book by itself: a fake clock and no workers but in name."""

import random
import re
from dataclasses import dataclass

import pytest

from cluster.costs import Costs
from cluster.dispatch import SHARE, Dispatch, Load, Patience
from cluster.executor import Failure
from cluster.launch import SLURM, Launch, launched


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


def drain(dispatch):
    """Hand everything out, answered at once; the tickets of each chunk."""
    chunks = []
    while (handed := dispatch.next(0.0)) is not None:
        worker, chunk = handed
        chunks.append(chunk.tickets)
        dispatch.answer(worker, chunk.tickets, [1e-3] * len(chunk.tickets), 0.0)
    return chunks


def hand_out(dispatch, now=0.0):
    """Hand out as much as workers take: (worker, chunk) each."""
    return list(iter(lambda: dispatch.next(now), None))


def test_cost_is_learned_by_kind_and_goes_with_the_amount():
    costs = taught(quick=0.01, slow=1.0)
    assert costs.expect(Item(5, "quick")) == pytest.approx(0.05)
    assert costs.expect(Item(5, "slow")) == pytest.approx(5)
    assert 0.05 < costs.expect(Item(5, "never seen")) < 5
    assert Costs().expect(Item(5)) is None


def test_costliest_items_go_first_and_cheap_ones_travel_together():
    dispatch = Dispatch([1, 2], taught(quick=0.001, slow=1.0), Patience())
    dispatch.submit([Item(1, "quick")] * 400 + [Item(3, "slow"), Item(7, "slow")], 0)
    chunks = drain(dispatch)
    assert chunks[:2] == [(401,), (400,)]
    assert sorted(ticket for chunk in chunks for ticket in chunk) == list(range(402))
    assert len(chunks) < 60
    assert max(len(chunk) for chunk in chunks) * 0.001 == pytest.approx(0.4 / (2 * SHARE))


def test_urgent_items_go_before_costlier_ones_whenever_they_join():
    dispatch = Dispatch([1], taught(a=1.0), Patience())
    dispatch.submit([Item(1), Item(5)], 7)
    dispatch.submit([Item(2)], 3)
    assert drain(dispatch) == [(2,), (1,), (0,)]


def test_unmeasured_items_go_one_by_one_in_their_order():
    dispatch = Dispatch([1], Costs(), Patience())
    dispatch.submit([Item(1)] * 5, 0)
    assert drain(dispatch) == [(0,), (1,), (2,), (3,), (4,)]


def test_every_worker_has_a_chunk_before_any_has_one_queued_and_none_has_more():
    dispatch = Dispatch([1, 2, 3], Costs(), Patience())
    dispatch.submit([Item(1)] * 9, 0)
    assert [worker for worker, _ in hand_out(dispatch)] == [1, 2, 3, 1, 2, 3]
    dispatch.answer(2, [0], [1.0], 0.0)
    assert [worker for worker, _ in hand_out(dispatch)] == [2]


def test_lost_items_run_again_the_suspect_ones_apart():
    dispatch = Dispatch([1, 2], Costs(), Patience())
    dispatch.submit([Item(1)] * 5, 0)
    held = hand_out(dispatch)
    assert [worker for worker, _ in held] == [1, 2, 1, 2]
    assert dispatch.lose(1) == 2
    dispatch.answer(2, [1], [1.0], 0.0)
    dispatch.answer(2, [3], [1.0], 0.0)
    taken = [chunk for _, chunk in hand_out(dispatch)]
    # The answer to the first may have been lost with the worker.
    assert [(chunk.tickets, chunk.careful) for chunk in taken] == [((0,), True), ((2,), True)]


def test_overdue_items_go_elsewhere_and_the_first_answer_counts():
    dispatch = Dispatch([1, 2], taught(a=1.0), Patience(factor=2, floor=10))
    dispatch.submit([Item(1)], 0)
    ((_, chunk),) = hand_out(dispatch, 100.0)
    assert dispatch.overdue(now=111.0) == []
    assert dispatch.overdue(now=112.1) == [1]
    assert dispatch.overdue(now=200.0) == []  # said once
    (worker, again), *_ = hand_out(dispatch, 200.0)
    assert (worker, again.tickets) == (2, chunk.tickets)  # the other gets no more until it answers
    dispatch.answer(1, ["late"], [1.0], 201.0)
    assert dispatch.done
    dispatch.answer(2, ["later"], [1.0], 202.0)
    assert dispatch.collect() == [(0, "late")]


def test_overdue_items_go_to_two_workers_in_case_the_next_is_cut_off_too():
    dispatch = Dispatch([1, 2, 3], taught(a=1.0), Patience(factor=2, floor=10))
    dispatch.submit([Item(1)], 0)
    hand_out(dispatch)
    dispatch.overdue(now=13.0)
    assert [(worker, chunk.tickets) for worker, chunk in hand_out(dispatch, 13.0)] == [(2, (0,)), (3, (0,))]


def test_deadlines_move_when_the_master_was_stopped_itself():
    dispatch = Dispatch([1], taught(a=1.0), Patience(factor=2, floor=10))
    dispatch.submit([Item(1)], 0)
    hand_out(dispatch)
    dispatch.postpone(100.0)
    assert dispatch.overdue(now=105.0) == []
    assert dispatch.overdue(now=113.0) == [1]


def test_answer_to_abandoned_items_frees_the_worker_and_nothing_else():
    dispatch = Dispatch([1], Costs(), Patience())
    dispatch.submit([Item(1)], 0)
    hand_out(dispatch)
    dispatch.abandon()
    dispatch.submit([Item(1)], 0)
    dispatch.answer(1, ["old"], [1.0], 0)
    assert dispatch.collect() == []
    assert not dispatch.workers[1].chunks
    assert not dispatch.done


def test_queued_chunk_has_its_own_deadline():
    dispatch = Dispatch([1], taught(a=1.0), Patience(factor=2, floor=10))
    dispatch.submit([Item(1), Item(1)], 0)
    assert len(hand_out(dispatch)) == 2
    dispatch.answer(1, [0], [1.0], now=11.0)
    assert dispatch.overdue(now=20.0) == []
    assert dispatch.overdue(now=23.1) == [1]


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_every_item_gets_its_own_result(seed):
    chance = random.Random(seed)
    dispatch = Dispatch(range(1, 9), taught(a=0.01, b=1.0), Patience(factor=1, floor=1))
    items = [Item(chance.uniform(0.1, 9), chance.choice("abc")) for _ in range(300)]
    now, results = 0.0, {}
    while items or not dispatch.done:
        if items and chance.random() < 0.3:
            dispatch.submit([items.pop() for _ in range(min(20, len(items)))], chance.randint(0, 3))
        now += chance.uniform(0, 0.3)
        hand_out(dispatch, now)
        worker = chance.choice(list(dispatch.workers))
        if chance.random() < 0.02 and len(dispatch.workers) > 1:
            dispatch.lose(worker)
        elif chance.random() < 0.8 and dispatch.workers[worker].chunks:
            chunk = dispatch.workers[worker].chunks[0]
            spent = [chance.uniform(0, 0.1) for _ in chunk.tickets]
            dispatch.answer(worker, chunk.tickets, spent, now)
        dispatch.overdue(now)
        for ticket, result in dispatch.collect():
            assert ticket not in results
            results[ticket] = result
    given_up = {ticket for ticket, result in results.items() if isinstance(result, Failure)}
    assert len(given_up) < 30
    assert all(results[ticket] == ticket for ticket in range(300) if ticket not in given_up)


def test_load_report_names_the_slowest_host_even_when_its_worker_is_lost():
    load = Load()
    load.add(1, busy=9.0, idle=1.0, items=90)
    load.add(2, busy=30.0, idle=0.0, items=60)
    report = load.report({1: "swift", 2: "tardy"}, workers=1, seconds=10)
    assert report == "load: 1 workers, 2% idle, 15.0 items/s, slowest host tardy at 500.0 ms an item"


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
        ({"PMI_RANK": "1", "PMI_SIZE": "3"}, Launch(1, 3, False, ("PMI_RANK", "PMI_SIZE"))),
        (
            {"PMIX_RANK": "3", "SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "3"},
            Launch(3, 8, False, ("PMIX_RANK", "SLURM_STEP_NUM_TASKS")),
        ),
        ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}, Launch(1, 2, False, SLURM)),
        ({"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"}, None),
        (  # mpirun -n 1 inside a step of Slurm
            {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1", "PMIX_RANK": "0", "SLURM_STEP_NUM_TASKS": "4"},
            None,
        ),
    ],
)
def test_launch_is_read_from_the_launchers_variables(variables, expected):
    assert launched(variables) == expected


def test_item_that_makes_workers_hang_is_given_up_by_name():
    dispatch = Dispatch([1, 2, 3, 4], taught(a=1.0), Patience(factor=1, floor=1))
    dispatch.submit([Item(1)], 0)
    hung = []
    for now in (10.0, 20.0, 30.0, 40.0):
        hand_out(dispatch, now)
        hung += dispatch.overdue(now + 5)
    assert dispatch.done
    ((_, failure),) = dispatch.collect()
    assert len(hung) >= 3
    assert re.search(r"Item\(.*failed: 3 workers did not answer within 2 s", str(failure))


@dataclass(frozen=True)
class Joining(Item):
    """Of those that a worker with room runs together."""

    def together(self):
        raise NotImplementedError


def test_a_worker_with_room_gets_its_share_by_its_measured_speed_and_others_what_is_left():
    dispatch = Dispatch([1, 2, 3], taught(a=1.0), Patience())
    dispatch.submit([Joining(1)] * 3, 0)
    for worker, chunk in hand_out(dispatch):
        dispatch.answer(worker, chunk.tickets, [0.1 if worker == 1 else 1.0], 0.0, 100.0 if worker == 1 else 0.0)
    # What it can do is not known from one item: it gets all that it has room for.
    dispatch.submit([Joining(1)] * 60, 0)
    sent = dict(hand_out(dispatch)[:1])
    assert [len(chunk.tickets) for chunk in sent.values()] == [60]
    dispatch.answer(1, sent[1].tickets, [0.1 / 3] * 60, 2.0, 100.0)  # thirty times as fast as the others
    dispatch.submit([Joining(1)] * 64, 0)
    first = hand_out(dispatch)[:3]
    # Thirty of 32 parts of what the other two have left.
    assert {worker: len(chunk.tickets) for worker, chunk in first} == {1: 58, 2: 1, 3: 1}


def test_a_worker_with_room_that_is_lost_takes_its_speed_with_it():
    dispatch = Dispatch([1, 2], taught(a=1.0), Patience())
    dispatch.submit([Joining(1)] * 2, 0)
    for worker, chunk in hand_out(dispatch):
        dispatch.answer(worker, chunk.tickets, [0.1 if worker == 1 else 1.0], 0.0, 100.0 if worker == 1 else 0.0)
    dispatch.submit([Joining(1)] * 20, 0)
    sent = dict(hand_out(dispatch)[:1])
    dispatch.answer(1, sent[1].tickets, [0.01] * 20, 2.0, 100.0)  # a hundred times as fast
    dispatch.lose(1)
    dispatch.submit([Joining(1)] * 40, 0)
    assert [len(chunk.tickets) for _, chunk in hand_out(dispatch)] == [2, 2]  # as for one alone: 2 s


def test_a_worker_with_room_gets_enough_to_show_what_it_can_do_and_is_not_measured_by_less():
    dispatch = Dispatch([1, 2, 3], taught(a=1.0), Patience())
    dispatch.submit([Joining(1)] * 3, 0)
    for worker, chunk in hand_out(dispatch):
        dispatch.answer(worker, chunk.tickets, [1.0], 0.0, 2560.0 if worker == 1 else 0.0)

    def give(items, seconds):
        dispatch.submit([Joining(1)] * items, 0)
        sent = hand_out(dispatch)
        sizes = []
        for worker, chunk in sent:
            spent = [seconds if worker == 1 else 1.0] * len(chunk.tickets)
            dispatch.answer(worker, chunk.tickets, spent, 2.0, 2560.0 if worker == 1 else 0.0)
            sizes += [len(chunk.tickets)] if worker == 1 else []
        dispatch.abandon()
        return sizes[0]

    assert give(40, 10.0) > 30
    assert dispatch.workers[1].speed == pytest.approx(0.1)  # as when its kernel was compiled first
    assert give(40, 0.1) == 10  # not a share of one item
    assert dispatch.workers[1].speed == pytest.approx(10.0)
    give(4, 10.0)
    assert dispatch.workers[1].speed == pytest.approx(10.0)


def test_items_given_out_twice_do_not_travel_to_a_worker_with_room_together():
    dispatch = Dispatch([1], taught(a=1.0), Patience(factor=1, floor=1))
    dispatch.submit([Joining(1)], 0)
    ((_, chunk),) = hand_out(dispatch)
    dispatch.answer(1, chunk.tickets, [1.0], 0.0, 100.0)
    tickets = dispatch.submit([Joining(1)] * 3, 0)
    hand_out(dispatch)
    dispatch.overdue(1000.0)
    dispatch.answer(1, [None] * 3, [1.0] * 3, 1001.0, 100.0)
    assert sorted(ticket for ticket, _ in dispatch.collect()[1:]) == tickets
    assert dispatch.done


def test_room_bounds_what_a_worker_gets_and_other_items_travel_as_ever():
    dispatch = Dispatch([1], taught(a=1.0), Patience())
    dispatch.submit([Joining(1)], 0)
    ((worker, chunk),) = hand_out(dispatch)
    dispatch.answer(worker, chunk.tickets, [1.0], 0.0, 7.0)
    dispatch.submit([Joining(2)] * 10, 0)
    assert [len(chunk.tickets) for _, chunk in hand_out(dispatch)] == [3, 3]
    dispatch.abandon()
    dispatch.answer(1, [None] * 3, [1.0] * 3, 0.0, 7.0)
    dispatch.answer(1, [None] * 3, [1.0] * 3, 0.0, 7.0)
    dispatch.submit([Item(1)] * 5, 0)
    assert all(len(chunk.tickets) == 1 for _, chunk in hand_out(dispatch))


def test_costs_are_not_learned_from_a_worker_with_room_beside_others():
    costs = taught(a=1.0)
    dispatch = Dispatch([1, 2], costs, Patience())
    for _ in range(3):
        dispatch.submit([Joining(1)] * 8, 0)
        for worker, chunk in hand_out(dispatch):
            spent = [0.01 if worker == 1 else 1.0] * len(chunk.tickets)
            dispatch.answer(worker, chunk.tickets, spent, 0.0, 100.0 if worker == 1 else 0.0)
    assert costs.expect(Joining(1)) == pytest.approx(1.0)
