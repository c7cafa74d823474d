"""The convolutional network that is adapted: against PyTorch's layers, its derivatives, and when it is chosen."""

import pytest
import torch
from torch import nn

from meta_learners.few_shot_contracts import Blobs
from meta_learners.networks.adaptable import NetworkSettings, network_of
from meta_learners.networks.convolutions import Convolutions
from meta_learners.networks.embedding import Embedding
from meta_learners.networks.policies import Network, stack
from meta_learners.registry import make_few_shot


def drawn(network, tasks, dtype=torch.float32):
    """Parameters of which none are alike, in any task."""
    generator = torch.Generator().manual_seed(0)
    stacked = stack(network.initial(generator), tasks)
    return {
        name: (each + 0.3 * torch.randn(each.shape, generator=generator)).to(dtype) for name, each in stacked.items()
    }


@pytest.mark.parametrize("shape", [(3, 21), (2, 7, 10)])
def test_every_tasks_network_is_the_shared_embedding_of_its_own_parameters(shape):
    network, width = Convolutions(shape, 5, width=16), 16
    parameters, inputs = drawn(network, 2), torch.randn(2, 3, *shape)
    found = network(parameters, inputs.flatten(2))
    for task in range(2):
        own = {name: each[task] for name, each in parameters.items()}
        embedding = Embedding(shape, width)
        convolutions = [each for each in embedding.modules() if isinstance(each, nn.Conv1d | nn.Conv2d)]
        norms = [each for each in embedding.modules() if isinstance(each, nn.GroupNorm)]
        for number, (convolution, norm) in enumerate(zip(convolutions, norms, strict=True)):
            weight = own[f"layer{number}.weight"].unflatten(0, (*(3,) * (len(shape) - 1), -1)).movedim((-1, -2), (0, 1))
            convolution.weight.data, convolution.bias.data = weight.contiguous(), own[f"layer{number}.bias"]
            norm.weight.data, norm.bias.data = own[f"layer{number}.scale"], own[f"layer{number}.shift"]
        channels_last = embedding(inputs[task]).reshape(3, *embedding.map_shape).movedim(1, -1).flatten(1)
        wanted = channels_last @ own["layer4.weight"] + own["layer4.bias"]
        assert torch.allclose(found[task], wanted, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 5), (1, 4, 2)])
def test_its_derivatives_and_theirs_are_those_of_finite_differences(shape):
    network = Convolutions(shape, 2, width=2, transformed=True)
    parameters = {name: each.requires_grad_() for name, each in drawn(network, 1, torch.float64).items()}
    inputs = torch.randn(1, 2, network.sizes[0], dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    some = ("layer0.weight", "layer1.scale", "layer4.weight")

    def told(*of):
        return network({**parameters, **dict(zip(some, of, strict=True))}, inputs)

    assert torch.autograd.gradgradcheck(told, [parameters[name] for name in some])


def test_sequences_and_images_are_seen_by_convolutions_and_numbers_by_layers():
    usual = NetworkSettings()
    assert network_of(usual, (4,), 3) == Network((4, 40, 40, 3), activation="relu")
    assert network_of(usual, (3, 12), 3) == Convolutions((3, 12), 3)
    assert network_of(NetworkSettings(network="layers"), (3, 12), 3) == Network((36, 40, 40, 3), activation="relu")
    with pytest.raises(ValueError, match="an example is 4 numbers without an order; take layers"):
        network_of(NetworkSettings(network="convolutions"), (4,), 3)
    with pytest.raises(ValueError, match="network is 'conv'; it must be auto, layers, convolutions"):
        NetworkSettings(network="conv")


def test_before_it_learned_anything_the_first_step_tells_classes_by_their_mean_features():
    """Then the network is a classifier by the product with each class's mean, as it is for no other class's weights."""
    family = Blobs((3, 16))
    learner = make_few_shot("maml", family, {"width": 8, "inner_rate": 0.5})
    batch = family.draw(3, "train", (0,))
    network = Convolutions((3, 16), 3, width=8)
    start = stack(learner.start, 3)
    known, asked = (network.features(start, each.inputs.flatten(2)) for each in (batch.support, batch.query))
    labels = nn.functional.one_hot(batch.support.targets, 3).float()
    slope = (known.transpose(1, 2) @ (labels - 1 / 3)) / known.shape[1]
    bias = (labels - 1 / 3).mean(1, keepdim=True)
    wanted = 0.5 * (asked @ slope + bias)
    assert torch.allclose(learner.predict(batch, (0,)).logits, wanted, atol=1e-4)
