"""The vector environment against Gymnasium's own, made of reference walkers."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import batch_space
from walkers import course

import environments
from environments.domain import Environment, Outcome
from environments.walker2d import native
from environments.walker2d.env import WalkerEnv
from environments.walker2d.vector import WalkerVectorEnv

pytestmark = pytest.mark.skipif(native.problem() is not None, reason=str(native.problem()))
ROUGH = Environment(domain="walker2d", encoding="parametric", genome={"roughness": 3.0}, seed=1)
TASKS = [environments.HARD, None, ROUGH, course("stairs", 2), environments.HARD, course("pits", 3)]
N = len(TASKS)


def reference_worlds(limit=120):
    def make(task):
        terrain = task if not isinstance(task, (Environment, type(None))) else None
        return lambda: WalkerEnv(task if terrain is None else None, terrain=terrain, episode_limit=limit)

    return SyncVectorEnv([make(task) for task in TASKS])


def assert_steps_equal(ours, theirs):
    for found, wanted in zip(ours[:4], theirs[:4], strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert ours[4].keys() == theirs[4].keys()
    if ours[4]:
        over = ours[4]["_outcome"]
        np.testing.assert_array_equal(over, theirs[4]["_outcome"])
        assert list(ours[4]["outcome"][over]) == list(theirs[4]["outcome"][over])


@pytest.mark.parametrize("kernel", ["", "plain-4"])
def test_vector_env_equals_gymnasiums_of_reference_walkers_through_resets(kernel):
    ours, theirs = WalkerVectorEnv(TASKS, episode_limit=120, kernel=kernel), reference_worlds()
    np.testing.assert_array_equal(ours.reset(seed=3)[0], theirs.reset(seed=3)[0])
    rng = np.random.default_rng(0)
    ends = 0
    for step in range(400):
        actions = rng.uniform(-1, 1, (N, 4)).astype(np.float32)
        if step == 150:
            actions[1] = np.nan
        result = ours.step(actions)
        assert_steps_equal(result, theirs.step(actions))
        ends += (result[2] | result[3]).sum()
        if step == 200:
            some = np.arange(N) % 2 == 0
            found, _ = ours.reset(seed=9, options={"reset_mask": some})
            wanted, _ = theirs.reset(seed=9, options={"reset_mask": some})
            np.testing.assert_array_equal(found, wanted)
        if step == 300:
            np.testing.assert_array_equal(ours.reset()[0], theirs.reset()[0])
    assert ends > 10


def test_declares_what_gymnasium_asks_of_a_vector_environment():
    worlds = gymnasium.make_vec("poet/Walker2DHard-v0", num_envs=3)
    assert isinstance(worlds.unwrapped, WalkerVectorEnv)
    assert worlds.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert worlds.num_envs == 3
    single = WalkerEnv()
    assert worlds.single_observation_space == single.observation_space
    assert worlds.observation_space == batch_space(single.observation_space, 3)
    assert worlds.action_space == batch_space(single.action_space, 3)
    observations, infos = worlds.reset(seed=1)
    assert observations in worlds.observation_space
    assert infos["task"].tolist() == [environments.HARD.number] * 3
    worlds.action_space.seed(0)
    observations, rewards, terminations, truncations, _ = worlds.step(worlds.action_space.sample())
    assert (observations.dtype, observations.shape) == (np.float32, (3, 24))
    assert (rewards.dtype, terminations.dtype, truncations.dtype) == (np.float64, np.bool_, np.bool_)
    worlds.close()


def test_gymnasiums_vector_wrappers_work():
    worlds = gymnasium.wrappers.vector.RecordEpisodeStatistics(WalkerVectorEnv([None] * 4, episode_limit=30))
    worlds.reset(seed=0)
    for _ in range(30):
        _, _, terminations, truncations, infos = worlds.step(np.zeros((4, 4), dtype=np.float32))
        if (terminations | truncations).any():
            break
    assert infos["episode"]["l"][terminations | truncations].min() == 30


def test_observations_belong_to_the_caller():
    worlds = WalkerVectorEnv([None, None])
    first, _ = worlds.reset(seed=0)
    kept = first.copy()
    worlds.step(np.ones((2, 4), dtype=np.float32))
    np.testing.assert_array_equal(first, kept)


def test_a_new_task_begins_with_the_worlds_next_episode_and_others_go_on():
    worlds, untouched = WalkerVectorEnv([None, None]), WalkerVectorEnv([None, None])
    worlds.reset(seed=4)
    untouched.reset(seed=4)
    worlds.set_task(1, ROUGH)
    actions = np.full((2, 4), 0.5, dtype=np.float32)
    for _ in range(20):
        assert_steps_equal(worlds.step(actions), untouched.step(actions))
    assert worlds.tasks == [None, None]
    worlds.reset(options={"reset_mask": np.array([False, True])})
    assert worlds.tasks == [None, ROUGH.id]
    for _ in range(40):
        np.testing.assert_array_equal(worlds.step(actions)[0][0], untouched.step(actions)[0][0])


def test_a_diverged_world_is_told_and_replaced():
    worlds = WalkerVectorEnv([None] * 3)
    worlds.reset(seed=0)
    actions = np.zeros((3, 4), dtype=np.float32)
    actions[1, 2] = np.inf
    observations, rewards, terminations, _, infos = worlds.step(actions)
    assert list(terminations) == [False, True, False]
    assert infos["outcome"][1] == Outcome.DIVERGED
    assert rewards[1] == -100
    assert not observations[1].any()
    observations, rewards, terminations, _, _ = worlds.step(np.zeros((3, 4), dtype=np.float32))
    assert observations[1].any()
    assert not terminations.any()


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="courses is empty"):
        WalkerVectorEnv([])
    worlds = WalkerVectorEnv([None, None])
    with pytest.raises(ValueError, match=r"actions has shape \(2, 3\); it must be \(2, 4\)"):
        worlds.step(np.zeros((2, 3), dtype=np.float32))
    with pytest.raises(ValueError, match="seed has 3 entries"):
        worlds.reset(seed=[1, 2, 3])
    with pytest.raises(ValueError, match="kernel is 'cuda'; this build has"):
        WalkerVectorEnv([None], kernel="cuda")
