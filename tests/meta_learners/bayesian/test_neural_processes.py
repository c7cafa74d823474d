"""Neural processes against what they must equal where one of their parts is made to do nothing."""

from dataclasses import replace

import torch

from meta_learners.bayesian.neural_processes import NeuralProcess, ProcessSettings, attend, divergence
from meta_learners.few_shot_contracts import Lines


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
