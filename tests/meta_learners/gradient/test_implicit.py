"""Implicit MAML on ridge regression, where adapting has a closed form and finite differences tell the meta-gradient."""

import pytest
import torch

from meta_learners.few_shot_contracts import Lines
from meta_learners.gradient.implicit import ImplicitSettings, implicit_gradient, proximal
from meta_learners.networks.policies import Network
from meta_learners.registry import make_few_shot

BATCH = Lines().draw(3, "train", (0,))
PROXIMITY, SIZE, TASKS = 0.7, 4, 3


def problem():
    generator = torch.Generator().manual_seed(0)
    shapes = [(TASKS, 6, SIZE), (TASKS, 6), (TASKS, 5, SIZE), (TASKS, 5), (SIZE,)]
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def mean_square(x, y):
    return lambda parameters: ((x @ parameters["weight"][..., None])[..., 0] - y).square().mean(1)


def solution(x, y, start):
    """Where the support's loss plus the proximal term is least."""
    count = x.shape[1]
    hessian = 2 / count * x.transpose(1, 2) @ x
    right = 2 / count * (x.transpose(1, 2) @ y[..., None])[..., 0] + PROXIMITY * start
    return torch.linalg.solve(hessian + PROXIMITY * torch.eye(SIZE).double(), right)


def test_with_as_many_steps_as_parameters_it_agrees_with_finite_differences_to_eight_digits():
    x, y, asked, wanted, start = problem()
    support, query = mean_square(x, y), mean_square(asked, wanted)

    def objective(at):
        return query({"weight": solution(x, y, at)}).mean()

    loss, gradient = implicit_gradient(support, query, {"weight": solution(x, y, start)}, PROXIMITY, SIZE)
    step = 1e-4 * torch.eye(SIZE).double()
    differences = torch.stack([(objective(start + each) - objective(start - each)) / 2e-4 for each in step])
    assert torch.allclose(loss, objective(start))
    assert torch.allclose(gradient["weight"], differences, rtol=0, atol=1e-8)


def test_near_enough_to_the_start_it_is_the_plain_gradient_there():
    x, y, asked, wanted, start = problem()
    query = mean_square(asked, wanted)
    at = start.clone().requires_grad_()
    (plain,) = torch.autograd.grad(query({"weight": at.expand(TASKS, SIZE)}).mean(), at)
    _, gradient = implicit_gradient(mean_square(x, y), query, {"weight": start.expand(TASKS, SIZE)}, 1e9, 5)
    assert torch.allclose(gradient["weight"], plain, atol=1e-7)


def test_proximal_steps_end_at_the_closed_form():
    x, y, _, _, start = problem()
    settings = ImplicitSettings(inner_rate=0.1, inner_steps=1000, proximity=PROXIMITY)
    found = proximal(mean_square(x, y), {"weight": start}, TASKS, settings)
    assert torch.allclose(found["weight"], solution(x, y, start), atol=1e-10)


def test_proximal_steps_end_there_too_where_the_loss_bends_more_than_the_rate_allows():
    x, y, _, _, start = problem()
    settings = ImplicitSettings(inner_rate=5.0, inner_steps=1000, proximity=PROXIMITY)
    found = proximal(mean_square(x, y), {"weight": start}, TASKS, settings)
    assert torch.allclose(found["weight"], solution(x, y, start), atol=1e-6)


def test_where_adapting_ended_on_a_ridge_the_meta_gradient_is_the_plain_slope():
    """Bent down more than the proximal term holds, it is no least, and the formula is of another point."""
    bends = torch.tensor([[-2.0, -3.0], [1.0, 2.0]]).double()  # of two tasks
    at = {"weight": torch.tensor([[0.3, -0.2], [0.1, 0.4]]).double()}

    def query(parameters):
        return parameters["weight"].sum(1)

    for steps in (1, 2, 5):
        _, gradient = implicit_gradient(
            lambda parameters: 0.5 * (bends * parameters["weight"].square()).sum(1), query, at, 1.0, steps
        )
        wanted = torch.stack([torch.ones(2).double(), 1 / (1 + bends[1])]).mean(0)
        if steps > 1:
            assert torch.allclose(gradient["weight"], wanted)
        assert gradient["weight"].norm() < 1.5


def test_a_meta_step_descends_what_the_queries_cost_where_the_supports_led():
    learner, batch = make_few_shot("imaml", Lines(), {"hidden": [4], "proximity": 1e6, "inner_rate": 1e-9}), BATCH
    wanted = (learner.predict(batch, (0,)).mean - batch.query.targets).square().mean().item()
    # Held so near it is MAML that takes no step.
    start = {name.removeprefix("parameter."): each for name, each in learner.state().tensors.items()}
    network = Network((1, 4, 1), activation="relu")
    names = list(network.initial(torch.Generator()))
    leaves = {name: start[name].clone().requires_grad_() for name in names}
    told = network({name: each.expand(3, *each.shape) for name, each in leaves.items()}, batch.query.inputs)
    slopes = torch.autograd.grad((told - batch.query.targets).square().mean(), list(leaves.values()))
    found = learner.meta_step(batch, (0,))
    assert found["loss"] == pytest.approx(wanted, rel=1e-5)
    assert found["gradient_norm"] == pytest.approx(
        torch.cat([each.flatten() for each in slopes]).norm().item(), rel=1e-4
    )


def test_adapting_shows_in_what_a_meta_step_descends():
    learner = make_few_shot("imaml", Lines(), {"hidden": [4]})
    wanted = (learner.predict(BATCH, (0,)).mean - BATCH.query.targets).square().mean().item()
    assert learner.meta_step(BATCH, (0,))["loss"] == pytest.approx(wanted, rel=1e-5)
