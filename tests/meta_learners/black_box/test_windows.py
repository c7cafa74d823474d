"""Trials that run on over meta-steps, against the same trials gone through by hand, step by step."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from counting import LIMIT, Counting

from meta_learners.black_box.rl2 import RL2Settings
from meta_learners.black_box.trials import losses
from meta_learners.black_box.windows import Noting, Pieces, laid_out_running, trial_bounds
from meta_learners.experience.ended import ended_episodes
from meta_learners.experience.returns import running_advantages
from meta_learners.experience.sampling import Sampler
from meta_learners.families.gymnasium_family import GymnasiumFamily
from meta_learners.keys import torch_generator
from meta_learners.networks.recurrent import RecurrentActor, inputs_of
from meta_learners.registry import make_learner

EPISODES, STEPS, WINDOW = 2, 9, 4
FAMILY = GymnasiumFamily(Counting, episode_limit=LIMIT)
SETTINGS = RL2Settings(hidden=6, reflex=5, episodes=EPISODES, steps=STEPS, window=WINDOW)
KINDS = {
    "rl2": {"hidden": 6, "reflex": 5},
    "rl2 of products": {"hidden": 6, "reflex": 0, "products": True, "critic_memory": False},
    "transformer": {"size": 8, "heads": 2, "context": 5},
    "snail": {"filters": 4, "keys": 4},
}


def rollouts(kind, count=6):
    """Play some rollouts through trials that run on; a task is a number of steps, and never given twice."""
    learner = make_learner(kind.split()[0], FAMILY, {**KINDS[kind], "episodes": EPISODES, "steps": STEPS}, seed=3)
    policy, head = learner.actor().policy, learner.actor().head
    sampler, played = Sampler(FAMILY, 2, 2), []
    for number in range(count):
        tasks = [3 + (number % 4), 7 + number]
        first = sampler.running.first([task for task in tasks for _ in range(2)], EPISODES)
        actor = Noting(RecurrentActor(policy, head, policy.initial(4, learning=True)), WINDOW)
        rollout = sampler.play(tasks, actor, (number,), steps=STEPS, go_on=True, trial=EPISODES)
        played.append((tasks, first, rollout, actor))
    return policy, head, played


@pytest.mark.parametrize("kind", KINDS)
def test_what_acted_remembered_its_whole_trial_and_nothing_of_the_one_before(kind):
    """Each world is gone through alone: one input after another, from nothing wherever a second episode was over."""
    policy, _, played = rollouts(kind)
    inputs = [inputs_of(rollout, policy.actions, policy.products)[:-1] for _, _, rollout, _ in played]
    trials = 0
    for world in range(4):
        memory, ended, begins = policy.initial(1), 0, False
        for seen, (_, _, rollout, _) in zip(inputs, played, strict=True):
            at = world // 2, slice(None), world % 2
            for step, (valid, end) in enumerate(zip(rollout.valid[at], rollout.ends[at], strict=True)):
                if begins and valid:
                    memory, begins, trials = policy.initial(1), False, trials + 1
                with torch.no_grad():
                    numbers, memory = policy(seen[step, world][None, None], memory)
                torch.testing.assert_close(numbers[0, 0], rollout.numbers[at][step], rtol=1e-4, atol=1e-5)
                ended += int(end)
                begins |= bool(end) and ended % EPISODES == 0
    assert trials > 8


@pytest.mark.parametrize("kind", KINDS)
def test_windows_see_what_acted(kind):
    """Each action's probability as learning finds it is the one it was chosen with, and each step counts once."""
    policy, head, played = rollouts(kind)
    for _, _, rollout, actor in played:
        windows = laid_out_running(policy, head, rollout, actor, SETTINGS)
        assert windows["valid"].sum() == rollout.valid.sum()
        assert len(windows["valid"]) == WINDOW
        before = tuple(each[0] for name, each in windows.items() if name.startswith("memory."))
        numbers, _ = policy.read(policy.remember(windows["inputs"], before), windows["inputs"])
        found = head.log_probability(numbers, windows["actions"])
        own = windows["valid"] > 0
        torch.testing.assert_close(found[own], windows["log_probabilities"][own], rtol=1e-3, atol=1e-4)
        assert losses(policy, head, windows, 0.2).isfinite().all()


def test_a_trial_keeps_its_task_and_episodes_are_told_with_it():
    _, _, played = rollouts("rl2")
    told = [
        (round(10 * rollout.observations[world // 2, step, world % 2, 0].item()), rollout.scores.shape)
        for _, _, rollout, _ in played
        for world in range(4)
        for step in range(STEPS)
    ]
    assert {task for task, _ in told} >= {3, 7}
    for world in range(4):
        lived = []
        for _, _, rollout, _ in played:
            for step in range(STEPS):
                if rollout.ends[world // 2, step, world % 2]:
                    lived.append(round(10 * rollout.observations[world // 2, step, world % 2, 0].item()))
        assert len(lived) >= 4
        assert lived[0:-1:2] == lived[1::2][: len(lived[0:-1:2])]  # first and second episode of each trial
        assert len(set(lived)) > 1
    for tasks, first, rollout, _ in played:
        listed = [task for task in tasks for _ in range(2)]
        found = [task for task, _, _ in ended_episodes(rollout, first, listed)]
        expected = [
            round(10 * rollout.observations[world // 2, step, world % 2, 0].item())
            for world in range(4)
            for step in range(STEPS)
            if rollout.ends[world // 2, step, world % 2]
        ]
        assert found == expected


def test_returns_are_told_by_the_episodes_place_in_its_trial():
    """By hand: every world's scores, summed from each episode's first step, whatever rollout that was in."""
    _, _, played = rollouts("rl2")
    sums, number = np.zeros(4), np.zeros(4, dtype=int)
    for _, _, rollout, _ in played:
        ended = [[], []]
        for step in range(STEPS):
            for world in range(4):
                at = world // 2, step, world % 2
                sums[world] += rollout.scores[at].item()
                if rollout.ends[at]:
                    ended[number[world] % 2].append(sums[world])
                    sums[world], number[world] = 0.0, number[world] + 1
        for found, wanted in zip(rollout.mean_returns(rollout.begun), ended, strict=True):
            assert found.isnan().item() == (not wanted)
            assert not wanted or found.item() == pytest.approx(np.mean(wanted), abs=1e-5)


def test_advantages_equal_the_sum_over_each_trials_own_steps_and_what_the_critic_says_beyond():
    generator = torch_generator((3,))
    steps, worlds, discount, trace = 14, 5, 0.9, 0.8
    rewards = torch.randn(steps, worlds, generator=generator, dtype=torch.float64)
    values = torch.randn(steps + 1, worlds, generator=generator, dtype=torch.float64)
    valid = torch.rand(steps, worlds, generator=generator) < 0.8
    over = valid & (torch.rand(steps, worlds, generator=generator) < 0.25)
    terminated = over & (torch.rand(steps, worlds, generator=generator) < 0.5)
    found = running_advantages(rewards, values, valid, over, terminated, discount, trace)
    assert (found[~valid] == 0).all()
    for world in range(worlds):
        at = valid[:, world].nonzero()[:, 0].tolist()
        for place, step in enumerate(at):
            expected, weight = 0.0, 1.0
            for now, then in zip(at[place:], [*at[place + 1 :], steps], strict=True):
                ahead = values[then, world]
                if over[now, world]:
                    ahead = 0.0 if terminated[now, world] else values[now, world]
                expected += weight * (rewards[now, world] + discount * ahead - values[now, world])
                weight *= discount * trace
                if over[now, world]:
                    break
            assert found[step, world].item() == pytest.approx(float(expected))


def test_pieces_put_together_are_the_rollout_and_begin_where_trials_do():
    _, _, played = rollouts("rl2")
    for _, _, rollout, _ in played:
        valid, ends = (each.transpose(0, 1).flatten(1, 2) for each in (rollout.valid, rollout.ends))
        over, begins = trial_bounds(valid, ends, rollout.begun)
        assert (over <= ends).all()
        pieces = Pieces.of(begins, WINDOW)
        steps = torch.arange(STEPS * 4).view(STEPS, 4)
        assert torch.equal(pieces.joined(pieces.cut(steps), STEPS, 4), steps)
        assert not (pieces.cut(begins) & pieces.own)[1:].any()


def test_a_trial_that_runs_on_needs_worlds_that_do():
    sampler = Sampler(FAMILY, 1, 1)
    actor = make_learner("rl2", FAMILY, {"hidden": 4}).actor()
    with pytest.raises(ValueError, match="trial is 2 where worlds begin anew"):
        sampler.play([3], actor, (0,), episodes=2, trial=2)
    sampler.play([9], Noting(actor, 4), (0,), steps=4, go_on=True, trial=2)
    others = replace(sampler.running.state(), lived=np.zeros(2, dtype=np.int64))
    with pytest.raises(ValueError, match="what they lived through and remember"):
        sampler.running.load(others)
