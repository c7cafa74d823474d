"""The bilevel core against finite differences, a plain create_graph loop, torch.func, and explicit Hessians."""

import math

import pytest
import torch
from torch import nn

from meta_learners.experience.batches import Experience, divergence, likelihood_loss, ratio_loss
from meta_learners.gradient.bilevel import (
    Inner,
    adapt,
    flatten,
    hessian_vector_products,
    outer_gradient,
    reptile_gradient,
    unflatten,
)
from meta_learners.gradient.trust_region import TrustRegion, conjugate_gradients, trust_region_step
from meta_learners.keys import torch_generator
from meta_learners.networks.heads import Categorical, Normal
from meta_learners.networks.policies import Network, Policy, stack

NETWORK = Network((2, 6, 5, 1))
M, K = 4, 7
STEPS = [
    Inner(rate=0.05, steps=2),
    Inner(rate=0.05, steps=2, second_order=False),
    Inner(rate=0.05, steps=2, learned_rates=True),
    Inner(rate=0.05, steps=2, adapted=NETWORK.last_layer),
]


def loss(parameters, batch):
    inputs, targets = batch
    return (NETWORK(parameters, inputs) - targets).square().mean((1, 2))


def problem(seed=0):
    generator = torch_generator((seed,))
    initial = {name: each.double() for name, each in NETWORK.initial(generator).items()}
    batches = [
        (torch.randn(M, K, 2, generator=generator).double(), torch.randn(M, K, 1, generator=generator).double())
        for _ in range(3)
    ]
    return initial, batches


def objective(inner, batches):
    return lambda meta: loss(adapt(inner, loss, meta, batches[: inner.steps], M), batches[-1]).mean()


def finite_differences(function, at, width=1e-6):
    point = flatten(at)
    slopes = torch.empty_like(point)
    for place in range(len(point)):
        bump = torch.zeros_like(point)
        bump[place] = width
        ends = [function(unflatten(point + sign * bump, at)) for sign in (1, -1)]
        slopes[place] = (ends[0] - ends[1]) / (2 * width)
    return slopes


@pytest.mark.parametrize("inner", [each for each in STEPS if each.second_order])
def test_second_order_gradients_equal_finite_differences(inner):
    initial, batches = problem()
    meta = inner.meta_parameters(initial)
    _, gradient = outer_gradient(objective(inner, batches), meta)
    torch.testing.assert_close(
        flatten(gradient), finite_differences(objective(inner, batches), meta), atol=1e-8, rtol=1e-6
    )


@pytest.mark.parametrize("inner", STEPS)
def test_gradients_equal_a_plain_loop_over_tasks_with_create_graph(inner):
    initial, batches = problem()
    meta = {name: each.requires_grad_() for name, each in inner.meta_parameters(initial).items()}
    value, gradient = outer_gradient(objective(inner, batches), meta)
    total = 0.0
    for task in range(M):
        weights = {name: each for name, each in meta.items() if not name.startswith("rate.")}
        for inputs, targets in batches[: inner.steps]:
            error = (by_hand(weights, inputs[task]) - targets[task]).square().mean()
            chosen = [name for name in weights if inner.adapted is None or name in inner.adapted]
            slopes = torch.autograd.grad(error, [weights[n] for n in chosen], create_graph=inner.second_order)
            for name, slope in zip(chosen, slopes, strict=True):
                weights[name] = weights[name] - meta.get("rate." + name, inner.rate) * slope
        inputs, targets = batches[-1]
        total = total + (by_hand(weights, inputs[task]) - targets[task]).square().mean() / M
    wanted = torch.autograd.grad(total, list(meta.values()))
    torch.testing.assert_close(value, total.detach())
    for found, each in zip(gradient.values(), wanted, strict=True):
        torch.testing.assert_close(found, each)


def by_hand(weights, inputs):
    for number in range(3):
        inputs = nn.functional.linear(inputs, weights[f"layer{number}.weight"].T, weights[f"layer{number}.bias"])
        inputs = inputs.tanh() if number < 2 else inputs
    return inputs


def test_gradients_equal_those_of_vmap_and_torch_func():
    initial, batches = problem()

    def one_task(meta, support, query):
        def error(weights, batch):
            return (by_hand(weights, batch[0]) - batch[1]).square().mean()

        slopes = torch.func.grad(error)(meta, support)
        return error({name: each - 0.05 * slopes[name] for name, each in meta.items()}, query)

    def mean(meta):
        return torch.func.vmap(one_task, in_dims=(None, 0, 0))(meta, batches[0], batches[-1]).mean()

    _, found = outer_gradient(objective(Inner(rate=0.05), [batches[0], batches[-1]]), initial)
    for name, each in torch.func.grad(mean)(initial).items():
        torch.testing.assert_close(found[name], each)


def test_first_order_and_second_order_gradients_differ():
    initial, batches = problem()
    first, second = (outer_gradient(objective(inner, batches), initial)[1] for inner in STEPS[:2])
    assert (flatten(first) - flatten(second)).norm() > 1e-3 * flatten(first).norm()


def test_anil_leaves_the_body_as_it_is_in_the_inner_loop():
    initial, batches = problem()
    adapted = adapt(STEPS[3], loss, initial, batches[:2], M)
    for name, each in initial.items():
        assert (adapted[name] == each).all() == (name not in NETWORK.last_layer)


def test_reptile_points_from_the_mean_of_the_adapted_parameters():
    initial, batches = problem()
    adapted = adapt(STEPS[1], loss, initial, batches[:2], M)
    gradient = reptile_gradient(initial, adapted)
    # To first order in the rate, two steps of it are the sum of the two batches' gradients.
    slow = Inner(rate=1e-6, second_order=False)
    short = reptile_gradient(initial, adapt(slow, loss, initial, batches[:2], M))
    slopes = [outer_gradient(lambda p, b=b: loss(stack(p, M), b).mean(), initial)[1] for b in batches[:2]]
    torch.testing.assert_close(flatten(short) / 1e-6, sum(map(flatten, slopes)), atol=1e-4, rtol=1e-3)
    assert set(gradient) == set(initial)


def test_hessian_vector_products_equal_those_of_the_explicit_hessian():
    initial, batches = problem()
    function = objective(STEPS[0], batches)
    at, shape = flatten(initial), initial
    explicit = torch.autograd.functional.hessian(lambda vector: function(unflatten(vector, shape)), at)
    product = hessian_vector_products(function, initial)
    for seed in range(3):
        vector = torch.randn(len(at), generator=torch_generator((seed,))).double()
        torch.testing.assert_close(product(vector), explicit @ vector)


def test_conjugate_gradients_solve_linear_systems():
    root = torch.randn(9, 9, generator=torch_generator((0,))).double()
    matrix, target = root @ root.T + torch.eye(9), torch.arange(9.0).double()
    found = conjugate_gradients(lambda v: matrix @ v, target, 30)  # more than it needs: then it stands still
    torch.testing.assert_close(found, torch.linalg.solve(matrix, target))


def test_a_trust_region_step_is_the_natural_gradient_in_closed_form():
    generator = torch_generator((0,))
    root = torch.randn(5, 5, generator=generator).double()
    matrix, slope, centre = root @ root.T + torch.eye(5), torch.randn(5, generator=generator).double(), torch.zeros(5)
    settings = TrustRegion(divergence=0.02, damping=0.0, iterations=20)
    step = trust_region_step(
        settings,
        lambda p: slope @ p["x"],
        lambda p: 0.5 * p["x"] @ matrix @ p["x"],
        {"x": centre.double()},
    )
    direction = -torch.linalg.solve(matrix, slope)
    wanted = direction * math.sqrt(2 * 0.02 / float(direction @ matrix @ direction))
    assert step.accepted
    # Rounding may put the longest step a hair outside the region, and then it shrinks once.
    shrunk = min((1.0, 0.8), key=lambda s: float((step.parameters["x"] - s * wanted).norm()))
    torch.testing.assert_close(step.parameters["x"], shrunk * wanted)


def test_a_step_that_cannot_lower_the_loss_changes_nothing():
    at = {"x": torch.ones(3).double()}
    step = trust_region_step(
        TrustRegion(), lambda p: (p["x"] - 1).abs().sum(), lambda p: (p["x"] - 1).square().sum(), at
    )
    assert not step.accepted
    assert torch.equal(step.parameters["x"], at["x"])


def test_a_loss_without_slope_is_no_failure():
    step = trust_region_step(
        TrustRegion(), lambda p: (0 * p["x"]).sum(), lambda p: p["x"].square().sum(), {"x": torch.ones(3)}
    )
    assert not step.accepted
    assert step.divergence == 0


def data_of(policy, parameters, generator):
    observations = torch.randn(M, K, 2, generator=generator).double()
    numbers = policy(parameters, observations).detach()
    actions = policy.head.act(numbers, policy.head.noise((M, K), generator).double())
    return Experience(
        observations,
        actions,
        numbers,
        policy.head.log_probability(numbers, actions),
        torch.randn(M, K, generator=generator).double(),
        torch.full((M, K), 1 / K).double(),
    )


@pytest.mark.parametrize("inner_loss", [likelihood_loss, ratio_loss])
@pytest.mark.parametrize("head", [Normal(2), Categorical(3)])
def test_the_gradient_through_a_policys_adaptation_equals_finite_differences(head, inner_loss):
    policy, generator = Policy.make(2, head, (4,)), torch_generator((3,))
    meta = {name: each.double() for name, each in policy.initial(generator).items()}
    inner = Inner(rate=0.3)

    def loss_of(parameters, data):
        return inner_loss(policy, parameters, data)

    first = data_of(policy, stack(meta, M), generator)
    last = data_of(policy, adapt(inner, loss_of, meta, [first], M), generator)

    def surrogate(meta):
        adapted = adapt(inner, loss_of, meta, [first], M)
        return (ratio_loss(policy, adapted, last) + 0.1 * divergence(policy, adapted, last)).mean()

    _, gradient = outer_gradient(surrogate, meta)
    torch.testing.assert_close(flatten(gradient), finite_differences(surrogate, meta), atol=1e-8, rtol=1e-5)


def test_the_ratio_loss_has_the_hessian_of_the_expected_return_and_the_likelihood_loss_has_not():
    """With every action present and weighted by its probability, the expectation is exact."""
    policy, rewards = Policy.make(1, Categorical(3), (2,)), torch.tensor([[1.0, -0.5, 2.0]]).double()
    parameters = {
        name: torch.randn(each.shape, generator=torch_generator((1,))).double()
        for name, each in policy.initial(torch_generator((0,))).items()
    }
    observations = torch.ones(1, 3, 1).double()
    numbers = policy(stack(parameters, 1), observations)
    probabilities = numbers.softmax(-1)[:, 0]
    actions = torch.arange(3)[None]
    data = Experience(
        observations, actions, numbers, policy.head.log_probability(numbers, actions), rewards, probabilities
    )

    def hessian(function):
        return torch.autograd.functional.hessian(
            lambda vector: function(stack(unflatten(vector, parameters), 1)).sum(), flatten(parameters)
        )

    exact = hessian(lambda p: -(policy(p, observations)[:, 0].softmax(-1) * rewards).sum())
    torch.testing.assert_close(hessian(lambda p: ratio_loss(policy, p, data)), exact)
    assert (hessian(lambda p: likelihood_loss(policy, p, data)) - exact).norm() > 0.1 * exact.norm()


def test_wrong_settings_are_named():
    with pytest.raises(ValueError, match="inner rate is 0; it must be above 0"):
        Inner(rate=0)
    with pytest.raises(ValueError, match="inner steps are -1"):
        Inner(steps=-1)
    with pytest.raises(ValueError, match=r"\['nothing'\] should adapt"):
        Inner(adapted=frozenset({"nothing"})).names(["layer0.weight"])
