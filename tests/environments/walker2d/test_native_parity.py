"""The native engine against the reference: the same world, to the last bit."""

import numpy as np
import pytest
from walkers import COURSES, GAITS, NativeWalker, course, push_of, resynchronised_steps

from environments.walker2d import native
from environments.walker2d.env import WalkerEnv

pytestmark = pytest.mark.skipif(native.problem() is not None, reason=str(native.problem()))


@pytest.mark.parametrize("gait", GAITS)
@pytest.mark.parametrize("name", COURSES)
def test_resynchronised_steps_are_equal_to_the_last_bit(name, gait):
    for _, difference, same_contacts in resynchronised_steps(course(name, 5), GAITS[gait](5), push_of(5), 150):
        assert difference == 0.0
        assert same_contacts


@pytest.mark.parametrize("gait", GAITS)
@pytest.mark.parametrize("name", COURSES)
def test_free_running_episodes_are_equal_to_the_last_bit(name, gait):
    terrain, act = course(name, 6), GAITS[gait](6)
    reference, ours = WalkerEnv(terrain=terrain, episode_limit=400), NativeWalker(terrain)
    observation, _ = reference.reset(options={"push": push_of(6)})
    np.testing.assert_array_equal(ours.reset(push_of(6)), observation)
    over = False
    while not over:
        action = act(observation)
        observation, reward, terminated, truncated, info = reference.step(action)
        found, our_reward, outcome = ours.step(action)
        np.testing.assert_array_equal(found, observation)
        assert our_reward == reward
        assert outcome == (info["outcome"] if terminated else -1)
        over = terminated or truncated


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_hundred_thousand_resynchronised_steps_of_every_kind_are_equal():
    count, unequal, touching, at_limit, hull, fast = 0, 0, 0, 0, 0, 0
    seed = 100
    while count < 100_000:
        seed += 1
        name = list(COURSES)[seed % len(COURSES)]
        gait = list(GAITS)[seed // len(COURSES) % len(GAITS)]
        for before, difference, same in resynchronised_steps(course(name, seed), GAITS[gait](seed), push_of(seed), 600):
            count += 1
            unequal += difference != 0.0 or not same
            touching += before["contact"]["touching"].any()
            at_limit += before["limit_state"].any()
            fast += np.abs(before["velocity"]).max() > 5.0
        hull += 1
    print(f"{count} steps of {hull} episodes: {touching} in contact, {at_limit} at a joint's limit, {fast} above 5 m/s")
    print(f"{unequal} steps differ from the reference")
    assert min(touching, at_limit) > count / 10
    assert fast > 1000
    assert unequal == 0


def test_static_shapes_have_box2ds_corners_in_box2ds_order():
    terrain = course("everything", 3)
    env, ours = WalkerEnv(terrain=terrain), native.build_course(terrain)
    env.reset(seed=0)
    static = env._world.bodies[: len(ours)]
    assert len(ours) == len(terrain.boxes) + len(terrain.ground) - 1
    for i, body in enumerate(static):
        assert ours.shape_corners(i) == [tuple(corner) for corner in body.fixtures[0].shape.vertices]


def test_segments_have_box2ds_masses():
    env = WalkerEnv()
    env.reset(seed=0)
    for body, (inverse_mass, _, x, y, _) in zip([env._hull, *env._legs], native.core.segments(), strict=True):
        assert np.float32(1 / np.float32(body.mass)) == inverse_mass
        assert tuple(body.localCenter) == (x, y)
