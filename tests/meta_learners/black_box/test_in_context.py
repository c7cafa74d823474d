"""Policies whose memory is attention: acting with cached keys is what learning goes through, and trials are apart."""

from dataclasses import replace

import pytest
import torch

from meta_learners.black_box.in_context import SnailActingSettings, TransformerSettings
from meta_learners.black_box.trials import losses
from meta_learners.black_box.windows import MEMORY, laid_out
from meta_learners.experience.sampling import Sampler
from meta_learners.families.bandits import BernoulliBandits
from meta_learners.families.mdps import TabularMDPs
from meta_learners.keys import Stream, numpy_generator, torch_generator
from meta_learners.networks.recurrent import inputs_of
from meta_learners.registry import make_learner

SMALL = {"episodes": 3, "steps": 0, "window": 0, "epochs": 2, "minibatches": 2, "reflex": 4}
SETTINGS = {
    "transformer": TransformerSettings(size=8, heads=2, context=0, **SMALL),
    "short transformer": TransformerSettings(size=8, heads=2, context=3, **SMALL),
    "transformer of products": TransformerSettings(size=8, heads=2, products=True, **SMALL),
    "snail": SnailActingSettings(filters=4, keys=4, **SMALL),
}


@pytest.fixture(params=SETTINGS)
def settings(request):
    return SETTINGS[request.param]


def played(settings, episodes=3):
    """Give a learner with weights that act far from evenly, and a rollout of two tasks in three worlds."""
    family = TabularMDPs(states=4, actions=3, horizon=5)
    name = "snail" if isinstance(settings, SnailActingSettings) else "transformer"
    learner = make_learner(name, family, settings)
    state = learner.state()
    generator = torch_generator((5,))
    noisy = {key: each + 0.3 * torch.randn(each.shape, generator=generator) for key, each in state.tensors.items()}
    learner.load(replace(state, tensors=noisy))
    sampler = Sampler(family, 2, 3)
    tasks = family.sample_tasks(2, numpy_generator((1,)))
    return learner, sampler, tasks, sampler.play(tasks, learner.actor(), (2,), episodes=episodes)


def test_what_was_acted_step_by_step_is_what_learning_sees_at_once(settings):
    learner, _, _, rollout = played(settings)
    policy = learner.actor().policy
    inputs = inputs_of(rollout, 3, policy.products)[:-1]
    with torch.no_grad():
        numbers, _ = policy.read(policy.remember(inputs), inputs)
    assert numbers.std() > 0.01
    torch.testing.assert_close(numbers, rollout.numbers.transpose(0, 1).flatten(1, 2), rtol=0, atol=1e-5)


def test_a_new_trial_knows_nothing_of_the_one_before(settings):
    learner, sampler, tasks, first = played(settings)
    actor = learner.actor()
    sampler.play(tasks[::-1], actor, (3,), episodes=3)
    again = sampler.play(tasks, actor, (2,), episodes=3)
    assert torch.equal(first.numbers, again.numbers)
    assert torch.equal(first.rewards, again.rewards)


def test_within_a_trial_the_last_episode_feels_the_first(settings):
    learner, _, _, rollout = played(settings)
    policy = learner.actor().policy
    inputs = inputs_of(rollout, 3, policy.products)[:-1]
    with torch.no_grad():
        before = policy.remember(inputs)[-1]
        inputs[1] += 1.0
        after = policy.remember(inputs)[-1]
    reaches = getattr(settings, "context", 0) != 3  # two layers of three steps see five back
    assert (before != after).any(1).all().item() is reaches


@pytest.mark.parametrize("window", [4, 7])
def test_windows_go_on_from_the_cached_keys_and_no_gradient_goes_through_them(settings, window):
    learner, _, _, rollout = played(settings)
    policy, head = learner.actor().policy, learner.actor().head
    whole = laid_out(policy, head, rollout, settings)
    cut = laid_out(policy, head, rollout, replace(settings, window=window))
    assert any(each.any() for name, each in cut.items() if name.startswith(MEMORY))
    torch.testing.assert_close(losses(policy, head, cut, 0.2), losses(policy, head, whole, 0.2), rtol=1e-4, atol=1e-5)
    assert not any(each.requires_grad for each in cut.values())


def test_adapting_remembers_what_each_world_lived_through_to_its_own_end(settings):
    """Worlds of other lengths: what each remembers is what it would if it had lived alone."""
    learner, _, _, rollout = played(settings)
    policy = learner.actor().policy
    inputs = inputs_of(rollout, 3, policy.products)
    ends = torch.tensor([3, 18, 5, 1, 11, 17])
    with torch.no_grad():
        memory = policy.memory_at(inputs, ends)
        after = inputs[:1].roll(1, 1)
        found, _ = policy(after, memory)
        for world, end in enumerate(ends.tolist()):
            _, own = policy(inputs[:end, world : world + 1], policy.initial(1))
            expected, _ = policy(after[:, world : world + 1], own)
            torch.testing.assert_close(found[:, world : world + 1], expected, rtol=1e-4, atol=1e-5)


def test_adapted_it_acts_as_if_the_trial_went_on(settings):
    learner, sampler, tasks, _ = played(settings)
    long = sampler.play(tasks, learner.actor(), (7,), episodes=2)
    adapted = learner.adapt(sampler, tasks, 2, (7,))
    policy = learner.actor().policy
    inputs = inputs_of(long, 3, policy.products)
    with torch.no_grad():
        _, lived = policy(inputs, policy.initial(6))
        expected, _ = policy(inputs[:1], lived)
        found, _ = policy(inputs[:1], adapted.begin(2, 3))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert learner.adapt(sampler, tasks, 0, (7,)).memory is None


def test_a_size_that_heads_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="size is 9; it must be a multiple of heads, 2"):
        TransformerSettings(size=9, heads=2)


@pytest.mark.slow
def test_on_bandits_that_always_pay_it_learns_which_arm_within_seconds():
    class Sure(BernoulliBandits):
        def sample_tasks(self, count, generator, split="train"):
            return list(torch.eye(2).numpy()[generator.integers(2, size=count)])

    family = Sure(arms=2, pulls=6)
    sampler = Sampler(family, 64, 1)
    settings = {
        "episodes": 1,
        "steps": 0,
        "window": 0,
        "reflex": 0,
        "trace": 0.3,
        "reward_scale": 1.0,
        "minibatches": 2,
    }
    settings |= {"size": 16, "heads": 2, "step_size": 5e-3, "epochs": 4}
    learner = make_learner("transformer", family, settings)
    for step in range(60):
        tasks = family.sample_tasks(64, numpy_generator((0, step, Stream.TASKS)))
        metrics = learner.meta_step(sampler, tasks, (0, step))
    assert metrics["return_trial"] > 5.0  # chance 3, the best possible 5.5
