"""The recurrent policy against PyTorch's own unit, and its memory against the steps that it lived through."""

import numpy as np
import pytest
import torch

from meta_learners.experience.sampling import Sampler
from meta_learners.families.mdps import TabularMDPs
from meta_learners.families.navigation import Navigation
from meta_learners.keys import numpy_generator, torch_generator
from meta_learners.networks.heads import head_of
from meta_learners.networks.recurrent import READING, RecurrentActor, RecurrentPolicy, inputs_of


@pytest.fixture(scope="module")
def lived():
    """Three worlds of two processes, three episodes each, played by an untaught policy."""
    family = TabularMDPs(states=4, actions=3, horizon=5)
    head = head_of(family.actions)
    policy = RecurrentPolicy(4, 3, head.numbers, 8, 20, torch_generator((0,)))
    sampler = Sampler(family, 2, 3)
    tasks = family.sample_tasks(2, numpy_generator((1,)))
    return policy, sampler.play(tasks, RecurrentActor(policy, head), (2,), episodes=3)


def test_learning_goes_through_exactly_what_was_seen_when_acting(lived):
    policy, rollout = lived
    inputs = inputs_of(rollout, 3)[:-1]
    with torch.no_grad():
        numbers, _ = policy(inputs, policy.initial(inputs.shape[1]))
    acted = rollout.numbers.transpose(0, 1).flatten(1, 2)
    assert len(acted) == 3 * 5 + 2  # two steps only begin an episode
    torch.testing.assert_close(numbers, acted, rtol=0, atol=1e-5)


def test_heads_with_a_reflex_read_the_observation_beside_memory():
    family = Navigation(episode_limit=5)
    head = head_of(family.actions)
    policy = RecurrentPolicy(2, 2, head.numbers, 8, 20, torch_generator((0,)), reflex=6, deviations=[0.6, 0.6])
    with torch.no_grad():
        policy.actor[-1].weight *= 100  # so that means are not near 0
    tasks = family.sample_tasks(2, numpy_generator((1,)))
    rollout = Sampler(family, 2, 3).play(tasks, RecurrentActor(policy, head), (2,), episodes=2)
    inputs = inputs_of(rollout, 2)[:-1]
    with torch.no_grad():
        remembered, _ = policy.unit(inputs)
        numbers, _ = policy.read(remembered, inputs)
        forgetful, _ = policy.read(torch.zeros_like(remembered), inputs)
        blind, _ = policy.read(remembered, torch.zeros_like(inputs))
    torch.testing.assert_close(numbers, rollout.numbers.transpose(0, 1).flatten(1, 2), rtol=0, atol=1e-5)
    torch.testing.assert_close(numbers[..., 2:].exp(), torch.full_like(numbers[..., 2:], 0.6))
    assert min((numbers - each)[..., :2].abs().max() for each in (forgetful, blind)) > 0.01


@pytest.fixture(scope="module")
def multiplied():
    """The same worlds, played by a policy that sees products and whose heads memory makes."""
    family = TabularMDPs(states=4, actions=3, horizon=5)
    head = head_of(family.actions)
    policy = RecurrentPolicy(4, 3, head.numbers, 30, 20, torch_generator((0,)), products=True, hypernetwork=True)
    for parameter in policy.parameters():
        parameter.data *= 2  # so that first actions are not near-uniform
    tasks = family.sample_tasks(2, numpy_generator((1,)))
    return policy, Sampler(family, 2, 3).play(tasks, RecurrentActor(policy, head), (2,), episodes=3)


def test_learning_goes_through_the_products_that_were_seen_when_acting(multiplied):
    policy, rollout = multiplied
    inputs = inputs_of(rollout, 3, products=True)[:-1]
    with torch.no_grad():
        numbers, _ = policy(inputs, policy.initial(inputs.shape[1]))
    assert numbers.std() > 1e-3
    torch.testing.assert_close(numbers, rollout.numbers.transpose(0, 1).flatten(1, 2), rtol=0, atol=1e-5)


def test_products_say_what_was_done_where_and_what_it_brought(multiplied):
    _, rollout = multiplied
    inputs = inputs_of(rollout, 3, products=True)
    plain = inputs_of(rollout, 3)
    assert torch.equal(inputs[..., : plain.shape[-1]], plain)
    for task, step, world in np.ndindex(rollout.actions.shape):
        expected = torch.zeros(2, 12)
        if rollout.valid[task, step, world]:
            state, action = rollout.observations[task, step, world].argmax(), rollout.actions[task, step, world]
            expected[:, 3 * state + action] = torch.tensor([1.0, rollout.rewards[task, step, world]])
        assert torch.equal(inputs[step + 1, 3 * task + world, plain.shape[-1] :], expected.flatten())
    assert (inputs[0, :, plain.shape[-1] :] == 0).all()


def test_a_unit_that_begins_with_products_remembers_each_reward_apart():
    """Before it learns: of two trials that differ in one reward, the unit of that product differs most."""
    states, actions = 4, 3
    policy = RecurrentPolicy(states, actions, actions, 30, 20, torch_generator((0,)), products=True)
    inputs = torch.zeros(6, 2, states + actions + 2 + 2 * states * actions)
    products = inputs[..., states + actions + 2 :]
    for step, product in enumerate((5, 0, 7, 2, 11, 3)):
        products[step, :, product] = 1.0
        products[step, :, states * actions + product] = 1.0
    products[2, 1, states * actions + 7] = 3.0
    with torch.no_grad():
        remembered = policy.unit(inputs)[0][-1]
    change = (remembered[1] - remembered[0]).abs()
    assert change.argmax() == 7
    assert change[7] > 5 * change[:12].sort().values[-2]


def test_a_hypernetworks_heads_are_linear_in_the_observation_by_weights_from_memory(multiplied):
    policy, rollout = multiplied
    inputs = inputs_of(rollout, 3, products=True)[:-1]
    with torch.no_grad():
        numbers, values = policy.read(policy.remember(inputs), inputs)
        memory = READING * policy.unit(inputs)[0][-1, 4]
        weights, slopes = policy.actor(memory).reshape(3, 4), policy.critic(memory)
    state = int(inputs[-1, 4, :4].argmax())
    torch.testing.assert_close(numbers[-1, 4], weights[:, state], rtol=0, atol=1e-6)
    torch.testing.assert_close(values[-1, 4], slopes[state], rtol=0, atol=1e-6)


class Breaking(Navigation):
    """Navigation in which a point that comes far breaks its world; the last world begins broken."""

    def worlds(self, count):
        worlds = super().worlds(count)
        step, reset = worlds.step, worlds.reset

        def breaking(actions):
            observations, *rest = step(actions)
            observations[np.abs(observations).max(1) > 0.15] = np.nan
            return observations, *rest

        def broken(**options):
            observations, info = reset(**options)
            observations[-1] = np.inf
            return observations, info

        worlds.step, worlds.reset = breaking, broken
        return worlds


def test_learning_goes_through_what_was_seen_also_where_a_world_broke():
    family = Breaking(20)
    head = head_of(family.actions)
    policy = RecurrentPolicy(2, 2, head.numbers, 8, 20, torch_generator((0,)))
    for parameter in policy.parameters():
        parameter.data *= 3  # so that what was done before tells
    tasks = family.sample_tasks(2, numpy_generator((1,)))
    rollout = Sampler(family, 2, 2).play(tasks, RecurrentActor(policy, head), (2,), steps=60)
    assert rollout.diverged > 4
    assert rollout.observations.isfinite().all()
    inputs = inputs_of(rollout, 2)[:-1]
    with torch.no_grad():
        numbers, _ = policy(inputs, policy.initial(inputs.shape[1]))
    torch.testing.assert_close(numbers, rollout.numbers.transpose(0, 1).flatten(1, 2), rtol=0, atol=1e-5)


def test_memory_crosses_the_episodes_of_a_trial(lived):
    policy, rollout = lived
    inputs = inputs_of(rollout, 3)[:-1].clone()
    with torch.no_grad():
        before, _ = policy(inputs, policy.initial(inputs.shape[1]))
        inputs[1] += 1.0  # in the first episode
        after, _ = policy(inputs, policy.initial(inputs.shape[1]))
    assert (before[0] == after[0]).all()
    assert (before[-1] != after[-1]).any(dim=1).all()  # felt in the last one


def test_a_policy_sees_reward_and_end_with_the_last_observation_and_nothing_of_resetting(lived):
    _, rollout = lived
    inputs = inputs_of(rollout, 3)
    end = 5  # steps of an episode
    assert (inputs[end, :, -1] == 1).all()
    assert (inputs[end, :, -2] == rollout.rewards[:, end - 1].flatten()).all()
    assert (inputs[end + 1, :, 4:] == 0).all()
    assert (inputs[end + 1, :, 0] == 1).all()  # the first state again
