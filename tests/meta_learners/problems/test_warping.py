"""Drawings are moved as their maps say, by their keys alone, and in training alone."""

import math

import pytest
import torch

from meta_learners.problems.warping import LARGEST_SCALE, LARGEST_SHEAR, LARGEST_SHIFT, LARGEST_TURN, maps_of, warped


def test_without_an_amount_drawings_stay_as_they_are():
    drawings = torch.rand(5, 9, 12)
    assert torch.allclose(warped(drawings, maps_of(5, 0.0, torch.Generator())), drawings, atol=1e-6)


def test_a_quarter_turn_and_a_pixels_shift_are_those_of_the_array():
    drawing = torch.rand(1, 8, 8)
    quarter = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]])
    assert torch.allclose(warped(drawing, quarter), drawing.rot90(1, (1, 2)), atol=1e-6)
    shift = torch.tensor([[[1.0, 0.0, 2 / 8], [0.0, 1.0, 0.0]]])  # one pixel to the left
    assert torch.allclose(warped(drawing, shift)[:, :, :-1], drawing[:, :, 1:], atol=1e-6)
    assert (warped(drawing, shift)[:, :, -1] == 0).all()


@pytest.mark.parametrize("amount", [0.3, 1.0])
def test_maps_reach_as_far_as_they_may_and_no_further(amount):
    maps = maps_of(4000, amount, torch.Generator().manual_seed(0))
    shift, linear = maps[..., 2].abs(), maps[..., :2]
    assert 0.95 * amount * LARGEST_SHIFT < shift.max() <= amount * LARGEST_SHIFT
    first, second = linear.unbind(-1)
    turn = torch.atan2(first[:, 1], first[:, 0])
    assert 0.95 * amount * LARGEST_TURN < turn.abs().max() <= amount * LARGEST_TURN * (1 + 1e-5)
    assert first.norm(dim=1).log().abs().max() <= amount * LARGEST_SCALE * (1 + 1e-5)
    # Of what a turn and a scale leave, the shear: the angle between the two sides, less a right one.
    cosine = (first * second).sum(1) / (first.norm(dim=1) * second.norm(dim=1))
    slant = math.pi / 2 - cosine.acos()
    assert 0.95 * amount * LARGEST_SHEAR < slant.abs().max() <= amount * LARGEST_SHEAR * (1 + 1e-4)


def test_equal_generators_give_equal_maps_and_others_others():
    one, again, other = (maps_of(3, 1.0, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
