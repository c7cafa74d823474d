"""Learned optimisers against rules that are known, and the classical ones against PyTorch's."""

from dataclasses import replace

import pytest
import torch

from meta_learners.few_shot_contracts import Blobs, Lines
from meta_learners.keys import torch_generator
from meta_learners.learned_optimisers.classical import NAMES, best_rate, descend
from meta_learners.learned_optimisers.coordinatewise import CoordinatewiseLSTM, LSTMSettings, log_and_sign
from meta_learners.learned_optimisers.hierarchical import HierarchicalSettings, HierarchicalUnits
from meta_learners.learned_optimisers.learner import LearnedOptimiser
from meta_learners.learned_optimisers.meta_lstm import MetaLSTM, MetaLSTMSettings
from meta_learners.learned_optimisers.optimisee import Optimisee, flat, slopes_of, unflat
from meta_learners.networks.adaptable import NetworkSettings
from meta_learners.registry import make_family, make_few_shot
from meta_learners.training.few_shot_test import FewShotProtocol, few_shot_figures

TORCHS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.05),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9),
    "nesterov": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9, nesterov=True),
    "rmsprop": lambda parameters: torch.optim.RMSprop(parameters, lr=0.05),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.05),
}


def tasks_of_classes(count=3):
    family = Blobs()
    return Optimisee.of(family, NetworkSettings(hidden=(5,)), summed=False), family.draw(count, "train", (1,))


@pytest.mark.parametrize("name", NAMES)
def test_a_classical_optimiser_goes_where_pytorchs_goes(name):
    optimisee, batch = tasks_of_classes()
    start = optimisee.start(3, torch_generator((0,)), "cpu")
    ended, way = descend(name, optimisee, start, batch.support, torch.full((3,), 0.05), 7)
    theirs = {place: each.clone().requires_grad_() for place, each in start.items()}
    optimiser = TORCHS[name](list(theirs.values()))
    for step in range(7):
        losses = optimisee.losses(theirs, batch.support)
        assert torch.allclose(way[:, step], losses, atol=1e-5)
        optimiser.zero_grad()
        losses.sum().backward()
        optimiser.step()
    assert torch.allclose(flat(ended), flat(theirs), atol=1e-4)


def test_the_rate_that_is_chosen_is_the_best_of_the_grid_and_none_that_diverges():
    family = make_family("quadratics")
    optimisee, batch = Optimisee.of(family, NetworkSettings(hidden=()), summed=True), family.draw(6, "train", (0,))
    start = optimisee.start(6, torch_generator((0,)), "cpu")
    rates = (1e-4, 1e-3, 5e-3, 10.0)
    last = [descend("sgd", optimisee, start, batch.support, torch.full((6,), r), 30)[1][:, -1].mean() for r in rates]
    assert not last[3].isfinite() or last[3] > 1e6
    assert best_rate("sgd", optimisee, start, batch.support, 30, rates) == rates[int(torch.stack(last[:3]).argmin())]


def test_a_linear_optimisee_is_the_papers_quadratic():
    family = make_family("quadratics")
    optimisee, batch = Optimisee.of(family, NetworkSettings(hidden=()), summed=True), family.draw(4, "train", (0,))
    t = torch.randn(4, 10, 1, generator=torch_generator((3,)))
    wanted = (batch.support.inputs @ t - batch.support.targets).square().sum((1, 2))
    assert torch.allclose(optimisee.losses({"layer0.weight": t}, batch.support), wanted, rtol=1e-5)
    assert flat(optimisee.start(4, torch_generator((0,)), "cpu")).abs().max() == 0


def test_a_meta_lstm_that_forgets_nothing_and_takes_a_constant_is_gradient_descent():
    optimisee, batch = tasks_of_classes()
    torch.manual_seed(0)
    rule = MetaLSTM(optimisee, MetaLSTMSettings(steps=6, window=6))
    with torch.no_grad():
        for gate in (rule.forget, rule.take):
            gate.weight.zero_()
        rule.forget.bias.fill_(50.0)
        rule.take.bias.copy_(torch.logit(torch.tensor([0.3])))
    learner = LearnedOptimiser("meta-lstm", optimisee, rule, MetaLSTMSettings(steps=6, window=6))
    start = {place: each.detach() for place, each in rule.start(3, torch_generator((0,)), "cpu").items()}
    plain = descend("sgd", optimisee, start, batch.support, torch.full((3,), 0.3), 6)[1]
    assert torch.allclose(learner.curve(batch, (0,), 6), plain, atol=1e-5)
    assert plain[:, -1].mean() < 0.9 * plain[:, 0].mean()


def test_slopes_are_seen_by_logarithm_and_sign_as_in_the_appendix():
    seen = log_and_sign(torch.tensor([1.0, -torch.e, 1e-9, 0.0]), 10.0)
    assert seen[:2].flatten().tolist() == pytest.approx([0, 1, 0.1, -1], abs=1e-6)
    assert seen[2:].flatten().tolist() == pytest.approx(
        [-1, 1e-9 * torch.e**10 * 0 + 1e-9 * 22026.4658, -1, 0], rel=1e-4
    )


def test_one_lstm_serves_all_parameters_wherever_they_lie():
    optimisee, _ = tasks_of_classes()
    torch.manual_seed(0)
    rule = CoordinatewiseLSTM(optimisee, LSTMSettings())
    start = optimisee.start(2, torch_generator((0,)), "cpu")
    slopes = unflat(torch.randn(2, flat(start).shape[1], generator=torch_generator((1,))), start)
    order = torch.randperm(flat(start).shape[1], generator=torch_generator((2,)))
    turned = [unflat(flat(each)[:, order], start) for each in (start, slopes)]
    plain, other = (
        flat(rule.step(at, of, torch.zeros(2), rule.begin(at, torch_generator((0,))))[0])
        for at, of in ((start, slopes), turned)
    )
    assert torch.allclose(plain[:, order], other, atol=1e-6)


def steps_of(rule, optimisee, support, scale, steps, names):
    """Where the hierarchical rule goes if the loss is multiplied, with tensors in an order of names."""
    generator = torch_generator((4,))
    start = optimisee.start(2, generator, "cpu")
    parameters = {name: start[name] for name in names(start)}
    kept, found = rule.begin(parameters, torch_generator((5,))), []
    with torch.no_grad():
        for _ in range(steps):
            with torch.enable_grad():
                leaves = {name: each.detach().requires_grad_() for name, each in parameters.items()}
                losses = scale * optimisee.losses(leaves, support)
                slopes = slopes_of(losses, leaves)
            parameters, kept = rule.step(parameters, slopes, losses.detach(), kept)
            found.append(torch.cat([parameters[name].flatten(1) for name in start], 1))
    return torch.stack(found)


def test_the_hierarchical_rule_minds_neither_the_scale_of_the_loss_nor_the_order_of_the_tensors():
    optimisee, batch = tasks_of_classes(2)
    torch.manual_seed(1)
    rule = HierarchicalUnits(optimisee, HierarchicalSettings())
    plain = steps_of(rule, optimisee, batch.support, 1.0, 8, list)
    assert (plain[-1] - plain[0]).abs().max() > 1e-3
    assert torch.allclose(plain, steps_of(rule, optimisee, batch.support, 1000.0, 8, list), atol=1e-4)
    assert torch.allclose(plain, steps_of(rule, optimisee, batch.support, 1.0, 8, lambda of: list(of)[::-1]), atol=1e-5)


def test_what_the_rule_descends_after_one_step_has_the_gradient_of_finite_differences():
    optimisee, batch = tasks_of_classes()
    torch.manual_seed(0)
    settings = LSTMSettings(steps=1, window=1, units=3)
    rule = CoordinatewiseLSTM(optimisee, settings).double()
    learner = LearnedOptimiser("lstm-optimiser", optimisee, rule, settings)
    double = replace(batch, support=replace(batch.support, inputs=batch.support.inputs.double()))
    start = {name: each.double() for name, each in optimisee.start(3, torch_generator((0,)), "cpu").items()}

    def objective():
        begun = {name: each.clone() for name, each in start.items()}
        return learner._window(double, begun, rule.begin(begun, torch_generator((0,))), 1)[0]

    (slope,) = torch.autograd.grad(objective(), rule.out.weight)
    for place in range(3):
        ends = []
        for way in (1e-6, -1e-6):
            with torch.no_grad():
                rule.out.weight[0, place] += way
            ends.append(objective().item())
            with torch.no_grad():
                rule.out.weight[0, place] -= way
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(slope[0, place].item(), rel=1e-4, abs=1e-7)


def test_a_learned_optimiser_is_tested_beside_the_tuned_ones():
    learner = make_few_shot("lstm-optimiser", Lines(), {"hidden": [4], "steps": 5, "units": 3})
    found = few_shot_figures(learner, Lines(), FewShotProtocol(split="train", tasks=4, alone_tasks=0), (0,))
    assert [name.partition(",")[0] for name in found if ", rate " in name] == list(NAMES)


def test_a_step_size_decays_to_nothing_and_goes_on_where_it_was():
    def made():
        return make_few_shot("lstm-optimiser", Lines(), {"hidden": [3], "steps": 3, "units": 2, "decay": 2})

    straight, broken, batch = made(), made(), Lines().draw(2, "train", (0,))
    for step in range(2):
        straight.meta_step(batch, (0, step))
        broken.meta_step(batch, (0, step))
        again = made()
        again.load(broken.state())
        broken = again
    before = straight.state().tensors
    assert all(torch.equal(each, broken.state().tensors[name]) for name, each in before.items())
    assert not torch.equal(before["parameter.out.weight"], made().state().tensors["parameter.out.weight"])
    straight.meta_step(batch, (0, 2))
    assert torch.equal(before["parameter.out.weight"], straight.state().tensors["parameter.out.weight"])


def test_an_unknown_objective_is_refused():
    with pytest.raises(ValueError, match="objective is 'last'; it must be sum, log, query"):
        make_few_shot("lstm-optimiser", Lines(), {"objective": "last"})


def test_a_meta_lstm_whose_window_is_too_short_is_refused():
    with pytest.raises(ValueError, match="window is 4; it must be 8, the steps, or more"):
        make_few_shot("meta-lstm", Lines(), {"window": 4})


@pytest.mark.parametrize("objective", ["sum", "log"])
@pytest.mark.parametrize("name", ["lstm-optimiser", "hierarchical-optimiser"])
def test_a_rule_descends_the_losses_on_its_way_window_by_window(name, objective):
    settings = {"hidden": [3], "steps": 5, "window": 2, "objective": objective, "step_size": 0.0}
    learner, batch = make_few_shot(name, Lines(), settings), Lines().draw(3, "train", (0,))
    way = learner.curve(batch, (1,), 5)
    windows = [way[:, :3], way[:, 2:5], way[:, 4:]]
    costs = [each.log().mean() if objective == "log" else each.sum(1).mean() for each in windows]
    told = learner.meta_step(batch, (1,))
    assert told["objective"] == pytest.approx(torch.stack(costs).mean().item(), rel=1e-5)
    assert told["loss"] == pytest.approx(way[:, -1].mean().item(), rel=1e-5)


def test_a_meta_lstm_descends_the_queries_loss_where_it_ends():
    learner, batch = make_few_shot("meta-lstm", Lines(), {"hidden": [3]}), Lines().draw(3, "train", (0,))
    wanted = (learner.predict(batch, (1,)).mean - batch.query.targets).square().mean().item()
    assert learner.meta_step(batch, (1,))["objective"] == pytest.approx(wanted, rel=1e-5)


def test_a_meta_lstms_gates_see_what_they_let_through_the_step_before():
    """Equation 4 and the one above it, for one parameter of the first task."""
    optimisee, _ = tasks_of_classes(1)
    torch.manual_seed(0)
    settings = MetaLSTMSettings(units=3)
    rule = MetaLSTM(optimisee, settings)
    for gate in (rule.forget, rule.take):
        torch.nn.init.normal_(gate.weight)
    parameters = rule.start(1, torch_generator((0,)), "cpu")
    kept, loss = rule.begin(parameters, torch_generator((0,))), torch.tensor([0.4])
    here, state, forget, take = flat(parameters)[0, :1], (torch.zeros(1, 3), torch.zeros(1, 3)), 1.0, 0.0
    for step in range(3):
        slope = torch.randn(flat(parameters).shape, generator=torch_generator((step,)))
        parameters, kept = rule.step(parameters, unflat(slope, parameters), loss, kept)
        state = rule.first(torch.cat([log_and_sign(slope[0, :1], 10.0), log_and_sign(loss, 10.0)], 1), state)
        forget, take = (
            gate(torch.cat([state[0][0], here, torch.tensor([before])])).sigmoid().item()
            for gate, before in ((rule.forget, forget), (rule.take, take))
        )
        here = forget * here - take * slope[0, :1]
        assert torch.allclose(flat(parameters)[0, :1], here, atol=1e-5)


def test_a_tensor_moves_by_its_parameters_rate_whatever_direction_is_told():
    """The direction is scaled to root mean square 1."""
    optimisee, batch = tasks_of_classes(2)
    torch.manual_seed(1)
    rule = HierarchicalUnits(optimisee, HierarchicalSettings(slowest=0.03, fastest=0.03))
    with torch.no_grad():
        rule.tell.weight[1], rule.tell.bias[1] = 0, 0  # the rate stays
    ways = steps_of(rule, optimisee, batch.support, 1.0, 4, list)
    place = 0
    for each in optimisee.start(2, torch_generator((4,)), "cpu").values():
        size = each[0].numel()
        moved = (ways[1:] - ways[:-1])[..., place : place + size].square().mean(-1).sqrt()
        assert torch.allclose(moved, torch.full_like(moved, 0.03), rtol=1e-3)
        place += size
