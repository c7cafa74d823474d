"""Bandits and tabular processes against what can be computed about them by other means."""

import numpy as np
import pytest

from meta_learners.families.bandits import BernoulliBandits
from meta_learners.families.mdps import TabularMDPs, TabularTask
from meta_learners.keys import numpy_generator


def play(worlds, choose, steps, seed=0):
    """Sum the rewards of `steps` steps; a step in which all episodes begin anew is not counted."""
    worlds.reset(seed=[seed] * worlds.num_envs)
    total, observed = np.zeros(worlds.num_envs), []
    for step in range(steps):
        observation, reward, terminated, truncated, _ = worlds.step(choose(step))
        total += reward
        observed.append((observation, reward, terminated))
        assert not truncated.any()
    return total, observed


def test_a_bandits_arm_pays_as_often_as_its_probability_says():
    family = BernoulliBandits(arms=3, pulls=50)
    worlds = family.worlds(2000)
    chances = np.array([0.1, 0.5, 0.9])
    worlds.set_tasks([chances] * 2000)
    arms = np.arange(2000) % 3
    total, observed = play(worlds, lambda step: arms, 50)
    for arm in range(3):
        assert total[arms == arm].mean() / 50 == pytest.approx(chances[arm], abs=0.01)
    assert observed[-1][2].all()
    assert not observed[-2][2].any()


def test_an_episode_that_is_over_begins_anew_at_the_next_step_without_reward():
    worlds = BernoulliBandits(arms=1, pulls=2).worlds(4)
    worlds.set_tasks([np.ones(1)] * 4)
    _, observed = play(worlds, lambda step: np.zeros(4, dtype=np.int64), 6)
    assert [row[1].tolist() for row in observed] == [[1.0] * 4, [1.0] * 4, [0.0] * 4] * 2
    assert [row[2].all() for row in observed] == [False, True, False] * 2


def test_reset_with_a_mask_begins_only_those_worlds_anew():
    family = TabularMDPs(states=3, actions=1, horizon=10)
    worlds = family.worlds(2)
    cycle = np.eye(3)[[1, 2, 0]][:, None]  # 0 to 1 to 2 to 0
    worlds.set_tasks([TabularTask(np.zeros((3, 1)), cycle)] * 2)
    worlds.reset(seed=[0, 1])
    worlds.step(np.zeros(2, dtype=np.int64))
    observation, _ = worlds.reset(seed=[0, 1], options={"reset_mask": np.array([True, False])})
    assert observation.argmax(1).tolist() == [0, 1]


def test_processes_move_and_pay_as_their_tables_say():
    family = TabularMDPs(states=4, actions=2, horizon=2)
    (task,) = family.sample_tasks(1, numpy_generator((4,)))
    worlds = family.worlds(40_000)
    worlds.set_tasks([task] * 40_000)
    _, observed = play(worlds, lambda step: np.ones(40_000, dtype=np.int64), 1)
    observation, reward, _ = observed[0]
    np.testing.assert_allclose(observation.mean(0), task.transitions[0, 1], atol=0.01)
    assert reward.mean() == pytest.approx(task.means[0, 1], abs=0.02)
    assert reward.std() == pytest.approx(1.0, abs=0.02)


def test_the_best_return_is_the_best_of_all_policies_by_enumeration():
    family = TabularMDPs(states=2, actions=2, horizon=3)
    (task,) = family.sample_tasks(1, numpy_generator((8,)))
    best = -np.inf
    for number in range(2 ** (2 * 3)):  # an action for every state and time
        policy = np.array([number >> bit & 1 for bit in range(6)]).reshape(3, 2)
        reached, value = np.array([1.0, 0.0]), 0.0
        for chosen in policy:
            value += reached @ task.means[[0, 1], chosen]
            reached = reached @ task.transitions[[0, 1], chosen]
        best = max(best, value)
    assert task.best_return(3) == pytest.approx(best, abs=1e-12)


def test_who_knows_the_process_gets_the_published_settings_oracle():
    family = TabularMDPs()
    tasks = family.sample_tasks(4000, numpy_generator((1,)))
    returns = np.array([10 * task.best_return(10) for task in tasks])
    assert returns.mean() == pytest.approx(218.6, abs=4 * returns.std() / 4000**0.5)


@pytest.mark.parametrize("family", [BernoulliBandits(), TabularMDPs()])
def test_equal_seeds_give_equal_chances(family):
    tasks = family.sample_tasks(50, numpy_generator((1,)))

    def rewards(seed):
        worlds = family.worlds(50)
        worlds.set_tasks(tasks)
        return play(worlds, lambda step: np.zeros(50, dtype=np.int64), 8, seed)[0].tolist()

    assert rewards(1) == rewards(1) != rewards(2)
