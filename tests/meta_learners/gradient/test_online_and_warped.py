"""Follow the meta-leader against its exact regret, and WarpGrad against T-net and what solves a quadratic at once."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from meta_learners.episodes import Examples, TaskBatch
from meta_learners.few_shot_contracts import Lines
from meta_learners.gradient.bilevel import Inner, adapt, outer_gradient
from meta_learners.gradient.few_shot import task_losses
from meta_learners.gradient.online import FollowTheMetaLeader, OnlineSettings, regret_of_quadratics
from meta_learners.gradient.warpgrad import start_gradient, visited, warp_loss
from meta_learners.networks.policies import Network, stack


def points(values):
    """Rounds whose cost is the mean over coordinates of (w - c)^2: what a network tells of the input 0 is its bias."""
    targets = torch.as_tensor(values)[None, None]
    half = Examples(torch.zeros(1, 1, 1), targets)
    return TaskBatch(half, half)


def test_the_regret_of_the_leader_is_the_exact_one():
    rounds, dimensions, step = 8, 400, 0.4
    centres = torch.randn(rounds, dimensions, generator=torch.Generator().manual_seed(0))
    # The mean over coordinates of squares, 2 / d of |w - c|^2 / 2: the rate counts for 2 / d of itself.
    settings = OnlineSettings(
        hidden=(), inner_rate=step * dimensions / 2, inner_steps=1, step_size=0.05, updates=80, sampled=0
    )
    learner = FollowTheMetaLeader((1,), dimensions, None, settings)
    costs = [learner.meta_step(points(each), (number,))["error"] for number, each in enumerate(centres)]
    hindsight = (1 - step) ** 2 * (centres - centres.mean(0)).square().mean(1).sum().item()
    regret = (sum(costs) - hindsight) * dimensions / 2
    assert regret == pytest.approx(regret_of_quadratics(rounds, step, 1.0, dimensions), rel=0.1)


def test_past_tasks_are_kept_and_a_round_is_judged_before_it_is_learned_from():
    learner = FollowTheMetaLeader((1,), 1, None, OnlineSettings(hidden=(4,), updates=2))
    for number in range(3):
        batch = Lines().draw(2, "train", (number,))
        wanted = (learner.predict(batch, (number,)).mean - batch.query.targets).square().mean().item()
        told = learner.meta_step(batch, (number,))
        assert told["error"] == pytest.approx(wanted, rel=1e-5)
        assert told["tasks_kept"] == 2 * (number + 1)


def test_with_one_step_warps_are_learned_as_t_nets_transforms_at_a_start_held_fixed():
    network = Network((1, 6, 1), activation="relu", transformed=True)
    start = network.initial(torch.Generator().manual_seed(0))
    inner, batch = Inner(rate=0.05, adapted=network.layers), Lines().draw(3, "train", (0,))

    def losses(parameters, examples):
        return task_losses(network, None, parameters, examples)

    warps = {name: each for name, each in start.items() if name not in network.layers}
    at = visited(inner, losses, start, batch.support, 3)[:-1]
    _, found = outer_gradient(lambda leaves: warp_loss(inner, losses, leaves, at, batch.support, batch.query), warps)
    _, wanted = outer_gradient(
        lambda leaves: losses(adapt(inner, losses, leaves, [batch.support], 3), batch.query).mean(), start
    )
    assert all(torch.allclose(each, wanted[name], atol=1e-6) for name, each in found.items())
    assert any(each.abs().max() > 0 for each in found.values())


def test_a_warp_that_is_the_root_of_the_inverse_curvature_solves_quadratics_in_one_step_and_has_no_slope():
    network, rate = Network((1, 3), transformed=True), 0.5
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(3, 3, generator=generator).double()
    curvature = root @ root.T + torch.eye(3).double()
    inner = Inner(rate=rate, adapted=frozenset({"layer0.bias"}))
    start = {name: each.double() for name, each in network.initial(generator).items()}
    start["transform0"] = torch.linalg.cholesky(torch.linalg.inv(curvature) / rate).T  # rows: T' T
    centres = torch.randn(4, 1, 3, generator=generator).double()

    def losses(parameters, aims):
        gaps = network(parameters, torch.zeros(4, 1, 1).double()) - aims
        return 0.5 * (gaps @ curvature * gaps).sum((1, 2))

    at = visited(inner, losses, start, centres, 4)
    assert losses(at[-1], centres) == pytest.approx(torch.zeros(4).double(), abs=1e-12)
    warps = {"transform0": start["transform0"]}
    cost, slope = outer_gradient(lambda leaves: warp_loss(inner, losses, leaves, at[:1], centres, centres), warps)
    assert cost.item() == pytest.approx(0, abs=1e-12)
    assert slope["transform0"].abs().max().item() == pytest.approx(0, abs=1e-10)


def test_leap_points_along_the_way_that_reptile_points_to_the_end_of():
    network = Network((1, 1))
    start = network.initial(torch.Generator().manual_seed(0))
    inner, batch = Inner(rate=0.01, steps=3), Lines().draw(2, "train", (0,))

    def losses(parameters):
        return task_losses(network, None, parameters, batch.support)

    at = visited(inner, lambda parameters, _: losses(parameters), start, batch.support, 2)
    names = list(start)
    reptile, leap = (start_gradient(losses, at, names, leap=each) for each in (False, True))
    wanted = {name: (at[0][name] - at[-1][name]).mean(0) for name in names}
    assert all(torch.allclose(reptile[name], wanted[name]) for name in names)
    for here, there in pairwise(at):
        leaves = {name: each.clone().requires_grad_() for name, each in here.items()}
        here_losses = losses(leaves)
        slopes = torch.autograd.grad(here_losses.sum(), list(leaves.values()))
        for name, slope in zip(names, slopes, strict=True):
            fall = (here_losses - losses(there)).detach().reshape(-1, *[1] * (slope.dim() - 1))
            wanted[name] = wanted[name] + (fall * slope).mean(0)
    assert all(torch.allclose(leap[name], wanted[name], atol=1e-6) for name in names)
    assert stack(start, 2)[names[0]].shape == at[0][names[0]].shape


@pytest.mark.parametrize("joint", [False, True])
def test_the_leader_is_followed_by_what_queries_of_all_rounds_cost_after_adapting(joint):
    """Its rival descends both halves without adapting. With a step size of 0 the start stays where it is."""
    settings = OnlineSettings(hidden=(4,), updates=1, sampled=0, step_size=0.0, inner_rate=0.05, joint=joint)
    learner, rounds = FollowTheMetaLeader((1,), 1, None, settings), [Lines().draw(2, "train", (n,)) for n in range(2)]

    def error(batch, half):
        still = replace(batch, query=getattr(batch, half))
        of = replace(settings, inner_rate=1e-9) if joint else settings
        told = FollowTheMetaLeader((1,), 1, None, of).predict(still, (0,)).mean
        return (told - still.query.targets).square().mean().item()

    for number, batch in enumerate(rounds):
        found = learner.meta_step(batch, (number,))["loss"]
        costs = [
            0.5 * (error(each, "support") + error(each, "query")) if joint else error(each, "query")
            for each in rounds[: number + 1]
        ]
        assert found == pytest.approx(sum(costs) / len(costs), rel=1e-5)
