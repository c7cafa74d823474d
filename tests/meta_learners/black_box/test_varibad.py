"""VariBAD: the bound by a loop, beliefs that know nothing of what comes, and gradients that stop at them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn import functional

from meta_learners.black_box.trials import losses
from meta_learners.black_box.varibad import LEAST_DEVIATION, VariBADSettings, bound
from meta_learners.black_box.windows import laid_out
from meta_learners.experience.sampling import Sampler
from meta_learners.families.mdps import TabularMDPs
from meta_learners.families.navigation import Navigation
from meta_learners.keys import numpy_generator, torch_generator
from meta_learners.networks.recurrent import inputs_of
from meta_learners.registry import make_learner

SETTINGS = VariBADSettings(units=6, hidden=5, latent=2, beliefs=4, told=3, episodes=2, window=0, minibatches=2)


@pytest.fixture(scope="module")
def lived():
    family = TabularMDPs(states=3, actions=2, horizon=4)
    learner = make_learner("varibad", family, SETTINGS)
    sampler = Sampler(family, 2, 2)
    tasks = family.sample_tasks(2, numpy_generator((0,)))
    return learner, sampler, tasks, sampler.play(tasks, learner.actor(), (1,), episodes=2)


def test_the_bound_is_that_of_the_paper_step_by_step(lived):
    learner, _, _, rollout = lived
    policy = learner.actor().policy
    with torch.no_grad():
        found = bound(policy, rollout, SETTINGS, torch_generator((3,)))
        generator = torch_generator((3,))
        valid = rollout.valid.transpose(0, 1).flatten(1).T.float()  # (4 trials, 9 steps)
        at = torch.multinomial(functional.pad(valid, (1, 0), value=1.0), 4, True, generator=generator)
        which = torch.multinomial(valid, 3, True, generator=generator)
        noise = torch.randn(4, 4, 2, generator=generator)
        beliefs = policy.believe(policy.encode(inputs_of(rollout, 2)))
        told, wanted, prices = torch.zeros(4, 4, 3, 4), torch.zeros(4, 4, 3, 4), torch.zeros(4, 4)
        for trial in range(4):
            task, world = divmod(trial, 2)
            for number, after in enumerate(at[trial].tolist()):
                now = beliefs[after, trial]
                before = beliefs[after - 1, trial] if after else torch.zeros(4)
                one, other = (Normal(each[:2], (0.5 * each[2:]).exp()) for each in (now, before))
                prices[trial, number] = kl_divergence(one, other).sum()
                latent = one.mean + one.stddev * noise[trial, number]
                for place, step in enumerate(which[trial].tolist()):
                    assert rollout.valid[task, step, world]
                    here, there = (rollout.observations[task, when, world] for when in (step, step + 1))
                    done = functional.one_hot(rollout.actions[task, step, world], 2).float()
                    told[trial, number, place] = policy.tell(latent, here, done, there)
                    wanted[trial, number, place] = torch.cat([rollout.rewards[task, step, world][None], there])
        deviation = (told - wanted).square().mean((0, 1, 2)).sqrt().clamp(min=LEAST_DEVIATION)
        likelihood = Normal(told, deviation).log_prob(wanted).sum(-1).mean(-1) * 8  # two episodes of four steps
    torch.testing.assert_close(found, (likelihood - 0.1 * prices).mean(), rtol=1e-4, atol=1e-4)


def test_what_was_acted_is_what_learning_sees_and_beliefs_know_nothing_of_what_comes(lived):
    learner, _, _, rollout = lived
    policy = learner.actor().policy
    inputs = inputs_of(rollout, 2)[:-1]
    numbers, _ = policy.read(policy.remember(inputs), inputs)
    torch.testing.assert_close(numbers, rollout.numbers.transpose(0, 1).flatten(1, 2), rtol=0, atol=1e-5)
    other = inputs.clone()
    other[5:] += 1.0
    before, after = policy.remember(inputs), policy.remember(other)
    assert torch.equal(before[:5], after[:5])
    assert (before[5:] != after[5:]).any(2).all()


def test_the_policys_gradients_stop_at_beliefs_and_inferences_never_reach_the_policy(lived):
    learner, _, _, rollout = lived
    policy, head = learner.actor().policy, learner.actor().head
    inferring = {"embed", "unit", "describe", "of_rewards", "of_observations"}
    policy.zero_grad()
    losses(policy, head, laid_out(policy, head, rollout, replace(SETTINGS, window=3)), 0.2).sum().backward()
    moved = {name.partition(".")[0] for name, each in policy.named_parameters() if each.grad is not None}
    assert moved == {"actor", "critic"}
    policy.zero_grad()
    bound(policy, rollout, SETTINGS, torch_generator((3,))).backward()
    moved = {name.partition(".")[0] for name, each in policy.named_parameters() if each.grad is not None}
    assert moved == inferring


def test_adapting_goes_on_from_the_belief_at_each_worlds_end(lived):
    learner, sampler, tasks, _ = lived
    rollout = sampler.play(tasks, learner.actor(), (7,), episodes=2)
    policy = learner.actor().policy
    with torch.no_grad():
        hidden = policy.encode(inputs_of(rollout, 2))
    torch.testing.assert_close(learner.adapt(sampler, tasks, 2, (7,)).memory, hidden[-1], rtol=0, atol=1e-6)


def test_inference_tells_a_task_that_rewards_give_away():
    """Two processes of which one pays at every step and the other never: beliefs must part them."""
    family = TabularMDPs(states=2, actions=2, horizon=6)
    learner = make_learner("varibad", family, replace(SETTINGS, units=16, told=8, observations=False, episodes=1))
    policy, sampler = learner.actor().policy, Sampler(family, 32, 1)
    adam = torch.optim.Adam(policy.parameters(), lr=1e-2)
    tasks = family.sample_tasks(1, numpy_generator((0,))) * 32
    rollout = sampler.play(tasks, learner.actor(), (0,), episodes=1)
    kind = torch.arange(32)[:, None, None] % 2
    rollout = replace(rollout, rewards=kind.expand(rollout.rewards.shape).float())
    first = bound(policy, rollout, SETTINGS, torch_generator((0,))).item()
    for step in range(80):
        adam.zero_grad()
        (-bound(policy, rollout, SETTINGS, torch_generator((step,)))).backward()
        adam.step()
    assert bound(policy, rollout, SETTINGS, torch_generator((0,))).item() > first + 2
    with torch.no_grad():
        means = policy.remember(inputs_of(rollout, 2))[-1, :, :2]
    own, other = means[kind[:, 0, 0] == 0], means[kind[:, 0, 0] == 1]
    between, within = (own.mean(0) - other.mean(0)).norm(), (own.std(0) + other.std(0)).norm()
    assert between > 3 * within


def test_beliefs_find_a_goal_that_distances_hint_at():
    """No sum of places and distances tells the goal: an encoder or a decoder that stays near linear finds none."""
    family = Navigation(episode_limit=20)
    settings = replace(SETTINGS, units=32, latent=5, beliefs=8, told=20, observations=False, episodes=1)
    settings = replace(settings, deviation=0.3, memory=20)
    learner = make_learner("varibad", family, settings)
    policy, goals = learner.actor().policy, family.sample_tasks(256, numpy_generator((0,)))
    known, new = (
        Sampler(family, 128, 1).play(some, learner.actor(), (key,), episodes=1)
        for key, some in enumerate((goals[:128], goals[128:]))
    )
    adam = torch.optim.Adam(policy.parameters(), lr=5e-3, eps=1e-5)
    for step in range(150):
        adam.zero_grad()
        (-bound(policy, known, settings, torch_generator((step,)))).backward()
        adam.step()
    means, others = (
        functional.pad(policy.remember(inputs_of(each, 2))[-1, :, :5], (0, 1), value=1.0) for each in (known, new)
    )
    wanted = torch.tensor(np.stack(goals)).float()
    fit = torch.linalg.lstsq(means, wanted[:128]).solution
    missed = (others @ fit - wanted[128:]).square().mean() / wanted[128:].var(0).mean()
    assert missed < 0.8  # .53 to .69 with three seeds; 1 is what knows nothing


def test_a_decoder_that_is_told_the_goal_learns_distances():
    family = Navigation()
    policy = make_learner("varibad", family, replace(SETTINGS, units=32), seed=1).actor().policy
    adam = torch.optim.Adam(policy.of_rewards.parameters(), lr=1e-2)
    generator = torch_generator((0,))
    for _ in range(200):
        here, done, task = (scale * torch.randn(256, 2, generator=generator) for scale in (0.5, 0.1, 0.3))
        there = here + done
        missed = (policy.tell(task, here, done, there)[:, 0] + (there - task).norm(dim=1)).square().mean()
        adam.zero_grad()
        missed.backward()
        adam.step()
    assert missed.sqrt() < 0.035  # .014 to .017 with four seeds; layers of tanh miss by .06 and more


def test_the_first_meta_steps_only_infer():
    family = TabularMDPs(states=3, actions=2, horizon=4)
    learner = make_learner("varibad", family, replace(SETTINGS, alone=1))
    sampler, tasks = Sampler(family, 2, 2), family.sample_tasks(2, numpy_generator((0,)))
    seen = [learner.state().tensors]
    for step in range(2):
        learner.meta_step(sampler, tasks, (step,))
        seen.append(learner.state().tensors)
    for name in ("policy.actor.0.weight", "policy.critic.0.weight"):
        assert torch.equal(seen[0][name], seen[1][name])
        assert not torch.equal(seen[1][name], seen[2][name])
    for name in ("policy.embed.0.weight", "policy.of_rewards.0.weight"):
        assert not torch.equal(seen[0][name], seen[1][name])
        assert not torch.equal(seen[1][name], seen[2][name])
