"""`push = "fixed"`: every episode in an environment starts alike, so that a score is a fact about agent and place."""

import numpy as np
import pytest
from hexapods import crowd, task
from runs import perturbing

from cluster.executor import InProcess
from environments.domain import Environment, find_domain
from environments.walker2d.env import PUSH, start_pushes
from evolution.evaluator import Evaluator
from evolution.noise import fixed_episode_seeds
from evolution.requests import Simulation

WALKER = Environment(domain="walker2d", encoding="parametric", genome={"roughness": 0.5}, seed=11)
ENGINES = [(name, engine) for name in ("walker2d", "hexapod3d") for engine in find_domain(name).engines]


def place(domain, seed):
    return task(seed=seed) if domain == "hexapod3d" else Environment(**{**vars(WALKER), "seed": seed})


def agent(domain):
    return (0.1 * np.random.default_rng(1).standard_normal(find_domain(domain).controller.parameters)).astype(float)


def play(domain, engine, push, environment, episodes, seed=0, key=(1, 0)):
    simulation = Simulation(domain=domain, seed=seed, episode_limit=40, engine=engine, push=push)
    evaluator = Evaluator(simulation, InProcess())
    return evaluator.run("score", [evaluator.score_request(agent(domain), environment, key, episodes)])[0]


@pytest.mark.parametrize(("domain", "engine"), ENGINES)
def test_all_episodes_of_an_environment_are_one_episode_to_the_last_bit(domain, engine):
    ground = place(domain, 3)
    five = play(domain, engine, "fixed", ground, 5)
    one = play(domain, engine, "fixed", ground, 1, seed=99, key=(7, 7, 7))  # another run, another iteration
    assert set(five.returns) == set(one.returns)
    assert float(five.returns.mean()) == pytest.approx(one.returns[0], rel=1e-15)
    assert len(set(play(domain, engine, "fresh", ground, 5).returns)) == 5


@pytest.mark.parametrize("domain", ["walker2d", "hexapod3d"])
def test_engines_agree_on_the_fixed_episode(domain):
    found = [play(domain, engine, "fixed", place(domain, 3), 1).returns for engine in find_domain(domain).engines]
    assert len(found) == 2
    np.testing.assert_array_equal(found[0], found[1])


def test_each_environment_has_a_push_of_its_own_spread_over_all_that_there_are():
    pushes = start_pushes(np.concatenate([fixed_episode_seeds(seed, 1) for seed in range(2000)]))
    assert len(set(pushes)) == 2000
    deciles, _ = np.histogram(pushes, 10, (-PUSH, PUSH))
    assert (abs(deciles - 200) < 60).all()  # four standard deviations


def test_perturbations_all_meet_the_fixed_episode_and_still_differ():
    thetas, _ = crowd(2)
    simulation = Simulation(domain="hexapod3d", seed=0, episode_limit=20, push="fixed")
    evaluator = Evaluator(simulation, InProcess())
    request = perturbing(evaluator.simulation, thetas[1], 1e-12, task(seed=5), (0, 0), 3)
    assert len(set(request().returns)) == 1
    request = perturbing(evaluator.simulation, thetas[1], 0.05, task(seed=5), (0, 0), 3)
    assert len(set(request().returns)) == 6


def test_cutting_a_request_changes_nothing():
    evaluator = Evaluator(Simulation(domain="walker2d", seed=0, episode_limit=30, push="fixed"), InProcess())
    request = perturbing(evaluator.simulation, agent("walker2d"), 0.1, WALKER, (0, 1), 7)
    cut = np.concatenate([part().returns for part in request.split(4)])
    np.testing.assert_array_equal(cut, request().returns)
