"""RL²'s own parts: advantages over trials, state, refusal of what is not finite, adapting by remembering."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from meta_learners.black_box.rl2 import RL2, RL2Settings
from meta_learners.black_box.trials import losses
from meta_learners.black_box.windows import laid_out, time_baseline
from meta_learners.experience.returns import trial_advantages
from meta_learners.experience.sampling import Sampler
from meta_learners.families.bandits import BernoulliBandits
from meta_learners.families.mdps import TabularMDPs
from meta_learners.keys import numpy_generator, torch_generator
from meta_learners.learner import LossError, State
from meta_learners.networks.recurrent import inputs_of

SETTINGS = RL2Settings(hidden=8, reflex=0, episodes=2, steps=0, window=0, epochs=2, minibatches=2)


def slow_advantages(rewards, values, discount, trace):
    """Schulman et al. 2016, equation 16, by its double sum, for one trial without a gap."""
    ahead = [*values[1:], 0.0]
    errors = [r + discount * v - now for r, v, now in zip(rewards, ahead, values, strict=True)]
    return [sum((discount * trace) ** k * error for k, error in enumerate(errors[t:])) for t in range(len(errors))]


@pytest.mark.parametrize(("discount", "trace"), [(0.99, 0.3), (1.0, 1.0), (0.9, 0.0)])
def test_advantages_equal_the_double_sum_over_each_trials_valid_steps(discount, trace):
    generator = torch_generator((3,))
    rewards, values = (torch.randn(12, 6, generator=generator, dtype=torch.float64) for _ in range(2))
    valid = torch.rand(12, 6, generator=generator) < 0.7
    found = trial_advantages(rewards, values, valid, discount, trace)
    for world in range(6):
        at = valid[:, world]
        expected = slow_advantages(rewards[at, world].tolist(), values[at, world].tolist(), discount, trace)
        np.testing.assert_allclose(found[at, world], expected, atol=1e-12)
        assert (found[~at, world] == 0).all()


@pytest.mark.parametrize("discount", [1.0, 0.9])
def test_the_baseline_is_what_other_trials_still_bring_and_never_ones_own(discount):
    generator = torch_generator((4,))
    rewards = torch.randn(9, 5, generator=generator, dtype=torch.float64)
    lengths = [9, 9, 4, 6, 8]
    valid = torch.arange(9)[:, None] < torch.tensor(lengths)
    found = time_baseline(rewards, valid, discount)
    for step in range(9):
        going = [trial for trial in range(5) if lengths[trial] > step]
        for trial in going:
            others = [
                sum(discount ** (t - step) * rewards[t, other].item() for t in range(step, lengths[other]))
                for other in going
                if other != trial
            ]
            assert found[step, trial].item() == pytest.approx(sum(others) / len(going))


def test_a_trial_alone_learns_from_what_it_earns():
    family = TabularMDPs(states=3, actions=2, horizon=4)
    learner = RL2(family, SETTINGS)
    tasks = family.sample_tasks(1, numpy_generator((0,)))
    rollout = Sampler(family, 1, 1).play(tasks, learner.actor(), (0,), episodes=2)
    trials = laid_out(learner.actor().policy, learner.actor().head, rollout, SETTINGS)
    earned = SETTINGS.reward_scale * rollout.rewards[0, -1, 0]
    torch.testing.assert_close(trials["targets"][-1, 0], earned)


def taught(steps, settings=SETTINGS):
    family = TabularMDPs(states=3, actions=2, horizon=4)
    sampler = Sampler(family, 4, 2)
    learner = RL2(family, settings, seed=5)
    for step in range(steps):
        learner.meta_step(sampler, family.sample_tasks(4, numpy_generator((0, step))), (0, step))
    return family, sampler, learner


def test_heads_by_memory_with_a_reflex_are_refused():
    with pytest.raises(ValueError, match="reflex is 5; with hypernetwork it must be 0"):
        replace(SETTINGS, hypernetwork=True, reflex=5)


def test_a_state_of_other_sizes_is_refused():
    _, _, learner = taught(1)
    _, _, wider = taught(1, replace(SETTINGS, hidden=9))
    with pytest.raises(ValueError, match="not the state of such a learner"):
        learner.load(wider.state())


def test_what_is_not_finite_is_refused_and_changes_nothing():
    family, sampler, learner = taught(1)
    state = learner.state()
    broken = {**state.tensors, "policy.critic.bias": torch.full((1,), torch.nan)}
    learner.load(State(broken, state.facts))
    before = {name: each.clone() for name, each in learner.state().tensors.items()}
    with pytest.raises(LossError, match="nan"):
        learner.meta_step(sampler, family.sample_tasks(4, numpy_generator((1,))), (1,))
    for name, each in learner.state().tensors.items():
        torch.testing.assert_close(each, before[name], rtol=0, atol=0, equal_nan=True)


def test_figures_are_means_also_over_fewer_batches_than_were_asked_for():
    """With a step size of 0, every batch has the losses of the first policy: the entropy of three choices is known."""
    family = TabularMDPs(states=3, actions=3, horizon=4)
    for minibatches in (1, 5):
        learner = RL2(family, RL2Settings(hidden=8, steps=0, minibatches=minibatches, step_size=0.0))
        metrics = learner.meta_step(Sampler(family, 3, 1), family.sample_tasks(3, numpy_generator((0,))), (0,))
        assert metrics["entropy"] == pytest.approx(np.log(3), rel=0.01)


@pytest.mark.parametrize(("window", "reflex", "critic"), [(3, 0, True), (4, 0, False), (4, 5, True), (100, 0, True)])
def test_windows_begin_with_what_was_remembered_and_no_gradient_goes_through_their_ends(window, reflex, critic):
    family, sampler, learner = taught(2, replace(SETTINGS, reflex=reflex, critic_memory=critic))
    rollout = sampler.play(family.sample_tasks(4, numpy_generator((2,))), learner.actor(), (2,), episodes=2)
    policy, head = learner.actor().policy, learner.actor().head
    whole = laid_out(policy, head, rollout, SETTINGS)
    cut = laid_out(policy, head, rollout, replace(SETTINGS, window=window))
    found, slow = losses(policy, head, cut, 0.2), losses(policy, head, whole, 0.2)
    torch.testing.assert_close(found, slow, rtol=1e-5, atol=1e-6)
    policy.zero_grad()
    found.sum().backward()
    expected = truncated_gradient(policy, head, whole, window)
    for (name, parameter), each in zip(policy.named_parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, each, rtol=1e-4, atol=1e-6, msg=name)


def truncated_gradient(policy, head, trials, window):
    """Go through the trials step by step and let memory go without its history after every so many."""
    memory, numbers, values = None, [], []
    for step, seen in enumerate(trials["inputs"]):
        if step % window == 0 and step:
            memory = memory.detach()
        (memory,) = policy.remember(seen[None], () if memory is None else (memory,))
        number, value = policy.read(memory[None], seen[None])
        numbers.append(number[0])
        values.append(value[0])
    numbers, values = torch.stack(numbers), torch.stack(values)
    ratio = (head.log_probability(numbers, trials["actions"]) - trials["log_probabilities"]).exp()
    surrogate = torch.min(ratio * trials["gains"], ratio.clamp(0.8, 1.2) * trials["gains"])
    each = head.entropy(numbers) - surrogate + (values - trials["targets"]).square()
    loss = (each * trials["valid"]).sum() / trials["valid"].sum()
    return torch.autograd.grad(loss, list(policy.parameters()))


def test_a_critic_with_a_memory_of_its_own_shapes_no_memory_of_the_policy():
    family, sampler, learner = taught(2, replace(SETTINGS, critic_memory=True))
    rollout = sampler.play(family.sample_tasks(4, numpy_generator((2,))), learner.actor(), (2,), episodes=2)
    policy, head = learner.actor().policy, learner.actor().head
    trials = laid_out(policy, head, rollout, SETTINGS)
    surrogate, misses, _ = losses(policy, head, trials, 0.2)
    policy.zero_grad()
    misses.backward(retain_graph=True)
    assert all(each.grad is None or not each.grad.any() for each in policy.unit.parameters())
    assert all(each.grad.any() for each in policy.critic_unit.parameters())
    policy.zero_grad()
    surrogate.backward()
    assert all(each.grad is None or not each.grad.any() for each in policy.critic_unit.parameters())


def test_windows_after_a_trials_end_are_left_out():
    family, sampler, learner = taught(1)
    rollout = sampler.play(family.sample_tasks(4, numpy_generator((2,))), learner.actor(), (2,), episodes=2)
    rollout.valid[0, 3:] = False  # the first task's two trials end after three steps
    policy, head = learner.actor().policy, learner.actor().head
    assert rollout.valid.shape[1] == 9
    cut = laid_out(policy, head, rollout, replace(SETTINGS, window=3))
    assert cut["valid"].shape[1] == 3 * 8 - 2 * 2
    assert cut["valid"].sum() == rollout.valid.sum()
    assert len(laid_out(policy, head, rollout, replace(SETTINGS, window=100))["valid"]) == 9


@pytest.mark.parametrize("products", [False, True])
def test_adapting_remembers_each_worlds_own_episodes_up_to_their_end(products):
    family, sampler, learner = taught(1, replace(SETTINGS, products=products))
    tasks = family.sample_tasks(4, numpy_generator((2,)))
    actor = learner.adapt(sampler, tasks, 2, (7,))
    rollout = sampler.play(tasks, learner.actor(), (7,), episodes=2)
    inputs = inputs_of(rollout, 2, products)
    with torch.no_grad():
        remembered, _ = actor.policy.unit(inputs)
    torch.testing.assert_close(actor.memory, remembered[-1], rtol=0, atol=1e-6)
    assert learner.adapt(sampler, tasks, 0, (7,)).memory is None
    assert len(torch.unique(actor.memory, dim=0)) == 8


def test_on_bandits_that_always_pay_it_learns_which_arm_within_seconds():
    class Sure(BernoulliBandits):
        def sample_tasks(self, count, generator, split="train"):
            return list(np.eye(2)[generator.integers(2, size=count)])

    family = Sure(arms=2, pulls=6)
    sampler = Sampler(family, 64, 1)
    learner = RL2(
        family, replace(SETTINGS, hidden=16, episodes=1, memory=6, epochs=6, step_size=1e-2, reward_scale=1.0), seed=0
    )
    for step in range(60):
        metrics = learner.meta_step(sampler, family.sample_tasks(64, numpy_generator((0, step))), (0, step))
    assert metrics["return_trial"] > 5.2  # chance 3, the best possible 5.5


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda_it_learns_and_adapts():
    family = TabularMDPs(states=3, actions=2, horizon=4)
    sampler = Sampler(family, 4, 2, device="cuda")
    learner = RL2(family, replace(SETTINGS, reflex=5, window=4), device="cuda")
    tasks = family.sample_tasks(4, numpy_generator((0,)))
    assert np.isfinite(list(learner.meta_step(sampler, tasks, (0,)).values())).all()
    assert learner.adapt(sampler, tasks, 1, (1,)).memory.is_cuda
