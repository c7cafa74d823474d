"""Learners by gradients that are given examples, against the supervised learner and what they must equal."""

import pytest
import torch

from meta_learners.few_shot_contracts import Lines
from meta_learners.gradient.bilevel import Inner, adapt, inner_step
from meta_learners.gradient.few_shot import GradientFewShot, GradientSettings, masks
from meta_learners.gradient.supervised import SupervisedLearner
from meta_learners.keys import Stream, torch_generator
from meta_learners.networks.policies import Network, stack
from meta_learners.registry import make_few_shot

SETTINGS = GradientSettings(hidden=(8, 8), inner_steps=2, inner_rate=0.05)


@pytest.mark.parametrize("name", ["meta-curvature", "t-net"])
def test_what_is_learned_besides_is_maml_bit_for_bit_where_it_is_the_identity(name):
    maml, curved = (GradientFewShot(each, (1,), 1, None, SETTINGS) for each in ("maml", name))
    batch = Lines().draw(4, "train", (0,))
    assert torch.equal(maml.predict(batch, (0,)).mean, curved.predict(batch, (0,)).mean)
    for learner in (maml, curved):
        learner.meta_step(batch, (0,))
    assert all(torch.equal(each, curved.start[place]) for place, each in maml.start.items())
    assert not torch.equal(maml.predict(batch, (0,)).mean, curved.predict(batch, (0,)).mean)


def test_maml_of_examples_is_the_supervised_learner_to_the_bit():
    learner = GradientFewShot("maml", (1,), 1, None, SETTINGS, seed=3)
    network = Network((1, 8, 8, 1), activation="relu")
    initial = network.initial(torch_generator((3, Stream.PARAMETERS)))
    other = SupervisedLearner(network, initial, Inner(steps=2, rate=0.05))
    for number in range(3):
        batch = Lines().draw(4, "train", (number,))
        told = learner.meta_step(batch, (number,))
        wanted = other.meta_step([batch.support] * 2, batch.query)
        assert told["loss"] == pytest.approx(wanted["loss"], rel=1e-6)
    assert all(torch.allclose(each, other.meta_parameters[name], atol=1e-6) for name, each in learner.start.items())


def test_reptile_goes_towards_where_steps_on_support_and_query_by_turns_end():
    learner = GradientFewShot("reptile", (1,), 1, None, SETTINGS)
    batch, start = Lines().draw(4, "train", (0,)), {name: each.clone() for name, each in learner.start.items()}
    learner.meta_step(batch, (0,))
    for name, each in adapt(
        Inner(steps=2, rate=0.05), learner.loss, start, [batch.support, batch.query], batch.tasks
    ).items():
        wanted = 0.9 * start[name] + 0.1 * each.mean(0)
        assert torch.allclose(learner.start[name], wanted, atol=1e-6)


def test_curvature_multiplies_the_slopes_of_both_directions_of_a_weight():
    network, inner = Network((2, 3), activation="relu"), Inner(rate=1.0, curvature=True)
    generator = torch.Generator().manual_seed(0)
    initial = {name: each.double() for name, each in network.initial(generator).items()}
    meta = inner.meta_parameters(initial)
    for name in [name for name in meta if name.startswith("curvature.")]:
        meta[name] = torch.randn(meta[name].shape, generator=generator, dtype=torch.float64)
    x, y = (torch.randn(1, 4, size, generator=generator, dtype=torch.float64) for size in (2, 3))

    def loss(parameters, _):
        return (network(parameters, x) - y).square().sum((1, 2))

    plain = inner_step(Inner(rate=1.0), loss, initial, stack(initial, 1), None)
    found = inner_step(inner, loss, meta, stack(initial, 1), None)
    slope = initial["layer0.weight"] - plain["layer0.weight"][0]
    wanted = meta["curvature.in.layer0.weight"] @ slope @ meta["curvature.out.layer0.weight"]
    assert torch.allclose(initial["layer0.weight"] - found["layer0.weight"][0], wanted)
    bias = initial["layer0.bias"] - plain["layer0.bias"][0]
    assert torch.allclose(initial["layer0.bias"] - found["layer0.bias"][0], meta["curvature.layer0.bias"] * bias)


def test_the_outer_gradient_of_the_curvature_is_that_of_finite_differences():
    network, inner = Network((1, 3, 1)), Inner(steps=2, rate=0.1, curvature=True)
    initial = network.initial(torch.Generator().manual_seed(0))
    meta = {name: each.double() for name, each in inner.meta_parameters(initial).items()}
    batch = Lines().draw(2, "train", (0,))

    def loss(parameters, examples):
        return (network(parameters, examples.inputs.double()) - examples.targets.double()).square().mean((1, 2))

    def objective(*values):
        adapted = adapt(inner, loss, dict(zip(meta, values, strict=True)), [batch.support] * 2, 2)
        return loss(adapted, batch.query).mean()

    assert torch.autograd.gradcheck(objective, [each.requires_grad_() for each in meta.values()])


def test_what_with_given_data_is_maml_is_refused():
    with pytest.raises(ValueError, match="learner 'promp' is MAML where examples are given; take maml"):
        make_few_shot("promp", Lines())
    with pytest.raises(ValueError, match="learner 'rl2' acts and is not given examples"):
        make_few_shot("rl2", Lines())


def test_a_fixed_transform_moves_the_product_by_the_transform_and_its_transpose_times_the_slope():
    network, inner = Network((2, 3), transformed=True), Inner(rate=0.5, adapted=Network((2, 3)).layers)
    generator = torch.Generator().manual_seed(0)
    start = {name: each.double() for name, each in network.initial(generator).items()}
    start["transform0"] = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    x, y = (torch.randn(1, 4, size, generator=generator, dtype=torch.float64) for size in (2, 3))

    def loss(parameters, _):
        return (network(parameters, x) - y).square().sum((1, 2))

    product = (start["layer0.weight"] @ start["transform0"]).requires_grad_()
    plain = (x @ product + start["layer0.bias"] @ start["transform0"] - y).square().sum()
    (slope,) = torch.autograd.grad(plain, product)
    found = inner_step(inner, loss, start, stack(start, 1), None)
    moved = found["layer0.weight"][0] @ found["transform0"][0] - product
    assert torch.equal(found["transform0"][0], start["transform0"])
    assert torch.allclose(moved, -0.5 * slope @ start["transform0"].T @ start["transform0"])


def test_masks_are_of_0_and_1_as_likely_as_their_logits_say_and_slopes_pass():
    logits = torch.tensor([-2.0, 0.0, 2.0]).requires_grad_()
    drawn = masks(logits, 20_000, torch.Generator().manual_seed(0))
    assert set(drawn.detach().round(decimals=5).unique().tolist()) == {0.0, 1.0}
    assert torch.allclose(drawn.mean(0), logits.sigmoid(), atol=0.01)
    (slope,) = torch.autograd.grad(drawn.sum(), logits)
    assert (slope > 0).all()


def test_a_layer_that_is_masked_does_not_adapt():
    learner = GradientFewShot("mt-net", (1,), 1, None, SETTINGS)
    for name, each in learner._adam.parameters.items():
        if name.startswith("mask."):
            each.fill_(-50.0)
    batch = Lines().draw(2, "train", (0,))
    unadapted = learner._network(stack(learner.start, 2), batch.query.inputs)
    assert torch.equal(learner.predict(batch, (0,)).mean, unadapted)
