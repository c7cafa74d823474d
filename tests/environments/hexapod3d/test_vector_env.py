"""The vector environment against Gymnasium's own, made of reference hexapods in PyBullet, to the last bit."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hexapods import HARD, ROUGH, needs_lanes, task

from environments.domain import Environment, Outcome, find_domain
from environments.hexapod3d import DOMAIN, native
from environments.hexapod3d.body import HEXAPOD, OCTOPOD, QUADRUPED
from environments.hexapod3d.env import HexapodEnv
from environments.hexapod3d.gait import Gait
from environments.hexapod3d.terrain import flat
from environments.hexapod3d.vector import HexapodVectorEnv
from environments.tasks.env import TaskSource
from environments.tasks.worlds import TaskWorlds
from evolution.optimisers.ppo_experience import worlds_of
from meta_learners.families.environments import EnvironmentFamily

pytestmark = needs_lanes
COURSES = [task(1, **ROUGH), None, task(2, **HARD), flat(), task(3), task(4, **ROUGH), task(5, **HARD), None, task(6)]
N = len(COURSES)  # a second group that is not full, whatever the kernel
JOINTS = [Environment(domain="hexapod3d-joints", encoding="parametric", genome=HARD, seed=seed) for seed in range(3)]


def single(course, body, gait, limit):
    ground = {} if course is None or isinstance(course, Environment) else {"terrain": course}
    return HexapodEnv(None if ground else course, body=body, gait=gait, episode_limit=limit, **ground)


def drawn(rng, worlds, joints=18):
    """Actions from still to wild, so that episodes end in all ways."""
    spread = np.linspace(0, 1.5, worlds, dtype=np.float32)[:, None]
    return rng.uniform(-1, 1, (worlds, joints)).astype(np.float32) * spread


@pytest.mark.parametrize(
    ("body", "gait", "courses"),
    [
        (HEXAPOD, Gait.ALTERNATING, COURSES),
        (HEXAPOD, Gait.NONE, JOINTS),
        (QUADRUPED, Gait.ALTERNATING, COURSES[3:5]),
        (OCTOPOD, Gait.ALTERNATING, COURSES[3:5]),
    ],
    ids=["gait", "joints", "quadruped", "octopod"],
)
def test_vector_env_equals_gymnasiums_of_reference_hexapods_through_resets(body, gait, courses):
    limit, worlds = 40, len(courses)
    ours = [
        HexapodVectorEnv(courses, body=body, gait=gait, episode_limit=limit, kernel=kernel)
        for kernel in ("", "plain-2")
    ]
    theirs = SyncVectorEnv([lambda course=course: single(course, body, gait, limit) for course in courses])
    wanted = theirs.reset(seed=3)
    for each in ours:
        np.testing.assert_array_equal(each.reset(seed=3)[0], wanted[0])
    rng, outcomes = np.random.default_rng(0), set()
    for step in range(75):
        actions = drawn(rng, worlds, body.joints)
        if step == 20:
            actions[0, 5], actions[1] = np.inf, np.nan
        wanted = theirs.step(actions)
        over = wanted[2] | wanted[3]
        for found in (each.step(actions) for each in ours):
            for one, other in zip(found[:4], wanted[:4], strict=True):
                np.testing.assert_array_equal(one, other)
            np.testing.assert_array_equal(found[4]["outcome"][over], np.asarray(wanted[4]["outcome"])[over])
            outcomes |= set(found[4]["outcome"][over].tolist())
        if step == 50:
            some = np.arange(worlds) % 2 == 0
            wanted = theirs.reset(seed=9, options={"reset_mask": some})
            for each in ours:
                np.testing.assert_array_equal(each.reset(seed=9, options={"reset_mask": some})[0], wanted[0])
    assert Outcome.DIVERGED in outcomes
    if body is HEXAPOD:
        assert Outcome.FELL in outcomes
        assert gait is Gait.NONE or Outcome.TIMED_OUT in outcomes
    theirs.close()


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_worlds_made_by_the_domain_equal_a_vector_of_task_environments(mode, monkeypatch):
    tasks = [task(seed, **ROUGH) for seed in range(3)]
    settings = {"num_envs": 3, "tasks": tasks, "episode_limit": 12, "autoreset_mode": mode}
    ours = gymnasium.make_vec("poet/Hexapod3D-v0", **settings)
    assert isinstance(ours, HexapodVectorEnv)
    with monkeypatch.context() as patch:
        patch.setattr(native, "lanes_problem", lambda body: "they differ")
        theirs = gymnasium.make_vec("poet/Hexapod3D-v0", **settings)
        with pytest.raises(RuntimeError, match="HexapodVectorEnv needs the native engine, but they differ"):
            HexapodVectorEnv(tasks)
    assert isinstance(theirs, TaskWorlds)
    rng = np.random.default_rng(1)
    found, wanted = ours.reset(seed=[5, 5, 2**63]), theirs.reset(seed=[5, 5, 2**63])
    np.testing.assert_array_equal(found[0], wanted[0])
    for step in range(30):
        actions = drawn(rng, 3)
        found, wanted = ours.step(actions), theirs.step(actions)
        for one, other in zip(found[:4], wanted[:4], strict=True):
            np.testing.assert_array_equal(one, other)
        assert found[4].keys() == wanted[4].keys()
        for key in ("outcome", "task"):
            np.testing.assert_array_equal(found[4][key], wanted[4][key])
        if "final_obs" in wanted[4]:
            last = wanted[4]["_final_obs"]
            np.testing.assert_array_equal(found[4]["_final_obs"], last)
            np.testing.assert_array_equal(np.stack(found[4]["final_obs"][last]), np.stack(wanted[4]["final_obs"][last]))
        over = wanted[2] | wanted[3]
        if mode is AutoresetMode.DISABLED and over.any():
            again = [each.reset(options={"reset_mask": over})[0] for each in (ours, theirs)]
            np.testing.assert_array_equal(*again)
        if step == 14:
            again = [each.reset(options={"task": [tasks[2], None, tasks[0]]}) for each in (ours, theirs)]
            np.testing.assert_array_equal(again[0][0], again[1][0])
            assert again[0][1]["task"].tolist() == again[1][1]["task"].tolist()
    theirs.close()


def test_no_bit_depends_on_how_many_threads_there_are():
    def told(threads):
        worlds = HexapodVectorEnv(COURSES * 3, episode_limit=30, kernel="plain-2", threads=threads)
        rng, found = np.random.default_rng(2), [worlds.reset(seed=1)[0]]
        for _ in range(45):
            found += worlds.step(drawn(rng, worlds.num_envs))[:4]
        return found

    for one, many in zip(told(1), told(3), strict=True):
        np.testing.assert_array_equal(one, many)


def test_worlds_are_drawn_as_their_environments_are():
    worlds = HexapodVectorEnv([COURSES[2], None], render_mode="rgb_array")
    with pytest.raises(gymnasium.error.ResetNeeded, match="there is nothing to draw"):
        worlds.render()
    env = HexapodEnv(COURSES[2], render_mode="rgb_array")
    worlds.reset(seed=4)
    env.reset(seed=4)
    action = np.full(18, 0.2, dtype=np.float32)
    for _ in range(5):
        worlds.step(np.stack([action, -action]))
        env.step(action)
    first, second = worlds.render()
    np.testing.assert_array_equal(first, env.render())
    np.testing.assert_array_equal(worlds.states()[0], env.state)
    assert first.shape == second.shape
    assert (first != second).any()
    env.close()


def test_learners_get_the_fast_worlds():
    family = EnvironmentFamily("hexapod3d", {"train": [task(1)]}, threads=2)
    assert isinstance(family.worlds(3), HexapodVectorEnv)
    with worlds_of(DOMAIN, task(1), 2, episode_limit=None, engine=None) as worlds:
        assert isinstance(worlds, HexapodVectorEnv)
    with worlds_of(DOMAIN, task(1), 2, episode_limit=None, engine="pybullet") as worlds:
        assert isinstance(worlds, SyncVectorEnv)


@pytest.mark.parametrize("name", ["hexapod3d", "quadruped3d-joints", "octopod3d", "hexapod3d[tibia=0.42]"])
def test_worlds_without_a_course_take_the_tasks_of_their_own_body(name):
    domain = find_domain(name)
    worlds = HexapodVectorEnv([None], body=domain.body, gait=domain.gait)
    own = Environment(domain=name, encoding="parametric", genome=HARD, seed=1)
    worlds.reset(seed=0, options={"task": own})
    other = Environment(domain="quadruped3d", encoding="parametric", genome=HARD, seed=1)
    with pytest.raises(ValueError, match="quadruped3d"):
        worlds.reset(seed=0, options={"task": other})


def test_what_worlds_cannot_do_is_told():
    with pytest.raises(ValueError, match="courses is empty"):
        HexapodVectorEnv([])
    with pytest.raises(ValueError, match="courses are of hexapod3d and hexapod3d-joints"):
        HexapodVectorEnv([task(1), JOINTS[0]])
    with pytest.raises(ValueError, match="kernel is 'abacus'; this build has"):
        HexapodVectorEnv([None], kernel="abacus")
    with pytest.raises(ValueError, match="device is 'cuda'; worlds of hexapod3d are stepped on the processor"):
        DOMAIN.make_worlds([task(1)], TaskSource("hexapod3d"), device="cuda")
    worlds = HexapodVectorEnv([None])._worlds
    with pytest.raises(RuntimeError, match="no episode yet"):
        worlds.get_state(0)
    with pytest.raises(ValueError, match="wrong size"):
        worlds.set_state(0, b"short")
