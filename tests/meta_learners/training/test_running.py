"""Worlds that run on from rollout to rollout, and falls that training sees otherwise, against episodes by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from counting import LIMIT, Counting

import environments
from environments.domain import Environment, Outcome
from environments.walker2d import native
from environments.walker2d.env import WalkerEnv
from meta_learners.acting import Actions
from meta_learners.black_box.ppo import PPO, PPOSettings
from meta_learners.experience.sampling import Sampler
from meta_learners.families.environments import EnvironmentFamily
from meta_learners.families.gymnasium_family import GymnasiumFamily
from meta_learners.families.navigation import Navigation
from meta_learners.keys import torch_generator
from meta_learners.networks.heads import Normal
from meta_learners.networks.policies import Policy
from meta_learners.registry import make_learner

POLICY = Policy.make(3, Normal(1), (8,))
ROUGH = Environment(domain="walker2d", encoding="parametric", genome={"roughness": 3.0}, seed=1)
needs_core = pytest.mark.skipif(native.problem() is not None, reason=str(native.problem()))


def actor(scale=3.0):
    return POLICY.actor({name: scale * each for name, each in POLICY.initial(torch_generator((5,))).items()})


def walkers(limit=60):
    return EnvironmentFamily("walker2d", {"train": [environments.FLAT, ROUGH]}, episode_limit=limit)


def test_short_rollouts_of_worlds_that_run_on_come_to_every_step_of_an_episode():
    """The observation counts its episode's steps (`counting.py`): begun anew, a rollout of 3 never sees a fourth."""
    tasks, family = [9, 11], GymnasiumFamily(Counting, episode_limit=LIMIT)
    for go_on, furthest in ((False, 3), (True, LIMIT)):
        sampler, seen, ended = Sampler(family, 2, 1), 0, 0
        for number in range(6):
            rollout = sampler.play(tasks, actor(), (number,), steps=3, go_on=go_on)
            seen = max(seen, round(10 * rollout.observations[..., 1].max().item()))
            ended += int(rollout.ends.sum())
        assert seen == furthest
        assert (ended > 0) == go_on


def test_returns_count_what_an_episode_brought_along_and_tasks_change_with_episodes():
    """Played by hand: one world, of which each episode is summed from its own first step, whatever rollout that was."""
    family = GymnasiumFamily(Counting, episode_limit=LIMIT)
    sampler = Sampler(family, 1, 1)
    given, episode, sums, means = [], [], [], []
    for number, task in enumerate([4, 11, 3, 3, 6, 6]):
        rollout = sampler.play([task], actor(), (number,), steps=3, go_on=True)
        ended = []
        for step in range(3):
            if not rollout.valid[0, step, 0]:
                continue
            playing = round(10 * rollout.observations[0, step, 0, 0].item())
            if not episode:
                given.append((playing, task))
            assert playing == given[-1][0]  # its own to its end, also when others have been given since
            episode.append(rollout.scores[0, step, 0].item())
            if rollout.ends[0, step, 0]:
                ended.append(sum(episode))
                episode = []
        sums += ended
        means.append((rollout.mean_return(), ended))
    assert all(playing == task for playing, task in given)
    assert len(sums) >= 3
    for found, ended in means:
        assert bool(found.isnan()) == (not ended)
        assert not ended or found.item() == pytest.approx(np.mean(ended), abs=1e-5)


@pytest.mark.parametrize("kind", ["counting", pytest.param("walker", marks=needs_core)])
def test_worlds_that_were_brought_back_go_on_bit_for_bit(kind):
    family = GymnasiumFamily(Counting, episode_limit=LIMIT) if kind == "counting" else walkers(limit=300)
    tasks = [9, 4] if kind == "counting" else family.splits["train"]
    policy = Policy.make(family.observation_size, Normal(family.actions.size), (8,), deviation=1.0)
    acting = policy.actor(policy.initial(torch_generator((5,))))
    straight = Sampler(family, 2, 3)
    for number in range(3):
        straight.play(tasks, acting, (number,), steps=11 if kind == "counting" else 60, go_on=True)
    kept = straight.running.state()
    assert (kept.lengths > 0).any()
    assert kept.lengths.min() < kept.lengths.max()
    again = Sampler(family, 2, 3)
    again.running.load(kept)
    np.testing.assert_allclose(again.running.scores, straight.running.scores, atol=1e-12)
    for number in (3, 4):
        unbroken, resumed = (
            each.play(tasks[::-1], acting, (number,), steps=60, go_on=True) for each in (straight, again)
        )
        for name in ("observations", "actions", "rewards", "valid", "terminated", "truncated", "carried"):
            assert torch.equal(getattr(unbroken, name), getattr(resumed, name)), name
    assert unbroken.ends.any()


def test_a_state_of_other_worlds_is_refused():
    family = GymnasiumFamily(Counting, episode_limit=LIMIT)
    sampler = Sampler(family, 2, 1)
    sampler.play([9, 9], actor(), (0,), steps=3, go_on=True)
    kept = sampler.running.state()
    with pytest.raises(ValueError, match="the state is of 2 worlds; there are 3"):
        Sampler(family, 3, 1).running.load(kept)
    with pytest.raises(ValueError, match="the state has actions"):
        sampler.running.load(replace(kept, actions=kept.actions[1:]))
    with pytest.raises(ValueError, match=f"steps; they must be under {LIMIT}"):
        sampler.running.load(replace(kept, lengths=kept.lengths + LIMIT))


@needs_core
def test_a_fall_is_learnt_from_by_its_own_reward_and_scored_by_the_domains():
    family = walkers(limit=400)
    policy = Policy.make(24, Normal(4), (8,), deviation=1.0)
    acting = policy.actor(policy.initial(torch_generator((0,))))
    plain, mild = (
        Sampler(family, 2, 3, fall_reward=reward).play(family.splits["train"], acting, (1,), episodes=1)
        for reward in (None, -10.0)
    )
    assert torch.equal(plain.observations, mild.observations)
    assert torch.equal(plain.scores, mild.scores)
    assert torch.equal(plain.rewards, plain.scores)
    assert plain.fell.any()
    assert (plain.scores[plain.fell] == -100).all()
    assert (mild.rewards[mild.fell] == -10).all()
    assert torch.equal(mild.rewards[~mild.fell], mild.scores[~mild.fell])
    assert mild.falls == mild.fell.sum() / 6
    env = WalkerEnv(environments.FLAT)  # the reference says that it was a fall
    env.reset(seed=int(np.random.default_rng(np.random.SeedSequence(1, spawn_key=(2,))).integers(2**31, size=6)[0]))
    length = int(plain.valid[0, :, 0].sum())
    for action in plain.actions[0, :length, 0].numpy():
        *_, info = env.step(action)
    assert (info["outcome"] == Outcome.FELL) == bool(plain.fell[0, length - 1, 0])


def test_a_fall_reward_where_nobody_falls_is_refused():
    with pytest.raises(ValueError, match=r"fall_reward is -10.0; in navigation nobody falls"):
        Sampler(Navigation(), 1, 1, fall_reward=-10.0)


@needs_core
def test_ppo_learns_in_the_later_part_of_an_episode_that_is_longer_than_its_meta_step():
    family = walkers(limit=50)
    furthest = {}
    for run_on in (True, False):
        learner = PPO(family, PPOSettings(hidden=4, steps=20, run_on=run_on, epochs=1, minibatches=1))
        sampler = Sampler(family, 2, 1)
        metrics = [learner.meta_step(sampler, family.splits["train"], (0, step)) for step in range(3)]
        furthest[run_on] = ["return_before" in each for each in metrics]
        assert all(np.isfinite(list(each.values())).all() for each in metrics)
    assert furthest == {True: [False, False, True], False: [False] * 3}


CARTPOLE = """
import gymnasium
from environments.controller import Controller
from environments.domain import NO_OUTCOME, Outcome

class Env(gymnasium.Wrapper):
    def __init__(self, environment, episode_limit):
        super().__init__(gymnasium.make("CartPole-v1", max_episode_steps=episode_limit))
        self.unwrapped.length = environment.genome["length"]

    def reset(self, *, seed=None, options=None):
        observation, _ = self.env.reset(seed=seed)
        return observation, {"outcome": NO_OUTCOME}

    def step(self, action):
        observation, reward, terminated, truncated, _ = self.env.step(action)
        outcome = Outcome.FELL if terminated else Outcome.TIMED_OUT if truncated else NO_OUTCOME
        return observation, reward, terminated, truncated, {"outcome": int(outcome)}

class Domain:
    name = "cartpole-choices"
    controller = Controller((4, 2))
    episode_limit, fall_return, solved_return = 200, 1.0, 195.0
    engines, lanes = ("gymnasium",), {"gymnasium": 1}

    def encoding(self, name, options):
        raise NotImplementedError

    def make_env(self, environment, *, render_mode=None, episode_limit=None):
        return Env(environment, episode_limit or self.episode_limit)

DOMAIN = Domain()
"""


@pytest.fixture(scope="module")
def cartpoles(tmp_path_factory):
    """CartPole with its two choices, as somebody else's package: found by its entry point alone."""
    place = tmp_path_factory.mktemp("elsewhere")
    (place / "somebodys_cartpole.py").write_text(CARTPOLE, encoding="utf-8")
    (place / "somebodys_cartpole-1.dist-info").mkdir()
    (place / "somebodys_cartpole-1.dist-info" / "METADATA").write_text("Name: somebodys-cartpole\nVersion: 1\n")
    (place / "somebodys_cartpole-1.dist-info" / "entry_points.txt").write_text(
        "[poet.domains]\ncartpole-choices = somebodys_cartpole:DOMAIN\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(place))
        lengths = (0.5, 1.0)
        yield [
            Environment(domain="cartpole-choices", encoding="any", genome={"length": length}, seed=0)
            for length in lengths
        ]


@pytest.mark.parametrize("name", ["ppo", "rl2", "promp"])
def test_a_third_body_with_choices_is_learnt_on_like_any_other(cartpoles, name):
    family = EnvironmentFamily("cartpole-choices", {"train": cartpoles}, episode_limit=15)
    assert (family.observation_size, family.actions) == (4, Actions(2, discrete=True))
    settings = {
        "ppo": {"steps": 25, "hidden": 4, "epochs": 1},
        "rl2": {"hidden": 4, "epochs": 1, "minibatches": 1},
        "promp": {"hidden": [4]},
    }[name]
    learner = make_learner(name, family, settings)
    sampler = Sampler(family, 2, 2, fall_reward=-5.0)
    for step in range(2):
        metrics = learner.meta_step(sampler, cartpoles, (0, step))
    assert np.isfinite(list(metrics.values())).all()
    assert 0 <= metrics["falls"] <= 1
    actor = learner.adapt(sampler, cartpoles, 1, (9,))
    for acting in (actor, actor.greedy()):
        rollout = sampler.play(cartpoles, acting, (10,), episodes=1)
        np.testing.assert_array_equal(rollout.scores.sum(1), rollout.valid.sum(1))  # a point a step, falls included


@pytest.mark.slow
def test_ppo_balances_a_pole_by_choices(cartpoles):
    family = EnvironmentFamily("cartpole-choices", {"train": cartpoles})
    learner = make_learner("ppo", family, {"steps": 64, "reward_scale": 0.1, "step_size": 3e-3})
    sampler = Sampler(family, 2, 4)
    returns = [learner.meta_step(sampler, cartpoles, (0, step)).get("return_before", 0.0) for step in range(25)]
    assert np.mean(returns[:3]) < 40
    assert np.mean(returns[-5:]) > 120
