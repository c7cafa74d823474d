"""The shared embedding is the paper's four blocks, whatever order and layout they are computed in."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from meta_learners.networks.embedding import Embedding, seeded


def embedding(shape, width=16, **kept):
    with seeded(torch.Generator().manual_seed(0)):
        return Embedding(shape, width, **kept)


def as_in_the_paper(network, inputs, pooled=4):
    """Convolution, normalisation, ReLU, then pooling; the layers' weights in their order."""
    convolve, pool = (
        (functional.conv1d, functional.max_pool1d) if inputs.dim() == 3 else (functional.conv2d, functional.max_pool2d)
    )
    weighed = [layer for layer in network.modules() if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.GroupNorm)]
    found = inputs
    for number, (convolution, norm) in enumerate(zip(weighed[::2], weighed[1::2], strict=True)):
        found = convolve(found, convolution.weight, convolution.bias, padding=1)
        found = functional.group_norm(found, norm.num_groups, norm.weight, norm.bias).relu()
        if number < pooled and min(found.shape[2:]) >= 2:
            found = pool(found, 2)
    return found


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 9, 20), (2, 60)])
def test_features_and_slopes_are_those_of_the_papers_blocks(shape):
    network, inputs = embedding(shape), torch.rand(7, *shape, generator=torch.Generator().manual_seed(1))
    found, wanted = network(inputs), as_in_the_paper(network, inputs).flatten(1)
    assert found.shape == (7, network.size)
    assert torch.allclose(found, wanted, atol=1e-4)
    slopes, expected = (
        torch.autograd.grad((each * each).mean(), list(network.parameters())) for each in (found, wanted)
    )
    for slope, other in zip(slopes, expected, strict=True):
        assert torch.allclose(slope, other, atol=1e-4)


def test_maps_keep_their_sides_after_the_second_block():
    network, inputs = embedding((1, 28, 28), maps=True), torch.rand(2, 5, 1, 28, 28)
    found = network(inputs)
    assert found.shape == (2, 5, 16, 7, 7)
    assert torch.allclose(found.flatten(0, 1), as_in_the_paper(network, inputs.flatten(0, 1), pooled=2), atol=1e-4)
