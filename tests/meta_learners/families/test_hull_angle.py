"""Angles of the hull that only the reward tells."""

import numpy as np
import pytest

from environments import FLAT
from environments.walker2d.env import WalkerEnv
from meta_learners.contracts import family_contract
from meta_learners.families.hull_angle import HALF_RANGE, HullAngles
from meta_learners.keys import numpy_generator

TestHullAngles = family_contract(lambda: HullAngles(10))
TestToldHullAngles = family_contract(lambda: HullAngles(10, told=True))


def limp(worlds, steps):
    """Do nothing for so many steps: observations, rewards and whether episodes ended, one row a step."""
    rows = [worlds.step(np.zeros((worlds.num_envs, 4), np.float32)) for _ in range(steps)]
    return [np.array([row[part] for row in rows]) for part in (0, 1, 2)]


def test_rewards_are_those_of_the_reference_walkers_hull():
    # A limp walker sinks and falls; its fall earns nothing.
    worlds, angles = HullAngles(400).worlds(3), [-0.4, 0.0, 0.3]
    worlds.set_tasks(angles)
    worlds.reset(seed=[7, 7, 7])
    walker = WalkerEnv(FLAT, episode_limit=400)
    walker.reset(seed=7)
    fallen = False
    while not fallen:
        seen, _, fallen, _, _ = walker.step(np.zeros(4, np.float32))
        _, rewards, over, _, _ = worlds.step(np.zeros((3, 4), np.float32))
        near = [max(1 - abs(float(seen[0]) - angle) / HALF_RANGE, 0) for angle in angles]
        assert rewards == pytest.approx([0.0] * 3 if fallen else near, abs=1e-6)
        assert over.tolist() == [fallen] * 3


def test_a_step_that_only_begins_an_episode_earns_nothing_and_brings_the_new_angle():
    family = HullAngles(5, told=True)
    worlds = family.worlds(2)
    worlds.set_tasks([0.5, -0.5])
    first, _ = worlds.reset(seed=[1, 2])
    worlds.set_tasks([0.25, 0.0])
    seen, rewards, _ = limp(worlds, 6)
    assert first[:, -1].tolist() == [1.0, -1.0]
    assert seen[:5, :, -1].tolist() == [[1.0, -1.0]] * 5
    assert seen[5, :, -1].tolist() == [0.5, 0.0]
    assert rewards[5].tolist() == [0.0, 0.0]
    assert (limp(worlds, 1)[1] > 0.4).all()


def test_who_is_not_told_sees_the_same_but_for_the_angle():
    seen = []
    for told in (False, True):
        worlds = HullAngles(5, told=told).worlds(2)
        worlds.set_tasks([0.1, 0.2])
        seen.append(worlds.reset(seed=[3, 4])[0])
    assert np.array_equal(seen[0], seen[1][:, :-1])


def test_an_upright_hull_earns_half_on_average():
    # What the module says of who does not know the angle.
    angles = HullAngles().sample_tasks(20_000, numpy_generator((0,)))
    assert np.mean([1 - abs(angle) / HALF_RANGE for angle in angles]) == pytest.approx(0.5, abs=0.01)
