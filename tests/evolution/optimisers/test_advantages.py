"""Generalised advantage estimation against its definition, and against the one that the meta-learners have."""

import numpy as np
import pytest
import torch

from evolution.advantages import advantages


def by_definition(rewards, values, following, ends, discount, trace):
    """Sum (gamma lambda)^k delta[t + k] from each step to its episode's end, one number at a time."""
    found = np.zeros_like(values)
    for world in range(values.shape[1]):
        for start in range(len(values)):
            weight = 1.0
            for step in range(start, len(values)):
                delta = rewards[step, world] + discount * following[step, world] - values[step, world]
                found[start, world] += weight * delta
                weight *= discount * trace
                if ends[step, world]:
                    break
    return found


def experience(seed):
    rng = np.random.default_rng(seed)
    ends = rng.random((30, 4)) < 0.1
    return (*rng.standard_normal((3, 30, 4)), ends)


@pytest.mark.parametrize(("discount", "trace"), [(0.99, 0.95), (0.9, 0.0), (1.0, 1.0)])
def test_advantages_are_the_sum_that_defines_them(discount, trace):
    given = experience(3)
    expected = by_definition(*given, discount, trace)
    np.testing.assert_allclose(advantages(*given, discount=discount, trace=trace), expected, rtol=1e-12, atol=1e-12)


def test_tensors_give_what_arrays_give():
    given = experience(4)
    tensors = [torch.from_numpy(each) for each in given]
    found = advantages(*tensors, discount=0.97, trace=0.9)
    np.testing.assert_allclose(found.numpy(), advantages(*given, discount=0.97, trace=0.9), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(tensors[0].numpy(), given[0])


def test_nothing_after_an_end_counts_before_it():
    rewards, values, following, ends = experience(5)
    ends[10] = True
    before = advantages(rewards, values, following, ends, discount=0.99, trace=0.95)
    rewards[11:] += 100.0
    after = advantages(rewards, values, following, ends, discount=0.99, trace=0.95)
    np.testing.assert_array_equal(before[:11], after[:11])
    assert (before[11:] != after[11:]).all()
