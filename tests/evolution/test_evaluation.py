import os
from dataclasses import dataclass

import numpy as np
import pytest
from runs import perturbing

from cluster.executor import InProcess
from cluster.processes import Processes
from environments.domain import Environment, Outcome
from evolution.evaluator import EvaluationError, Evaluator
from evolution.optimisers.es import GradientRequest, es_gradient
from evolution.packing import item_episodes
from evolution.requests import Simulation

PLACE = Environment(domain="toy", encoding="target", genome={"target": [0.5, 0.0, 0.0]}, seed=0)
SIMULATION = Simulation(domain="toy", seed=3)
THETA = np.array([0.5, 0.1, 0.0])


def test_how_requests_are_cut_does_not_change_what_they_return():
    whole = Evaluator(SIMULATION, InProcess())
    request = perturbing(whole.simulation, THETA, 0.1, PLACE, (0, 1), 40)
    expected = request().returns
    assert len(expected) == 80
    for size in (1, 3, 7, 64):
        cut = np.concatenate([part().returns for part in request.split(size)])
        np.testing.assert_array_equal(cut, expected)


def test_perturbed_episodes_are_those_of_the_noise():
    evaluator = Evaluator(SIMULATION, InProcess())
    request = perturbing(evaluator.simulation, THETA, 0.1, PLACE, (0, 1), 5)
    returns = request().returns.reshape(5, 2)
    for direction, pair in zip(request.noise().astype(float), returns, strict=True):
        for sign, score in zip((1, -1), pair, strict=True):
            exact = 200 - 100 * ((THETA + sign * 0.1 * direction - [0.5, 0, 0]) ** 2).sum()
            assert 0 <= score - exact + 1e-4 < 1.001


def test_both_halves_of_a_pair_meet_the_same_episode():
    request = perturbing(SIMULATION, THETA, 1e-12, PLACE, (0, 1), 6)
    plus, minus = request().returns.reshape(6, 2).T
    np.testing.assert_array_equal(plus, minus)
    assert len(set(plus)) == 6


def test_tally_counts_episodes_and_steps_by_purpose():
    evaluator = Evaluator(SIMULATION, InProcess())
    evaluator.run("score", [evaluator.score_request(THETA, PLACE, (1, 1), 4)])
    evaluator.run("optimise", [perturbing(evaluator.simulation, THETA, 0.1, PLACE, (0, 1), 8)])
    tally = evaluator.take_tally()
    assert dict(tally.episodes) == {"score": 4, "optimise": 16}
    assert dict(tally.steps) == {"score": 40, "optimise": 160}
    assert not evaluator.take_tally().episodes


@dataclass(frozen=True)
class CrashingWorkers:
    """Real workers whose simulator crashes on one environment, as a fault in an engine would."""

    inner: Processes | InProcess
    crash: object

    @property
    def workers(self):
        return self.inner.workers

    def submit(self, items, urgency=0):
        return self.inner.submit([_Crashing(item, self.crash) for item in items], urgency)

    def collect(self):
        return self.inner.collect()

    def abandon(self):
        self.inner.abandon()


@dataclass(frozen=True)
class _Crashing:
    item: object
    crash: object

    def __call__(self):
        for part in self.item.parts:
            if part.start <= 21 < part.stop and part.environment.id == PLACE.id:
                self.crash()
        return self.item()

    def __str__(self):
        return str(self.item)


def abort():
    os.abort()


def divide():
    raise ZeroDivisionError


def test_episode_that_crashes_its_worker_counts_as_diverged_and_the_rest_are_done():
    pool = Processes(2)
    evaluator = Evaluator(SIMULATION, CrashingWorkers(pool, abort))
    other = Environment(domain="toy", encoding="target", genome={"target": [0.0, 0.0, 0.0]}, seed=0)
    requests = [evaluator.score_request(THETA, place, (1, 2), 40) for place in (PLACE, other)]
    broken, healthy = evaluator.run("score", requests)
    pool.close()
    np.testing.assert_array_equal(healthy.returns, requests[1]().returns)
    expected = requests[0]().returns
    expected[21] = -100
    np.testing.assert_array_equal(broken.returns, expected)
    assert broken.outcomes[21] == Outcome.DIVERGED
    assert evaluator.take_tally().diverged == 1


def test_exception_in_one_episode_is_logged_with_what_reproduces_it(caplog):
    evaluator = Evaluator(SIMULATION, CrashingWorkers(InProcess(), divide))
    evaluator.run("score", [evaluator.score_request(THETA, PLACE, (1, 2), 64)])
    assert "ZeroDivisionError" in caplog.text
    assert PLACE.id in caplog.text
    assert "numbers 21 to 22 of run seed 3" in caplog.text


def test_run_ends_when_nothing_at_all_can_be_simulated():
    evaluator = Evaluator(Simulation(domain="toy", seed=3), InProcess())
    wrong = Environment(domain="toy", encoding="target", genome={}, seed=0)
    evaluator.run("score", [evaluator.score_request(THETA, wrong, (1, 2), 3)])
    with pytest.raises(EvaluationError, match=r"no episode could be simulated[\s\S]*KeyError: 'target'"):
        evaluator.take_tally()


def test_run_goes_on_when_one_environment_alone_cannot_be_simulated():
    evaluator = Evaluator(SIMULATION, InProcess())
    wrong = Environment(domain="toy", encoding="target", genome={}, seed=0)
    requests = [evaluator.score_request(THETA, place, (1, 2), 3) for place in (wrong, PLACE)]
    broken, healthy = evaluator.run("score", requests)
    assert (broken.outcomes == Outcome.DIVERGED).all()
    assert (healthy.returns > 190).all()
    assert evaluator.take_tally().crashed == 3


@pytest.mark.parametrize(
    ("total", "workers", "expected"),
    [
        (40 * 512, 1, 256),  # much work: large items
        (40 * 512, 8, 96),
        (40 * 512, 500, 32),  # 640 items of full lanes are enough
        (40 * 512, 1000, 16),  # but not for more workers than that
        (64, 2, 32),
        (64, 5, 16),
        (10, 1000, 8),
    ],
)
def test_items_fill_the_engines_lanes_unless_workers_would_go_without(total, workers, expected):
    assert item_episodes(total, workers, 32) == expected


def test_chain_goes_on_while_another_waits_and_its_results_are_its_own():
    evaluator, order = Evaluator(SIMULATION, InProcess()), []

    async def climb(name, steps):
        theta = THETA
        for number in range(steps):
            step = perturbing(evaluator.simulation, theta, 0.1, PLACE, (0, number), 8)
            tried = await evaluator.rollouts("optimise", step, urgency=1)
            item = GradientRequest(
                seed=3, key=(0, number), size=theta.size, sigma=0.1, returns=tried.returns.reshape(-1, 2)
            )
            (gradient,) = await evaluator.compute("optimise", [item])
            theta = theta + 0.01 * gradient
            order.append(name)
        return theta

    with evaluator.side_by_side("optimise", 4 * 16) as flow:
        long, short = flow.start(climb("long", 3)), flow.start(climb("short", 1))
        first = flow.wait(short)
        assert not long.done
        last = flow.wait(long)
    assert order in (["long", "short", "long", "long"], ["short", "long", "long", "long"])
    theta = THETA
    for number in range(3):  # one after another, without any executor
        step = perturbing(evaluator.simulation, theta, 0.1, PLACE, (0, number), 8)
        returns = step().returns.reshape(-1, 2)
        theta = theta + 0.01 * es_gradient(step.noise(), returns, 0.1)
        if number == 0:
            np.testing.assert_array_equal(first, theta)
    np.testing.assert_array_equal(last, theta)


def test_what_is_not_done_when_chains_are_given_up_leaves_nothing_behind():
    evaluator = Evaluator(SIMULATION, InProcess())
    with evaluator.side_by_side("score", 8) as flow:
        requests = [evaluator.score_request(THETA, PLACE, (1, number), 4) for number in range(2)]
        chains = [flow.start(evaluator.rollouts("score", request)) for request in requests]
        flow.wait(chains[0])
    assert evaluator.executor.collect() == []
    (again,) = evaluator.run("score", requests[1:])
    np.testing.assert_array_equal(again.returns, requests[1]().returns)
