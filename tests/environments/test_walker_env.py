import os
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.box2d.bipedal_walker import BipedalWalkerHeuristics
from gymnasium.utils.env_checker import check_env
from gymnasium_walker import start

import environments
from environments.domain import NO_OUTCOME, Environment, Outcome
from environments.walker2d.env import FALL_REWARD, WalkerEnv, start_pushes

IDS = ("poet/Walker2D-v0", "poet/Walker2DHard-v0")


@pytest.mark.filterwarnings("ignore:.*:UserWarning")  # advice on the range of observations
@pytest.mark.parametrize("name", IDS)
def test_registered_environments_pass_gymnasiums_checker(name):
    check_env(gymnasium.make(name, render_mode="rgb_array").unwrapped)


def heuristic_actions(seed):
    walker = BipedalWalkerHeuristics()
    walker.a = np.zeros(4)  # the class attribute is shared
    return walker.step_heuristic


def random_actions(seed):
    rng = np.random.default_rng(seed)
    return lambda observation: rng.uniform(-1.3, 1.3, 4)


@pytest.mark.parametrize("hardcore", [False, True])
@pytest.mark.parametrize("make_actions", [heuristic_actions, random_actions])
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4, 9])  # 0 and 9 finish the plain course by the heuristic
def test_whole_episode_equals_gymnasiums(seed, make_actions, hardcore):
    theirs = start(seed, hardcore)
    ours = WalkerEnv(terrain=theirs.terrain)
    observation, _ = ours.reset(options={"push": theirs.push})
    np.testing.assert_array_equal(observation, theirs.observation)  # to the last bit
    assert not hardcore or len(theirs.terrain.boxes) > 20
    act = make_actions(seed)
    for _ in range(2000):
        # float64, since Gymnasium sums the reward in the precision of the action
        action = np.asarray(act(theirs.observation), dtype=np.float64)
        expected, reward, terminated, _, _ = theirs.env.step(action)
        observation, our_reward, our_terminated, our_truncated, info = ours.step(action)
        np.testing.assert_array_equal(observation, expected)
        assert our_reward == pytest.approx(reward, abs=1e-12)
        assert our_terminated == terminated
        theirs.observation = expected
        if terminated:
            finished = make_actions is heuristic_actions and not hardcore and seed == 9
            assert info["outcome"] in ((Outcome.FINISHED,) if finished else (Outcome.FELL, Outcome.FINISHED))
            return
    assert our_truncated


def test_episode_limit_truncates_with_outcome_timed_out():
    env = WalkerEnv(episode_limit=3)
    env.reset(seed=0)
    action = np.zeros(4, dtype=np.float32)
    steps = [env.step(action) for _ in range(3)]
    assert [step[3] for step in steps] == [False, False, True]
    assert steps[-1][4]["outcome"] == Outcome.TIMED_OUT


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_action_that_is_not_finite_ends_the_episode_as_diverged(bad):
    env = WalkerEnv()
    env.reset(seed=0)
    observation, reward, terminated, _, info = env.step(np.array([0, bad, 0, 0], dtype=np.float32))
    assert (reward, terminated, info["outcome"]) == (FALL_REWARD, True, Outcome.DIVERGED)
    assert np.isfinite(observation).all()


def test_state_that_breaks_down_ends_the_episode_as_diverged():
    env = WalkerEnv()
    env.reset(seed=0)
    env._hull.linearVelocity = (float("nan"), 0.0)
    _, _, terminated, _, info = env.step(np.zeros(4, dtype=np.float32))
    assert terminated
    assert info["outcome"] == Outcome.DIVERGED


def test_push_is_within_five_newtons_and_spread_evenly():
    pushes = start_pushes(np.arange(20_000, dtype=np.uint64))
    assert np.abs(pushes).max() <= 5
    assert np.allclose(np.quantile(pushes, [0.1, 0.5, 0.9]), [-4, 0, 4], atol=0.15)


def test_same_seed_starts_the_same_episode_and_another_does_not():
    env = WalkerEnv()
    first, again, other = (env.reset(seed=seed)[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("name", IDS)
def test_picture_shows_sky_ground_walker_and_flag(name):
    env = gymnasium.make(name, render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    assert picture.shape == (250, 600, 3)
    assert picture.dtype == np.uint8
    red, green, blue = picture[..., 0].astype(int), picture[..., 1].astype(int), picture[..., 2].astype(int)
    assert (blue[:50] > 200).mean() > 0.9  # sky
    assert ((red > blue + 20) & (red > green))[-40:].mean() > 0.5  # earth
    assert ((blue > 150) & (green < 110) & (red < 200)).sum() > 300  # the violet hull
    assert ((red > 200) & (green < 90)).sum() > 20  # the flag


def test_pictures_follow_the_walker():
    env = WalkerEnv(environments.HARD, render_mode="rgb_array")
    env.reset(seed=0)
    before = env.render()
    for _ in range(30):
        env.step(np.array([1, 1, -1, 1], dtype=np.float32))
    assert (env.render() != before).mean() > 0.01


def test_human_mode_works_without_a_screen():
    code = (
        "from environments.walker2d.env import WalkerEnv; import numpy as np\n"
        "env = WalkerEnv(render_mode='human'); env.reset(seed=0)\n"
        "for _ in range(3): env.step(np.zeros(4, dtype=np.float32))\n"
        "env.close(); print('shown')"
    )
    variables = {**os.environ, "SDL_VIDEODRIVER": "dummy"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=variables, check=True)
    assert "shown" in done.stdout


def test_walking_off_the_left_edge_is_a_fall():
    env = WalkerEnv()
    env.reset(seed=0)
    for body in (env._hull, *env._legs):
        body.position = (body.position[0] - 4.7, body.position[1])
        body.linearVelocity = (-2.0, 0.0)
    outcome = NO_OUTCOME
    while outcome == NO_OUTCOME:
        outcome = env.step(np.zeros(4, dtype=np.float32))[4]["outcome"]
    assert outcome == Outcome.FELL
    assert not env._contacts.hull_touched


def test_step_before_reset_is_refused():
    with pytest.raises(gymnasium.error.ResetNeeded):
        WalkerEnv().step(np.zeros(4, dtype=np.float32))


def test_unknown_render_mode_is_refused():
    with pytest.raises(ValueError, match="render_mode is 'ansi'; it must be None, 'human' or 'rgb_array'"):
        WalkerEnv(render_mode="ansi")


def test_genome_out_of_bounds_is_refused_when_the_environment_is_made():
    bad = Environment(domain="walker2d", encoding="parametric", genome={"pit_gap": [0, 99]}, seed=0)
    with pytest.raises(ValueError, match="pit_gap is"):
        gymnasium.make("poet/Walker2D-v0", task=bad)
