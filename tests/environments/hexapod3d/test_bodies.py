"""Robots of other legs: how they are named, what cannot stand, and that everything follows from the description."""

import pickle
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from environments.domain import Batch, Environment, find_domain
from environments.hexapod3d import DOMAIN, native
from environments.hexapod3d.body import HEXAPOD, OCTOPOD, QUADRUPED, Body
from environments.hexapod3d.engine import World
from environments.hexapod3d.expression import terrain_of
from environments.hexapod3d.gait import PERIOD, Gait, targets
from environments.hexapod3d.urdf import urdf
from environments.hexapod3d.variation import numbers, varied, written

LONG = "hexapod3d[legs=8,tibia=0.42]"


@pytest.mark.parametrize(
    ("name", "legs", "sizes"),
    [
        ("quadruped3d", 4, (56, 40, 40, 12)),
        ("hexapod3d", 6, (70, 40, 40, 18)),
        ("octopod3d-joints", 8, (84, 40, 40, 24)),
        (LONG, 8, (84, 40, 40, 24)),
    ],
)
def test_sizes_and_the_urdf_follow_from_the_number_of_legs(name, legs, sizes):
    domain = find_domain(name)
    assert domain.name == name
    assert len(domain.body.legs) == legs
    assert domain.controller.sizes == sizes
    assert len(ET.fromstring(urdf(domain.body)).findall("joint")) == 3 * legs
    env = domain.make_env(Environment(domain=name, encoding="parametric", genome={}, seed=0))
    observation, _ = env.reset(seed=0)
    assert observation.shape == (sizes[0],)
    feet = slice(6 * legs + 11, 7 * legs + 11)
    assert not env.observation_space.low[feet].any()
    assert env.observation_space.low[feet.start - 1] < 0 > env.observation_space.low[feet.stop]
    env.close()


def test_a_leg_is_made_longer_in_one_place():
    domain = find_domain("hexapod3d[tibia=0.42]")
    tibia = domain.body.segments[2]
    assert domain.body == replace(HEXAPOD, segments=(*HEXAPOD.segments[:2], replace(tibia, length=0.42)))
    assert tibia.mass == HEXAPOD.segments[2].mass
    assert domain.body.height == pytest.approx(HEXAPOD.height + 0.1 * np.sin(1.4))
    assert "0.42 0.04 0.04" in urdf(domain.body)
    world = World(domain.body)
    world.lay(terrain_of(None))
    assert world.description()["foot_along"] == [pytest.approx(0.21)]
    world.place((0, 0, domain.body.height), (0, 0, 0, 1), domain.body.stance.tolist())
    state = np.zeros(domain.body.columns.size)
    for _ in range(60):
        world.advance(domain.body.stance)
    world.read(state)
    assert state[domain.body.columns.feet].tolist() == [1] * 6
    assert state[2] == pytest.approx(domain.body.height, abs=0.025)
    world.close()


@pytest.mark.parametrize("body", [QUADRUPED, HEXAPOD, OCTOPOD], ids=["four", "six", "eight"])
def test_half_of_the_legs_swing_at_a_time_and_neighbours_never_together(body):
    half = len(body.legs) // 2
    groups = body.beats.reshape(2, half)
    assert groups.sum() == half
    assert (np.diff(groups, axis=1) != 0).all()  # along a side
    assert (groups[0] != groups[1]).all()  # across the body
    lifted = targets(body, np.zeros((PERIOD, body.joints), np.float32), np.arange(PERIOD), Gait.ALTERNATING)
    swinging = lifted.reshape(PERIOD, -1, 3)[:, :, 1] > body.stance[1] + 1e-9
    assert (swinging[[1, PERIOD // 2 + 1]] == [body.beats == 0, body.beats == 1]).all()


@pytest.mark.parametrize("name", ["quadruped3d", "hexapod3d", "octopod3d"])
def test_an_agent_that_does_nothing_walks(name):
    domain = find_domain(name)
    ground = Environment(domain=name, encoding="parametric", genome={}, seed=0)
    thetas = np.zeros((3, domain.controller.parameters), np.float32)
    done = domain.run(Batch.of(thetas, ground, np.arange(1, 4, dtype=np.uint64)))
    assert (done.returns > 150).all()


def test_the_name_of_a_variant_says_all_that_it_has_different():
    rng = np.random.default_rng(0)
    for _ in range(20):
        new = {key: value * rng.uniform(0.95, 1.05) for key, value in numbers(HEXAPOD).items() if rng.random() < 0.3}
        new["legs"] = int(rng.choice([4, 6, 8]))
        body = varied(HEXAPOD, {key: str(value) for key, value in new.items()})
        name = "hexapod3d" + written(HEXAPOD, body)
        assert find_domain(name).body == body
        assert pickle.loads(pickle.dumps(body)) == body
    assert DOMAIN.variant({}).name == "hexapod3d"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hexapod3d[legs=7]", "legs is 7; it must be 4, 6 or 8"),
        ("hexapod3d[legs=1e99]", r"legs is 1e\+99; it must be 4, 6 or 8"),
        ("hexapod3d[legs=six]", "legs is 'six'; it must be a number"),
        ("hexapod3d[legs=6]", "write 'hexapod3d'"),
        ("hexapod3d[tibia=0.420]", r"write 'hexapod3d\[tibia=0.42\]'"),
        ("hexapod3d[tibia=0.42,legs=8]", r"write 'hexapod3d\[legs=8,tibia=0.42\]'"),
        ("hexapod3d[tail=1]", "the body has no 'tail'; what can be changed is legs, trunk_length, .*tibia_stance"),
        ("hexapod3d[tibia=-1]", "tibia is -1; it must be above 0"),
        ("hexapod3d[torque=nan]", "torque is nan; it must be above 0"),
        ("hexapod3d[splay=9]", "splay is 9 rad; it must be within 0 and pi/2"),
        ("hexapod3d[tibia_low=2]", "tibia_low, tibia_stance and tibia_high are 2, 1.75 and 2.6 rad; they must rise"),
        ("hexapod3d[tibia=0.1]", "the trunk stands 0.0231 m over the ground; .* must be 0.05 m or more"),
        ("hexapod3d[coxa=0.6]", "the foremost feet stand 0.816 m ahead of .*; it must be at most 0.8 m"),
        ("hexapod3d[legs=8", r"a variant is written as NAME\[number=value,...\], each number once"),
        ("hexapod3d[]", "a variant is written as"),
        ("hexapod3d[legs=8,legs=4]", "each number once"),
        ("walker2d[legs=8]", "walker2d has no variants"),
        ("tripod[legs=8]", "domain is 'tripod'; installed domains are"),
    ],
)
def test_a_robot_that_cannot_be_is_refused_in_a_sentence(name, message):
    with pytest.raises(ValueError, match=message) as refused:
        find_domain(name)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith(f"domain is {name!r}" if not name.startswith("tripod") else "domain is")


def test_a_body_in_python_is_checked_too():
    with pytest.raises(ValueError, match="legs is 10; it must be 4, 6 or 8"):
        Body(pairs_of_legs=5)


@pytest.mark.skipif(native.problem() is not None, reason="the core is not built")
@pytest.mark.parametrize("name", ["quadruped3d", "octopod3d", LONG])
def test_whole_episodes_of_other_robots_are_pybullets(name):
    domain = find_domain(name)
    ground = Environment(domain=name, encoding="parametric", genome={"hills": 0.4, "step_height": [0.0, 0.1]}, seed=2)
    rng = np.random.default_rng(3)
    thetas = (np.array([[0.0], [0.05], [0.4]]) * rng.standard_normal((3, domain.controller.parameters))).astype(
        np.float32
    )
    batch = Batch.of(thetas, ground, np.arange(3, dtype=np.uint64) + np.uint64(2**63))
    found, expected = (domain.run(batch, episode_limit=120, engine=engine) for engine in ("native", "pybullet"))
    np.testing.assert_array_equal(found.returns, expected.returns)
    np.testing.assert_array_equal(found.lengths, expected.lengths)
    np.testing.assert_array_equal(found.outcomes, expected.outcomes)
