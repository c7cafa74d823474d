import warnings

import numpy as np
import pytest

from environments.controller import Controller, tanh

WALKER = Controller((24, 40, 40, 4))


def test_walker_controller_has_the_papers_2804_parameters():
    assert WALKER.parameters == 2804


def test_policy_equals_the_sums_written_out_from_the_documented_layout():
    rng = np.random.default_rng(0)
    theta = WALKER.initial_theta(rng, scale=0.5).astype(np.float32)
    observation = rng.standard_normal(24).astype(np.float32)
    signal, start = list(observation.astype(float)), 0
    for inputs, outputs in ((24, 40), (40, 40), (40, 4)):
        biases = theta[start + inputs * outputs : start + inputs * outputs + outputs]
        sums = [
            sum(signal[i] * float(theta[start + i * outputs + j]) for i in range(inputs)) + float(biases[j])
            for j in range(outputs)
        ]
        signal = [np.tanh(value) for value in sums]
        start += inputs * outputs + outputs
    assert start == 2804
    np.testing.assert_allclose(WALKER.policy(theta)(observation), signal, atol=2e-6)


def test_tanh_is_right_to_about_an_ulp_and_keeps_nan():
    x = np.linspace(-20, 20, 100_001, dtype=np.float32)
    exact = np.tanh(x.astype(np.float64))
    assert (np.abs(tanh(x) - exact) / np.spacing(np.abs(exact).astype(np.float32))).max() < 1.4
    np.testing.assert_array_equal(tanh(np.array([np.nan, np.inf, -np.inf], dtype=np.float32)), [np.nan, 1, -1])


def test_controller_refuses_theta_of_another_length():
    with pytest.raises(ValueError, match=r"theta has shape \(2803,\).*need \(2804,\)"):
        WALKER.policy(np.zeros(2803, dtype=np.float32))


def test_initial_theta_has_the_published_spread():
    theta = WALKER.initial_theta(np.random.default_rng(1))
    assert abs(theta.std() - 0.1) < 0.005
    assert abs(theta.mean()) < 0.006


def test_network_that_overflows_acts_not_a_number_without_complaint():
    theta = np.zeros(WALKER.parameters, dtype=np.float32)
    theta[0] = np.inf  # times an observation of 0
    assert np.isnan(WALKER.policy(theta)(np.zeros(WALKER.sizes[0], dtype=np.float32))).any()


def test_one_network_of_many_that_overflows_does_so_without_complaint_too():
    controller = Controller((2, 3, 1))
    thetas = np.zeros((2, controller.parameters), dtype=np.float32)
    thetas[1] = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sane, wild = controller.policies(thetas)(np.zeros((2, 2), dtype=np.float32))
    assert np.isfinite(sane).all()
    assert np.isnan(wild).all()
