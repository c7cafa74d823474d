"""Neural processes against what they must equal where one of their parts is made to do nothing."""

from dataclasses import replace

import pytest
import torch

from meta_learners.bayesian.neural_processes import Block, NeuralProcess, ProcessSettings, attend, divergence
from meta_learners.few_shot_contracts import Lines
from meta_learners.registry import make_few_shot


def test_attention_with_equal_keys_is_the_mean_of_what_is_there():
    values, there = torch.randn(2, 5, 8), torch.tensor([[True, True, True, False, False]] * 2)
    found = attend(torch.randn(2, 3, 8), torch.ones(2, 5, 8), values, there, heads=2)
    assert torch.allclose(found, values[:, :3].mean(1, keepdim=True).expand(2, 3, 8), atol=1e-6)


def test_the_divergence_is_pytorchs():
    one, other = ((torch.randn(3, 4), torch.rand(3, 4) + 0.1) for _ in range(2))
    wanted = torch.distributions.kl_divergence(torch.distributions.Normal(*one), torch.distributions.Normal(*other))
    assert torch.allclose(divergence(one, other), wanted.sum(-1), atol=1e-5)


def test_the_bound_pays_for_what_the_queries_tell_of_the_latent_variable_and_for_nothing_else():
    """Whoever is asked about the context alone knows nothing more: what it descends is what the likelihood costs."""
    batch = Lines().draw(3, "train", (0,))
    batch = replace(batch, query=batch.support)
    network = NeuralProcess(1, 1, ProcessSettings(units=8), latent=True, direct=False, attentive=False)
    loss, told = network.loss(batch, torch.Generator().manual_seed(0))
    assert torch.allclose(loss, -told.log_probability(batch.query.targets).mean(), atol=1e-5)


def test_deviations_have_the_papers_floor():
    for kind in ({"latent": False, "direct": True}, {"latent": True, "direct": False}):
        network = NeuralProcess(1, 1, ProcessSettings(units=8, draws=3), **kind, attentive=False)
        found = network.predict(Lines().draw(3, "train", (0,)), torch.Generator().manual_seed(0))
        assert found.means.shape == ((3 if kind["latent"] else 1), 3, 6, 1)
        assert (found.deviations > 0.1).all()


def test_nearness_is_the_logarithm_of_a_weight():
    values, weights = torch.randn(2, 5, 8), torch.rand(2, 1, 3, 5) + 0.1
    there = torch.ones(2, 5, dtype=torch.bool)
    found = attend(torch.randn(2, 3, 8), torch.ones(2, 5, 8), values, there, 2, weights.log())
    assert torch.allclose(found, (weights / weights.sum(-1, keepdim=True))[:, 0] @ values, atol=1e-5)


def test_a_block_hears_less_of_a_point_the_further_it_is_off():
    block, asked = Block(8, 2, 4.0), torch.randn(1, 1, 8)
    context = torch.randn(1, 2, 8, requires_grad=True)

    def heard(far):
        told = block(asked, context, torch.ones(1, 2, dtype=torch.bool), torch.tensor([[[0.0, far**2]]]))
        return torch.autograd.grad(told.sum(), context)[0][0, 1].norm()

    assert heard(0.5) > 2 * heard(4.0)
    assert heard(20.0) == 0


def test_np_beside_the_mean_is_cnp_where_its_latent_variable_tells_nothing():
    batch, settings = Lines().draw(3, "train", (0,)), {"units": 8}
    plain = NeuralProcess(1, 1, ProcessSettings(**settings), latent=False, direct=True, attentive=False)
    both = NeuralProcess(
        1, 1, ProcessSettings(**settings, draws=3, beside=True), latent=True, direct=False, attentive=False
    )
    for name, each in plain.state_dict().items():
        own = both.state_dict()[name]
        own.zero_()
        own[tuple(slice(size) for size in each.shape)] = each
    wanted, found = (each.predict(batch, torch.Generator().manual_seed(0)) for each in (plain, both))
    assert torch.allclose(found.means, wanted.means.expand(3, -1, -1, -1), atol=1e-6)


def test_waves_turn_once_a_period():
    settings = ProcessSettings(units=8, waves=3, period=4.0)
    network = NeuralProcess(1, 1, settings, latent=False, direct=True, attentive=False)
    here, later = (network._placed(torch.tensor([[[0.3 + shift]]]))[0, 0] for shift in (0.0, 4.0))
    assert torch.allclose(here[1:], later[1:], atol=1e-5)
    assert torch.allclose(here[1:4], (torch.pi / 2 * torch.tensor([1.0, 2.0, 3.0]) * 0.3).sin())


@pytest.mark.parametrize("over", [0, 4])
def test_the_step_size_falls_as_pytorchs_cosine_does(over):
    learner = make_few_shot("cnp", Lines(), {"units": 8, "halve_after": 0, "anneal_over": over})
    rate = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=5e-4)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(rate, over) if over else None
    for number in range(4):
        learner.meta_step(Lines().draw(2, "train", (number,)), (number,))
        assert learner._adam.rate == pytest.approx(rate.param_groups[0]["lr"], abs=1e-12)
        rate.step()
        if cosine is not None:
            cosine.step()
