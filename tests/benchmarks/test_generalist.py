"""One agent for many grounds: its slope against one written out by hand, and trainings that were stopped."""

import numpy as np
import pytest

from benchmarks.generalist import CURRICULUM, PAIRS, SETTINGS, Progress, best_of, compared, iterate, train
from environments.domain import Batch
from environments.tasks.curriculum import Curriculum
from environments.walker2d import DOMAIN
from evolution.noise import directions, episode_seeds
from evolution.optimisers.es import Learner, es_gradient, es_update
from evolution.requests import Simulation

SIMULATION = Simulation(domain="walker2d", episode_limit=60, seed=4)


@pytest.fixture(scope="module")
def curriculum():
    return Curriculum.load(CURRICULUM)


def test_step_follows_the_mean_of_slopes_that_are_ranked_within_each_ground(curriculum):
    grounds = [task.environment for task in curriculum.stages[:2]]
    theta = curriculum.agent(curriculum.stages[0].id).astype(np.float64)
    before = Progress(learner=Learner.fresh(theta, SETTINGS), iteration=3, steps=10)
    after, row = iterate(before, grounds, SIMULATION)
    slopes, returns, steps = [], [], 0
    for at, ground in enumerate(grounds):
        noise = directions(4, (3, at), 0, PAIRS, theta.size)
        seeds = episode_seeds(4, (3, at), 0, PAIRS)
        signs = np.array([[1], [-1]], dtype=np.float32)
        thetas = np.concatenate([theta.astype(np.float32) + signs * np.float32(SETTINGS.sigma) * one for one in noise])
        found = DOMAIN.run(Batch.of(thetas, ground, np.repeat(seeds, 2)), episode_limit=60)
        slopes.append(es_gradient(noise, found.returns.reshape(-1, 2), SETTINGS.sigma))
        returns.append(found.returns)
        steps += found.lengths.sum()
    wanted = es_update(before.learner, np.mean(slopes, axis=0), SETTINGS)
    np.testing.assert_allclose(after.learner.theta, wanted.theta, rtol=1e-12)
    assert (after.iteration, after.steps) == (4, 10 + steps)
    assert row["mean"] == pytest.approx(np.mean(returns), abs=0.01)
    assert row["solved"] == pytest.approx(np.mean(np.array(returns) > DOMAIN.solved_return), abs=1e-4)


def test_who_begins_returns_most_over_all_grounds(curriculum):
    name, theta = best_of(curriculum, SIMULATION)
    np.testing.assert_array_equal(theta, curriculum.agent(name))
    seeds = np.arange(4, dtype=np.uint64)

    def mean(agent):
        return np.mean(
            [
                DOMAIN.run(Batch.of(np.tile(agent, (4, 1)), task.environment, seeds), episode_limit=60).returns
                for task in curriculum.stages
            ]
        )

    means = sorted(mean(curriculum.agent(task.id)) for task in curriculum.stages)
    assert mean(curriculum.agent(name)) > np.median(means)  # of other episodes, and so not always the very best


@pytest.mark.parametrize("kind", ["curriculum", "random"])
def test_training_that_was_stopped_goes_on_as_if_it_had_not_been(kind, tmp_path, curriculum, monkeypatch):
    monkeypatch.setattr(Curriculum, "episode_limit", 20)
    whole = train(tmp_path / "whole", kind, curriculum, 20_000, 1)
    first = train(tmp_path / "parts", kind, curriculum, 1, 1)
    assert first.iteration == 1 < whole.iteration
    again = train(tmp_path / "parts", kind, curriculum, 20_000, 1)
    np.testing.assert_array_equal(again.learner.theta, whole.learner.theta)
    assert (again.iteration, again.steps) == (whole.iteration, whole.steps)
    (tmp_path / "parts" / "curriculum.txt").write_text("of another")
    with pytest.raises(SystemExit, match="holds a training on another curriculum; give another --folder"):
        train(tmp_path / "parts", kind, curriculum, 20_000, 1)


def test_agents_are_compared_ground_by_ground(curriculum, monkeypatch):
    monkeypatch.setattr(Curriculum, "episode_limit", 50)
    last = curriculum.stages[-1].id
    found = compared(curriculum, {"own": curriculum.agent, "one": lambda task: curriculum.agent(last)})
    assert (found["own"]["apart"], found["own"]["apart_within"]) == (0.0, 0.0)
    assert found["one"]["apart"] == pytest.approx(found["one"]["mean"] - found["own"]["mean"], abs=0.15)
    assert found["one"]["apart_within"] > 0
