"""Copies and pickles of every environment and vector: independent of the original, and equal to it from there on."""

import copy
import pickle
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from bodies import DOMAINS, IDS, needs_pybullet
from gymnasium.vector import AutoresetMode

from environments import history
from environments.domain import Environment, find_domain
from environments.tasks.env import TaskEnv
from environments.tasks.worlds import make_worlds
from environments.walker2d import native

WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda env: pickle.loads(pickle.dumps(env)),
}
ROUGH = {"walker2d": {"roughness": 2.0, "stump_height": [0.2, 1.0]}, "hexapod3d": {"hills": 0.4, "bumps": 0.03}}


def task_of(domain, seed=3):
    return Environment(domain=domain, encoding="parametric", genome=ROUGH[domain], seed=seed)


def single(domain):
    return TaskEnv(domain, task=task_of(domain))


def bare(domain):
    return find_domain(domain).make_env(task_of(domain))


def made(domain):
    return gymnasium.make(IDS[domain])


def acting(env, count, seed):
    """Actions under which neither body falls at once."""
    rng = np.random.default_rng(seed)
    return [rng.uniform(-0.3, 0.3, env.action_space.shape).astype(np.float32) for _ in range(count)]


def play(env, actions):
    """Everything that steps and resets return, as one flat list."""
    told = []
    for action in actions:
        observation, *rest, info = env.step(action)
        told += [observation, *rest, info["outcome"]]
        if isinstance(env, gymnasium.Env) and (rest[1] or rest[2]):
            told.append(env.reset()[0])
    return told


def assert_same(found, wanted):
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [single, bare, made])
@pytest.mark.parametrize("domain", DOMAINS)
def test_a_copy_goes_on_bit_for_bit_and_neither_moves_the_other(domain, kind, way):
    if way == "copy" and kind is made:
        pytest.skip("a shallow copy of one of Gymnasium's wrappers shares what it wraps")
    env, alone = kind(domain), kind(domain)
    for each in (env, alone):
        each.reset(seed=5)
        play(each, acting(each, 25, 0))
    twin = WAYS[way](env)
    other = play(twin, acting(twin, 10, 1))  # goes its own way
    after = [twin.reset()[0], env.reset()[0], alone.reset()[0]]
    np.testing.assert_array_equal(after[0], after[2])  # the same stream of seeds
    np.testing.assert_array_equal(after[1], after[2])
    for each in (env, alone):
        each.reset(seed=5)
        play(each, acting(each, 25, 0))
    twin.close()
    twin = WAYS[way](env)
    assert_same(play(alone, acting(alone, 10, 1)), other)  # the original would have gone the twin's way
    assert_same(play(twin, acting(twin, 40, 2)), play(env, acting(env, 40, 2)))
    twin.close()
    env.step(acting(env, 1, 3)[0])  # the original lives on
    env.close()
    alone.close()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("domain", DOMAINS)
def test_a_copied_vector_goes_on_bit_for_bit_through_the_ends_of_episodes(domain, mode, way):
    tasks = [task_of(domain, 1), task_of(domain, 2)]
    worlds = make_worlds(2, domain=domain, tasks=tasks, autoreset_mode=mode, episode_limit=20)
    worlds.reset(seed=3)
    play(worlds, acting(worlds, 12, 0))
    worlds.set_task(1, tasks[0])  # which both shall begin with their next episode
    twin = WAYS[way](worlds)
    count = 7 if mode is AutoresetMode.DISABLED else 30
    before = play(twin, acting(twin, count, 1))
    assert_same(play(worlds, acting(worlds, count, 1)), before)
    assert twin.tasks == worlds.tasks
    for ours, theirs in zip(twin.reset()[0], worlds.reset()[0], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert twin.tasks == worlds.tasks == [tasks[0].id] * 2
    twin.close()
    assert np.isfinite(worlds.step(acting(worlds, 1, 2)[0])[0]).all()
    worlds.close()


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_vector_that_draws_its_tasks_draws_the_same_in_a_copy(domain, tmp_path):
    worlds = make_worlds(2, domain=domain, task=task_of(domain), episode_limit=3)
    fresh = copy.deepcopy(worlds)  # before any reset
    assert_same(list(fresh.reset(seed=1)[0]), list(worlds.reset(seed=1)[0]))
    assert [each.bit_generator.state for each in fresh.np_random] == [
        each.bit_generator.state for each in worlds.np_random
    ]
    fresh.close()
    worlds.close()


@pytest.mark.parametrize("domain", DOMAINS)
def test_environments_over_or_closed_are_copied_as_such(domain):
    env = TaskEnv(domain, task=task_of(domain), episode_limit=2)
    env.reset(seed=0)
    play_two = [env.step(action) for action in acting(env, 2, 0)]
    assert play_two[-1][3]
    twin = copy.deepcopy(env)
    with pytest.raises(gymnasium.error.ResetNeeded):
        twin.step(acting(env, 1, 0)[0])
    np.testing.assert_array_equal(twin.reset()[0], env.reset()[0])
    env.close()
    with pytest.raises(RuntimeError, match="has been closed"):
        pickle.loads(pickle.dumps(env)).reset()
    twin.close()


LOAD = """
import pickle, sys
import numpy as np
env = pickle.load(sys.stdin.buffer)
rows = [np.asarray(env.step(np.full(env.action_space.shape, 0.2, dtype=np.float32))[0]) for _ in range(20)]
sys.stdout.buffer.write(np.array(rows).tobytes())
"""


@pytest.mark.parametrize("kind", [made, lambda domain: make_worlds(2, domain=domain, task=task_of(domain))])
@pytest.mark.parametrize("domain", DOMAINS)
def test_a_pickle_goes_on_in_another_process(domain, kind):
    env = kind(domain)
    env.reset(seed=2)
    play(env, acting(env, 15, 0))
    done = subprocess.run([sys.executable, "-c", LOAD], input=pickle.dumps(env), capture_output=True, check=True)
    rows = [env.step(np.full(env.action_space.shape, 0.2, dtype=np.float32))[0] for _ in range(20)]
    np.testing.assert_array_equal(np.frombuffer(done.stdout, dtype=np.float32), np.array(rows).reshape(-1))
    env.close()


@pytest.mark.parametrize("domain", DOMAINS)
def test_copies_render_like_the_original_and_hold_no_window_or_camera_of_its(domain):
    env = TaskEnv(domain, task=task_of(domain), render_mode="rgb_array")
    env.reset(seed=0)
    play(env, acting(env, 5, 0))
    picture = env.render()
    twin = copy.deepcopy(env)
    env.close()
    np.testing.assert_array_equal(twin.render(), picture)
    twin.close()


def assert_uncopied(handle):
    for way in WAYS.values():
        with pytest.raises(TypeError, match=r"cannot be copied or pickled|cannot pickle"):
            way(handle)


@pytest.mark.skipif(native.problem() is not None, reason=str(native.problem()))
def test_worlds_of_the_walkers_core_refuse_to_be_copied():
    assert_uncopied(native.core.Worlds(1))


@needs_pybullet
def test_what_stands_for_pybullets_memory_refuses_to_be_copied():
    from environments.hexapod3d import body, engine, terrain  # noqa: PLC0415 - not everywhere
    from environments.hexapod3d import native as core  # noqa: PLC0415
    from environments.hexapod3d.drawing import Camera  # noqa: PLC0415

    for handle in (engine.Client(), engine.World(), Camera(body.HEXAPOD, terrain.flat())):
        assert_uncopied(handle)
        handle.close()
    if core.problem() is None:
        assert_uncopied(core.shared_robot(body.HEXAPOD))


@pytest.mark.parametrize("domain", DOMAINS)
def test_an_engine_changed_from_outside_is_not_copied_as_if_nothing_had_been(domain):
    env = bare(domain)
    env.reset(seed=0)
    if domain == "walker2d":
        env._hull.linearVelocity = (3.0, 0.0)
    else:
        env._world.place((0.0, 0.1, 0.3), (0.0, 0.0, 0.0, 1.0), [0.0] * 18)
    env.step(np.zeros(env.action_space.shape, np.float32))
    with pytest.raises(RuntimeError, match="came out differently when it was played again"):
        copy.deepcopy(env)
    env.close()


def test_an_episode_too_long_to_keep_says_so_when_it_is_copied(monkeypatch):
    monkeypatch.setattr(history, "LONGEST", 5)
    env = bare("walker2d")
    env.reset(seed=0)
    actions = acting(env, 6, 0)
    play(env, actions[:5])
    copy.deepcopy(env)
    play(env, actions[5:])
    with pytest.raises(RuntimeError, match="an episode of more than 5 steps cannot be copied or pickled; reset first"):
        pickle.dumps(env)
    env.reset()
    pickle.dumps(env)
