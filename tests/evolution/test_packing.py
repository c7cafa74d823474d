"""How rows are packed into items: lanes are full across environments, and nobody's result depends on it."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from cluster.costs import Costs
from cluster.executor import InProcess
from cluster.parcels import Ledger, Sharing, Store
from cluster.processes import Processes
from environments.domain import Environment, Outcome, find_domain
from evolution.evaluator import EvaluationError, Evaluator
from evolution.requests import CandidatesRequest, Item, PerturbationRequest, ScoreRequest, SeededRequest, Simulation

SIMULATION = Simulation(domain="walker2d", seed=3, episode_limit=6)
PLACES = [
    Environment(domain="walker2d", encoding="parametric", genome={"roughness": 0.01 * i}, seed=i) for i in range(40)
]
THETA = 0.1 * np.random.default_rng(0).standard_normal(find_domain("walker2d").controller.parameters)
LANES = find_domain("walker2d").capabilities().lanes
needs_lanes = pytest.mark.skipif(LANES == 1, reason="needs the native engine")


@dataclass
class Watched:
    """Real workers, of which is told what they were given, and how much was under way then."""

    inner: object
    given: list = field(default_factory=list)
    workers: int = 1

    def submit(self, items, urgency=0):
        self.given += items
        return self.inner.submit(items, urgency)

    def collect(self):
        return self.inner.collect()

    def abandon(self):
        self.inner.abandon()


def of_all_kinds():
    theta = THETA.astype(np.float32)
    both = {"simulation": SIMULATION}
    return [
        ScoreRequest(**both, environment=PLACES[0], theta=theta, key=(1, 0), start=2, stop=7),
        PerturbationRequest(**both, environment=PLACES[1], theta=theta, sigma=0.1, key=(0, 1), start=0, stop=19),
        SeededRequest(**both, environment=PLACES[2], theta=theta, seeds=np.arange(9, dtype=np.uint64)),
        CandidatesRequest(SIMULATION, PLACES[3], np.stack([theta, 2 * theta, 0 * theta]), (4,), 4),
        ScoreRequest(**both, environment=PLACES[1], theta=-theta, key=(1, 0), start=0, stop=1),
        PerturbationRequest(**both, environment=PLACES[0], theta=theta, sigma=0.2, key=(0, 2), start=3, stop=6),
    ]


def same(found, expected):
    for name in ("returns", "lengths", "outcomes"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@needs_lanes
def test_five_episodes_in_each_of_forty_niches_fill_the_lanes():
    workers = Watched(InProcess())
    evaluator = Evaluator(SIMULATION, workers)
    requests = [evaluator.score_request(THETA, place, (1, i), 5) for i, place in enumerate(PLACES)]
    found = evaluator.run("score", requests)
    sizes = [item.episodes for item in workers.given]
    assert sum(sizes) == 200
    assert all(size % LANES == 0 for size in sizes[:-1])
    assert len(sizes) <= -(-200 // LANES)
    for request, rollouts in zip(requests, found, strict=True):
        same(rollouts, request())


@pytest.mark.parametrize("processes", [False, True])
def test_every_kind_of_request_returns_among_others_what_it_returns_alone(processes):
    workers = Processes(2) if processes else InProcess()
    try:
        found = Evaluator(SIMULATION, workers).run("score", of_all_kinds())
    finally:
        if processes:
            workers.close()
    for request, rollouts in zip(of_all_kinds(), found, strict=True):
        same(rollouts, request())


def test_items_that_run_together_give_each_its_own_rows_whatever_they_have_in_common():
    other = replace(SIMULATION, episode_limit=9)
    odd = ScoreRequest(simulation=other, environment=PLACES[0], theta=THETA.astype(np.float32), key=(), start=0, stop=3)
    requests = of_all_kinds()
    items = [Item(tuple(requests[:2])), Item((odd,)), Item((requests[3],)), Item(tuple(requests[4:]))]
    for found, item in zip(Item.together(items), items, strict=True):
        same(found, item())


@pytest.mark.parametrize("size", [1, 2, 3, 8, 1000])
def test_the_parts_of_a_request_are_its_rows(size):
    for request in of_all_kinds():
        parts = list(request.split(size))
        assert sum(part.episodes for part in parts) == request.episodes
        assert all(part.episodes <= max(size, request.together) for part in parts)
        again = [piece for part in parts for piece in part.split(2)]  # parts can be cut again
        same(Item(tuple(again))(), request())


@dataclass(frozen=True)
class Fragile:
    """Workers on which an episode raises that has this seed in this environment."""

    inner: InProcess
    seed: int
    environment: Environment
    workers: int = 1

    def submit(self, items, urgency=0):
        return self.inner.submit([Breaking(item, self.seed, self.environment) for item in items], urgency)

    def collect(self):
        return self.inner.collect()

    def abandon(self):
        self.inner.abandon()


@dataclass(frozen=True)
class Breaking:
    item: Item
    seed: int
    environment: Environment

    def __call__(self):
        for part in self.item.parts:
            if part.environment is self.environment and self.seed in part.batch().seeds:
                raise ZeroDivisionError
        return self.item()

    def __str__(self):
        return str(self.item)


def broken(every_episode=False):
    evaluator = Evaluator(SIMULATION, InProcess())
    requests = [evaluator.score_request(THETA, place, (1, i), 5) for i, place in enumerate(PLACES[:12])]
    sick = requests[7]
    workers = Fragile(InProcess(), sick.batch().seeds[3], sick.environment)
    return Evaluator(SIMULATION, workers, every_episode=every_episode), requests


def test_one_crashing_episode_of_a_mixed_item_harms_no_other():
    evaluator, requests = broken()
    found = evaluator.run("score", requests)
    for number, (request, rollouts) in enumerate(zip(requests, found, strict=True)):
        expected = request()
        if number == 7:
            expected.returns[3], expected.lengths[3], expected.outcomes[3] = -100.0, 0, Outcome.DIVERGED
        same(rollouts, expected)
    tally = evaluator.take_tally()
    assert tally.crashed == tally.diverged == 1
    assert tally.episodes["score"] == 60


def test_where_every_episode_counts_the_one_that_fails_is_named():
    evaluator, requests = broken(every_episode=True)
    with pytest.raises(EvaluationError, match=rf"^scoring key=\(1, 7\) numbers 3 to 4 of .*{PLACES[7].id}"):
        evaluator.run("score", requests)


@needs_lanes
def test_a_few_rows_wait_for_company_but_not_for_ever():
    workers = Watched(InProcess())
    evaluator = Evaluator(SIMULATION, workers)

    async def climb(place):
        for number in range(3):
            step = PerturbationRequest(
                simulation=SIMULATION,
                environment=place,
                theta=THETA.astype(np.float32),
                sigma=0.1,
                key=(0, number),
                start=0,
                stop=LANES // 2,
            )
            await evaluator.rollouts("optimise", step, urgency=1 + number)
            chains.append(flow.start(score(place, number)))

    async def score(place, number):
        return await evaluator.rollouts("score", evaluator.score_request(THETA, place, (1, number), 5))

    chains = []
    with evaluator.side_by_side("optimise", 8 * 3 * (LANES + 5)) as flow:
        for walk in [flow.start(climb(place)) for place in PLACES[:8]]:
            flow.wait(walk)
        returns = [flow.wait(chain).returns for chain in chains]
    assert len(returns) == 24
    assert all(len(each) == 5 for each in returns)
    scoring = [item for item in workers.given if isinstance(item.parts[0], ScoreRequest)]
    assert sum(item.episodes for item in scoring) == 120
    assert len(scoring) < 24 / 2
    for number, environment in enumerate(PLACES[:8]):
        expected = evaluator.score_request(THETA, environment, (1, 0), 5)().returns
        assert any((each == expected).all() for each in returns), number


def test_a_chain_of_an_outer_phase_goes_on_while_an_inner_one_waits_for_its_own():
    evaluator, order = Evaluator(SIMULATION, InProcess()), []

    async def long():
        for number in range(3):
            await evaluator.rollouts("outer", evaluator.score_request(THETA, PLACES[0], (1, number), 5), urgency=1)
            order.append(number)

    with evaluator.side_by_side("outer", 15) as outer:
        chain = outer.start(long())
        with evaluator.side_by_side("inner", 5) as inner:
            last = evaluator.score_request(THETA, PLACES[1], (2,), 5)
            given_up = inner.start(evaluator.rollouts("inner", last, urgency=9))
            (found,) = evaluator.run("inner", [evaluator.score_request(THETA, PLACES[2], (3,), 5)])
        assert not given_up.done
        outer.wait(chain)
    assert order == [0, 1, 2]
    same(found, evaluator.score_request(THETA, PLACES[2], (3,), 5)())
    assert evaluator.take_tally().episodes == {"outer": 15, "inner": 5}
    assert evaluator.executor.collect() == []


def test_costs_of_mixed_items_are_learned_by_kind():
    rates = {PLACES[0].id: 0.01, PLACES[1].id: 0.2, PLACES[2].id: 0.03}
    costs, rng = Costs(), np.random.default_rng(0)

    def item():
        parts = [
            ScoreRequest(
                simulation=SIMULATION,
                environment=place,
                theta=np.zeros(3, np.float32),
                key=(1,),
                start=0,
                stop=int(rng.integers(1, 20)),
            )
            for place in PLACES[:3]
            if rng.random() < 0.6
        ]
        return Item(tuple(parts)) if parts else item()

    def exact(item):
        return sum(rates[part.environment.id] * part.episodes for part in item.parts)

    for _ in range(600):
        one = item()
        costs.learn(one, exact(one))
    errors = [abs(costs.expect(one) / exact(one) - 1) for one in (item() for _ in range(100))]
    assert np.mean(errors) < 0.1


def test_what_the_parts_of_mixed_items_share_is_sent_once_to_a_worker():
    theta = THETA.astype(np.float32)

    def item(key):
        return Item(
            tuple(
                ScoreRequest(simulation=SIMULATION, environment=place, theta=theta, key=(key,), start=0, stop=1)
                for place in PLACES[:5]
            )
        )

    ledger, store, sharing = Ledger(), Store(), Sharing()
    first, second = (ledger.parcel([item(key)], sharing) for key in (1, 2))
    assert len(first[1]) == 1 + 5 + 1  # the simulation, five environments, one theta
    assert not second[1]
    assert len(second[2]) < theta.nbytes / 4
    (_,), (found,) = store.unpack(first), store.unpack(second)
    same(found(), item(2)())
