"""The outer losses at the policies that acted, where what they should be is known."""

from dataclasses import replace

import pytest
import torch

from meta_learners.experience.batches import Experience
from meta_learners.gradient.bilevel import Inner, flatten, outer_gradient
from meta_learners.gradient.surrogate import Collected, Surrogate
from meta_learners.keys import torch_generator
from meta_learners.networks.heads import Normal
from meta_learners.networks.policies import Policy, stack

M, B = 3, 11
POLICY = Policy.make(2, Normal(2), (5,))
META = {name: each.double() for name, each in POLICY.initial(torch_generator((0,))).items()}


def experienced(parameters, seed):
    generator = torch_generator((seed,))
    observations = torch.randn(M, B, 2, generator=generator).double()
    with torch.no_grad():
        numbers = POLICY(parameters, observations)
    actions = POLICY.head.act(numbers, POLICY.head.noise((M, B), generator).double())
    weights = torch.rand(M, B, generator=generator).double()
    return Experience(
        observations,
        actions,
        numbers,
        POLICY.head.log_probability(numbers, actions),
        torch.randn(M, B, generator=generator).double(),
        weights / weights.sum(1, keepdim=True),
    )


def collected(surrogate):
    before = experienced(stack(META, M), 1)
    after = experienced(surrogate.adapted(META, [before], M), 2)
    return Collected((before,), after, None)


@pytest.mark.parametrize("likelihood_ratio", [False, True])
def test_where_the_policies_acted_ppo_and_trpo_go_the_same_way_and_nothing_has_moved(likelihood_ratio):
    surrogate = Surrogate(POLICY, Inner(rate=0.2), likelihood_ratio, 0.3, 0.1)
    seen = collected(surrogate)
    first, second = (outer_gradient(lambda p, f=f: f(p, seen), META) for f in (surrogate.ratio, surrogate.clipped))
    torch.testing.assert_close(first[0], second[0])
    torch.testing.assert_close(flatten(first[1]), flatten(second[1]))
    value, gradient = outer_gradient(lambda p: surrogate.moved(p, seen), META)
    assert value.abs() < 1e-12
    assert flatten(gradient).norm() < 1e-12


def test_promp_pays_for_moving_before_adapting_and_for_nothing_else():
    free, dear = (Surrogate(POLICY, Inner(rate=0.2), True, 0.3, weight) for weight in (0.0, 2.0))
    seen = collected(free)
    moved = {name: each + 0.1 for name, each in META.items()}
    numbers = POLICY(stack(moved, M), seen.before[0].observations)
    divergence = POLICY.head.divergence(seen.before[0].numbers, numbers)
    paid = (seen.before[0].weights * divergence).sum() / M
    torch.testing.assert_close(dear.clipped(moved, seen) - free.clipped(moved, seen), 2.0 * paid)


def test_e_maml_credits_each_tasks_exploration_with_what_adapting_achieved():
    surrogate = Surrogate(POLICY, Inner(rate=0.2), False, 0.3, 0.0)
    seen, credit = collected(surrogate), torch.tensor([1.5, -2.0, 0.5]).double()
    credited = replace(seen, credit=credit)
    found, without = (outer_gradient(lambda p, s=s: surrogate.ratio(p, s), META)[1] for s in (credited, seen))

    def reinforce(meta):
        total = 0.0
        for task in range(M):
            numbers = POLICY(meta, seen.before[0].observations[task])
            log = POLICY.head.log_probability(numbers, seen.before[0].actions[task])
            total = total - credit[task] * (seen.before[0].weights[task] * log).sum() / M
        return total

    _, wanted = outer_gradient(reinforce, META)
    torch.testing.assert_close(flatten(found) - flatten(without), flatten(wanted))


def test_a_part_of_the_tasks_has_the_mean_of_its_own_losses():
    surrogate = Surrogate(POLICY, Inner(rate=0.2), False, 0.3, 0.0)
    seen = collected(surrogate)
    expected = -(seen.after.weights * seen.after.advantages).sum(1)  # where nothing has moved the ratio is 1
    for tasks in (1, 2, None):
        torch.testing.assert_close(surrogate.ratio(META, seen.of_first(tasks)), expected[:tasks].mean())
