"""Rollouts of many tasks at once against the same episodes played one after another by hand."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import torch
from counting import LIMIT, Counting
from listening import Listening

import environments
from environments.domain import Environment
from environments.walker2d import native
from environments.walker2d.env import WalkerEnv
from meta_learners.experience.returns import (
    accumulated,
    accumulated_over,
    advantages,
    doubled,
    linear_baseline,
    returns_to_go,
    time_in_episode,
    trial_advantages,
)
from meta_learners.experience.sampling import Sampler
from meta_learners.families.environments import EnvironmentFamily
from meta_learners.families.gymnasium_family import GymnasiumFamily
from meta_learners.families.navigation import Navigation
from meta_learners.keys import Stream, numpy_generator, torch_generator
from meta_learners.networks.heads import Categorical, Normal
from meta_learners.networks.policies import Policy, stack

TASKS, COPIES, STEPS = [3, 4, 9, 11], 2, 38
POLICY = Policy.make(3, Normal(1), (8,))


def counting():
    return GymnasiumFamily(Counting, episode_limit=LIMIT)


def weights():
    """Draw other weights for every task, large enough that actions differ."""
    drawn = [POLICY.initial(torch_generator((5, task))) for task in range(len(TASKS))]
    return {name: torch.stack([each[name] * 10 + 0.1 for each in drawn]) for name in drawn[0]}


def act_by_hand(parameters, task, observation):
    signal = observation.astype(np.float64)
    first, second = ((parameters[f"layer{n}.weight"][task], parameters[f"layer{n}.bias"][task]) for n in (0, 1))
    hidden = np.tanh(signal @ first[0].double().numpy() + first[1].double().numpy())
    return np.clip(hidden @ second[0].double().numpy() + second[1].double().numpy(), -0.5, 0.5)


def play_by_hand(task, copy, parameters, seed):
    """Play one world for as many steps as the rollout has rows, in the obvious way: a list of episodes."""
    env, episodes, rows = Counting(), [], 0
    env.set_task(TASKS[task])
    while rows < STEPS:
        observation, _ = env.reset(seed=seed if not episodes else None)
        episode = {"observations": [observation], "rewards": [], "end": "cut"}
        while episode["end"] == "cut" and rows < STEPS:
            observation, reward, terminated, _, _ = env.step(act_by_hand(parameters, task, observation))
            episode["observations"].append(observation)
            episode["rewards"].append(reward)
            if terminated or len(episode["rewards"]) == LIMIT:
                episode["end"] = "terminated" if terminated else "truncated"
            rows += 1
        episodes.append(episode)
        rows += 1  # the step that only resets
    return episodes


def advantages_by_definition(episode, value, discount, trace):
    rewards, observations, count = episode["rewards"], episode["observations"], len(episode["rewards"])
    after = [value(each) for each in observations[1:]]
    if episode["end"] == "terminated":
        after[-1] = 0.0
    errors = [rewards[t] + discount * after[t] - value(observations[t]) for t in range(count)]
    return [sum((discount * trace) ** (s - t) * errors[s] for s in range(t, count)) for t in range(count)]


@pytest.mark.parametrize(("discount", "trace"), [(0.9, 0.7), (1.0, 1.0), (0.95, 0.0)])
def test_rollouts_and_advantages_equal_those_of_worlds_played_by_hand(discount, trace):
    sampler, parameters = Sampler(counting(), len(TASKS), COPIES), weights()
    rollout = sampler.play(TASKS, POLICY.actor(parameters, deterministic=True), (1,), steps=STEPS)
    seeds = numpy_generator((1, Stream.EPISODES)).integers(2**31, size=len(TASKS) * COPIES)
    found = advantages(rollout, rollout.observations.sum(-1), discount=discount, trace=trace)
    ended = {"terminated": 0, "truncated": 0, "cut": 0}
    for task in range(len(TASKS)):
        for copy in range(COPIES):
            episodes = play_by_hand(task, copy, parameters, int(seeds[task * COPIES + copy]))
            valid = rollout.valid[task, :, copy]
            rewards = np.concatenate([each["rewards"] for each in episodes])
            observed = np.concatenate([each["observations"][:-1] for each in episodes])
            wanted = [a for each in episodes for a in advantages_by_definition(each, np.sum, discount, trace)]
            np.testing.assert_allclose(rollout.rewards[task, :, copy][valid], rewards, atol=1e-5)
            np.testing.assert_allclose(rollout.observations[task, :-1, copy][valid], observed, atol=1e-5)
            np.testing.assert_allclose(found[task, :, copy][valid], wanted, atol=2e-4)
            assert not found[task, :, copy][~valid].any()
            assert not rollout.rewards[task, :, copy][~valid].any()
            whole = [sum(each["rewards"]) for each in episodes if each["end"] != "cut"][:3]
            np.testing.assert_allclose(rollout.episode_returns(3)[task, copy], whole, atol=1e-4)
            times = np.concatenate([np.arange(len(each["rewards"])) for each in episodes])
            np.testing.assert_array_equal(time_in_episode(rollout)[task, :-1, copy][valid], times)
            for each in episodes:
                ended[each["end"]] += 1
    assert min(ended.values()) > 0
    assert sampler.steps == rollout.valid.sum()


def test_each_world_plays_the_episodes_that_were_asked_for_and_no_more():
    sampler, parameters = Sampler(counting(), len(TASKS), COPIES), weights()
    rollout = sampler.play(TASKS, POLICY.actor(parameters, deterministic=True), (1,), episodes=2)
    np.testing.assert_array_equal(rollout.ends.sum(1), 2)
    lengths = 2 * torch.tensor(TASKS).clamp(max=LIMIT)
    np.testing.assert_array_equal(rollout.valid.sum(1), lengths[:, None].expand(-1, COPIES))
    longer = sampler.play(TASKS, POLICY.actor(parameters, deterministic=True), (1,), steps=STEPS)
    torch.testing.assert_close(rollout.episode_returns(2), longer.episode_returns(2))
    assert rollout.episode_returns(3)[..., 2].isnan().all()


def test_equal_keys_give_equal_rollouts_and_other_keys_others():
    sampler, actor = Sampler(counting(), len(TASKS), COPIES), POLICY.actor(weights())
    first, again, other = (sampler.play(TASKS, actor, key, steps=20) for key in ((1, 2), (1, 2), (1, 3)))
    assert torch.equal(first.actions, again.actions)
    assert torch.equal(first.rewards, again.rewards)
    assert not torch.equal(first.actions, other.actions)


def test_a_number_that_is_not_finite_ends_the_episode_is_counted_and_teaches_nothing():
    sampler, actor = Sampler(counting(), 2, 10), Policy.make(3, Normal(1), (8,), deviation=1.0)
    rollout = sampler.play([5, 4], actor.actor(actor.initial(torch_generator((0,)))), (3,), steps=60)
    assert 0 < rollout.diverged < 100
    assert torch.isfinite(rollout.rewards).all()
    assert torch.isfinite(rollout.observations).all()
    broken = rollout.terminated[0, :-1] & (rollout.valid[0, 1:])
    assert broken.sum() == rollout.diverged - rollout.terminated[0, -1].logical_and(rollout.rewards[0, -1] == 0).sum()
    times = time_in_episode(rollout)[0]
    assert (times[1:-1][broken[:, :]] == 0).all()
    assert not rollout.terminated[1][rollout.rewards[1] == 0].any()


@pytest.mark.skipif(native.problem() is not None, reason=str(native.problem()))
def test_walkers_play_the_task_that_each_world_was_given():
    rough = Environment(domain="walker2d", encoding="parametric", genome={"roughness": 3.0}, seed=1)
    family = EnvironmentFamily("walker2d", {"train": [environments.FLAT, rough]}, episode_limit=50)
    policy = Policy.make(24, Normal(4))
    rollout = Sampler(family, 2, 3).play(
        family.splits["train"], policy.actor(policy.initial(torch_generator((0,)))), (9,), steps=80
    )
    seeds = numpy_generator((9, Stream.EPISODES)).integers(2**31, size=6).tolist()
    for task, environment in enumerate(family.splits["train"]):
        for copy in range(3):
            env = WalkerEnv(environment, episode_limit=50)
            env.reset(seed=seeds[3 * task + copy])
            first = int(rollout.ends[task, :, copy].float().argmax()) + 1
            rewards = [env.step(action)[1] for action in rollout.actions[task, :first, copy].numpy()]
            np.testing.assert_array_equal(rollout.rewards[task, :first, copy], np.float32(rewards))


def test_tasks_are_drawn_without_repeats_while_they_last_and_only_from_the_split():
    courses = [
        Environment(domain="walker2d", encoding="parametric", genome={"roughness": r / 10}, seed=0) for r in range(6)
    ]
    family = EnvironmentFamily("walker2d", {"train": courses[:4], "test": courses[4:]})
    drawn = family.sample_tasks(6, np.random.default_rng(0))
    assert set(drawn[:4]) == set(courses[:4])
    assert len(set(drawn)) == 4
    with pytest.raises(ValueError, match="split 'validation' has no tasks; there are train"):
        family.sample_tasks(1, np.random.default_rng(0), "validation")


def test_what_is_not_a_family_is_refused_by_name():
    with pytest.raises(ValueError, match="CartPoleEnv has no sample_tasks"):
        GymnasiumFamily(lambda: gymnasium.make("CartPole-v1"), episode_limit=10)
    with pytest.raises(ValueError, match="there are 1 tasks; this sampler plays 2"):
        Sampler(Navigation(), 2, 1).play([np.zeros(2)], POLICY.actor(weights()), (0,), steps=1)
    with pytest.raises(ValueError, match="of domain walker2d; it must be toy"):
        EnvironmentFamily("toy", {"train": [environments.FLAT]})


def test_choices_are_drawn_as_often_as_their_probabilities_say():
    head, logits = Categorical(3), torch.tensor([0.0, 1.0, -1.0])
    drawn = head.act(logits.expand(200_000, 3), head.noise((200_000,), torch_generator((0,))))
    np.testing.assert_allclose(drawn.bincount() / 200_000, logits.softmax(0), atol=4e-3)


@pytest.mark.parametrize("kind", ["normal", "categorical"])
def test_heads_agree_with_pytorchs_distributions(kind):
    generator = torch_generator((1,))
    head = Normal(3) if kind == "normal" else Categorical(4)
    old, new = (torch.randn(5, 7, head.numbers, generator=generator) for _ in range(2))
    actions = head.act(old, head.noise((5, 7), generator))

    def distribution(numbers):
        if kind == "categorical":
            return torch.distributions.Categorical(logits=numbers)
        mean, log = numbers.chunk(2, -1)
        return torch.distributions.Independent(torch.distributions.Normal(mean, log.exp()), 1)

    theirs, other = distribution(old), distribution(new)
    torch.testing.assert_close(head.log_probability(old, actions), theirs.log_prob(actions))
    torch.testing.assert_close(head.entropy(old), theirs.entropy())
    torch.testing.assert_close(head.divergence(old, new), torch.distributions.kl_divergence(theirs, other))


def test_linear_baseline_reproduces_returns_that_are_linear_in_its_features():
    family = Navigation(20)
    policy = Policy.make(2, Normal(2))
    tasks = family.sample_tasks(3, np.random.default_rng(0))
    rollout = Sampler(family, 3, 10).play(tasks, policy.actor(policy.initial(torch_generator((0,)))), (0,), steps=60)
    time = time_in_episode(rollout) / 100
    truth = 2 * rollout.observations[..., 0] - rollout.observations[..., 1] ** 2 + 3 * time**2 - 1
    found = linear_baseline(rollout, truth[:, :-1] * rollout.valid)
    torch.testing.assert_close(found[:, :-1][rollout.valid], truth[:, :-1][rollout.valid], atol=1e-3, rtol=1e-3)
    assert returns_to_go(rollout, 1.0)[:, 0].allclose(rollout.episode_returns(1)[..., 0], atol=1e-3)


def test_a_step_reads_no_number_back_from_the_device_but_the_actions():
    family, policy = Navigation(), Policy.make(2, Normal(2))
    sampler, actor = Sampler(family, 3, 4), policy.actor(stack(policy.initial(torch_generator((0,))), 3))
    counts = []
    for steps in (10, 30):
        with Listening() as heard:
            sampler.play([np.zeros(2)] * 3, actor, (0,), steps=steps)
        assert not {"_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero"} & set(heard.counts)
        counts.append(heard.counts)
    assert counts[1]["copy_"] - counts[0]["copy_"] == 20  # the observations; the actions go through .cpu()
    per_step = {name: (counts[1][name] - counts[0][name]) / 20 for name in counts[0]}
    assert all(number == int(number) for number in per_step.values())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_rollouts_on_cuda_equal_those_on_the_cpu():
    family, policy = Navigation(), Policy.make(2, Normal(2))
    initial = policy.initial(torch_generator((0,)))
    rollouts = []
    for device in ("cpu", "cuda"):
        actor = policy.actor({name: each.to(device) for name, each in initial.items()})
        rollouts.append(Sampler(family, 3, 4, device=device).play([np.full(2, 0.3)] * 3, actor, (0,), steps=150))
    torch.testing.assert_close(rollouts[0].rewards, rollouts[1].rewards.cpu(), atol=1e-3, rtol=1e-3)


def test_sums_from_behind_are_those_of_the_loop_bit_for_bit_or_nearly():
    generator = torch.Generator().manual_seed(0)
    parts = torch.randn(37, 5, generator=generator)
    kept = 0.95 * (torch.rand(37, 5, generator=generator) > 0.1)
    ahead, expected = torch.zeros(5), torch.zeros(37, 5)
    for step in reversed(range(37)):
        ahead = parts[step] + kept[step] * ahead
        expected[step] = ahead
    assert torch.equal(accumulated(parts, kept), expected)
    torch.testing.assert_close(doubled(parts, kept), expected)  # as on a GPU, where it rounds otherwise


def test_trials_look_past_steps_that_do_not_count():
    generator = torch.Generator().manual_seed(1)
    rewards, values = (torch.randn(23, 4, generator=generator) for _ in range(2))
    valid = torch.rand(23, 4, generator=generator) > 0.3
    following, after = torch.zeros_like(values), torch.zeros(4)
    for step in reversed(range(23)):
        following[step] = after
        after = torch.where(valid[step], values[step], after)
    expected = accumulated_over(valid, rewards + 0.9 * following - values, 0.9 * 0.8)
    assert torch.equal(trial_advantages(rewards, values, valid, 0.9, 0.8), expected)


def test_time_is_counted_from_each_episodes_beginning():
    valid = torch.tensor([1, 1, 1, 0, 1, 1, 1, 1]).bool()
    ends = torch.tensor([0, 0, 1, 0, 0, 1, 0, 0]).bool()  # after the first a step begins anew
    one = Sampler(counting(), 1, 1).play([TASKS[0]], POLICY.actor(POLICY.initial(torch_generator((0,)))), (0,), steps=8)
    rollout = replace(
        one,
        valid=valid[None, :, None],
        terminated=ends[None, :, None],
        truncated=torch.zeros(1, 8, 1, dtype=torch.bool),
    )
    assert time_in_episode(rollout)[0, :, 0].tolist() == [0, 1, 2, 3, 0, 1, 0, 1, 2]
