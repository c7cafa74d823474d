"""Networks that look back: nothing of the future, step by step as all at once, attention as it is defined."""

import pytest
import torch
from torch.nn import functional

from meta_learners.keys import torch_generator
from meta_learners.networks.causal import Attention, CausalNetwork, Dense, Embed, aligned, snail, transformer
from meta_learners.networks.embedding import seeded

STEPS, COUNT, INPUTS = 9, 3, 4
NETWORKS = {
    "transformer": lambda: transformer(INPUTS, 8, 2, 2, 0),
    "transformer of 3 steps": lambda: transformer(INPUTS, 8, 2, 2, 3),
    "snail": lambda: snail(INPUTS, 5, 6, STEPS),
    "snail with a wide first layer": lambda: snail(INPUTS, 5, 6, 4, 1, width=7, gain=3.0),
}


@pytest.fixture(params=NETWORKS)
def network(request):
    with seeded(torch_generator((0,))):
        return NETWORKS[request.param]().double()


@pytest.fixture
def inputs():
    return torch.randn(STEPS, COUNT, INPUTS, generator=torch_generator((1,)), dtype=torch.float64)


def test_no_output_has_a_slope_in_what_comes_after(network, inputs):
    inputs.requires_grad_()
    outputs, _ = network(inputs, None, network.initial(COUNT))
    for step in range(STEPS):
        (slope,) = torch.autograd.grad(outputs[step].square().sum(), inputs, retain_graph=True)
        assert (slope[step + 1 :] == 0).all()
        assert slope[step].any()


@pytest.mark.parametrize(
    "make", [lambda: snail(6, 5, 6, 4, width=8, gain=3.0), lambda: transformer(6, 8, 1, 2, 0, gain=3.0)]
)
def test_a_gain_keeps_choices_apart_and_as_loud_as_it_says(make):
    weight, bias = make().parts[0].embed.parameters()
    torch.testing.assert_close(weight.T @ weight, 9 * torch.eye(6), rtol=0, atol=1e-5)
    assert not bias.any()


@pytest.mark.parametrize("pieces", [[1] * STEPS, [4, 1, 4], [2, 7]])
def test_step_by_step_with_what_is_kept_equals_all_at_once(network, inputs, pieces):
    whole, end = network(inputs, None, network.initial(COUNT))
    memory, found = network.initial(COUNT), []
    for piece in inputs.split(pieces):
        outputs, memory = network(piece, None, memory)
        found.append(outputs)
    torch.testing.assert_close(torch.cat(found), whole)
    for kept, at_once in zip(memory, end, strict=True):
        torch.testing.assert_close(kept, at_once)


def test_steps_that_are_not_there_are_as_if_they_were_not(network, inputs):
    there = torch.ones(STEPS, COUNT, dtype=torch.float64)
    there[:3, 1] = 0.0
    found, memory = network(inputs, there, network.initial(COUNT))
    shorter, own = network(inputs[3:, 1:2], None, network.initial(1))
    torch.testing.assert_close(found[3:, 1:2], shorter)
    after = torch.ones(1, 2, INPUTS, dtype=torch.float64)
    beside = aligned([tuple(each[1:2] for each in memory), own])
    one, other = network(after, None, beside)[0][0]
    torch.testing.assert_close(one, other)


def test_attention_is_a_softmax_over_the_keys_that_were_seen(inputs):
    with seeded(torch_generator((2,))):
        attention = Attention(INPUTS, 3, 5, context=4).double()
    found, _ = attention(inputs, torch.ones(STEPS, COUNT).double(), attention.initial(COUNT))
    asked, keys, values = attention.project(inputs).split([3, 3, 5], -1)
    for step in range(STEPS):
        seen = slice(max(step - 3, 0), step + 1)
        weights = torch.einsum("nk,tnk->tn", asked[step], keys[seen]).div(3**0.5).softmax(0)
        torch.testing.assert_close(found[step], torch.einsum("tn,tnv->nv", weights, values[seen]))


def test_a_dense_block_is_a_gated_convolution_of_this_step_and_one_before(inputs):
    with seeded(torch_generator((4,))):
        block = Dense(INPUTS, 3, 2).double()
    found, _ = block(inputs, torch.ones(STEPS, COUNT).double(), block.initial(COUNT))
    for step in range(STEPS):
        before = inputs[step - 2] if step >= 2 else torch.zeros_like(inputs[0])
        content, gate = block.convolve(torch.cat([inputs[step], before], -1)).chunk(2, -1)
        torch.testing.assert_close(found[step], torch.cat([inputs[step], content.tanh() * gate.sigmoid()], -1))


def test_dense_blocks_whose_reach_doubles_see_two_to_the_number_of_layers_steps(inputs):
    with seeded(torch_generator((3,))):
        blocks = [Dense(INPUTS + 2 * layer, 2, 2**layer) for layer in range(3)]
        network = CausalNetwork(blocks).double()
    inputs.requires_grad_()
    outputs, _ = network(inputs, None, network.initial(COUNT))
    (slope,) = torch.autograd.grad(outputs[-1].sum(), inputs)
    assert (slope[: STEPS - 8] == 0).all()
    assert slope[STEPS - 8].any()


def test_a_dense_block_is_a_causal_convolution_of_two_with_a_gate(inputs):
    with seeded(torch_generator((4,))):
        block = Dense(INPUTS, 2, 2).double()
    found, _ = block(inputs, torch.ones(STEPS, COUNT).double(), block.initial(COUNT))
    now, before = block.convolve.weight.split(INPUTS, 1)
    kernel = torch.stack([before, now], 2)  # the older first
    padded = functional.pad(inputs.permute(1, 2, 0), (2, 0))
    content, gate = functional.conv1d(padded, kernel, block.convolve.bias, dilation=2).permute(2, 0, 1).chunk(2, -1)
    torch.testing.assert_close(found[..., INPUTS:], content.tanh() * gate.sigmoid())
    assert torch.equal(found[..., :INPUTS], inputs)


@pytest.mark.parametrize("size", [6, 7])
def test_places_are_sines_and_cosines_of_the_step(size):
    embed = Embed(1, size, places=True)
    with torch.no_grad():
        embed.embed.weight.zero_()
        embed.embed.bias.zero_()
    found, _ = embed(torch.zeros(5, 1, 1), torch.ones(5, 1), embed.initial(1))
    for step in range(5):
        for number in range(size):
            angle = torch.tensor(step / 10_000 ** (number // 2 * 2 / size))
            expected = angle.cos() if number % 2 else angle.sin()
            torch.testing.assert_close(found[step, 0, number], expected, atol=1e-5, rtol=0)
