import math

import numpy as np
import pytest

from evolution.noise import directions
from evolution.optimisers.es import ESSettings, Learner, centered_ranks, es_gradient, es_proposal, es_update
from evolution.requests import perturbed

STILL = ESSettings(pairs=1, weight_decay=0.0, sigma_decay=1.0, step_size_decay=1.0)


def sample(function, theta, sigma, noise):
    both = perturbed(theta.astype(np.float32), sigma, noise).astype(np.float64)
    return np.array([function(row) for row in both]).reshape(-1, 2)


def test_ranks_are_centered_scaled_and_shared_by_equals():
    returns = np.array([[3.0, -1.0], [10.0, 3.0], [0.0, -7.0]])
    np.testing.assert_allclose(centered_ranks(returns) * 5 + 2.5, [[3.5, 1], [5, 3.5], [2, 0]])


def test_equal_returns_give_no_gradient():
    noise = directions(0, (1,), 0, 8, 5)
    np.testing.assert_array_equal(es_gradient(noise, np.full((8, 2), 3.0), 0.1), 0)


def test_ranks_refuse_nan():
    with pytest.raises(ValueError, match="returns hold NaN"):
        centered_ranks(np.array([1.0, np.nan]))


def test_gradient_refuses_returns_without_their_mirror():
    with pytest.raises(ValueError, match=r"returns has shape \(8,\); 4 directions need \(4, 2\)"):
        es_gradient(np.zeros((4, 3), dtype=np.float32), np.zeros(8), 0.1)


@pytest.mark.parametrize(("n", "d", "seed"), [(1, 1, 0), (5, 3, 1), (64, 200, 2)])
def test_gradient_equals_the_loop_written_from_the_paper(n, d, seed):
    noise = directions(seed, (2,), 0, n, d)
    returns = np.random.default_rng(seed).standard_normal((n, 2))
    order = sorted(returns.ravel())
    expected = np.zeros(d)
    for i in range(n):
        plus, minus = (order.index(value) / max(2 * n - 1, 1) - 0.5 for value in returns[i])
        expected += (plus - minus) * noise[i].astype(float)
    np.testing.assert_allclose(es_gradient(noise, returns, 0.3), expected / (n * 0.3), rtol=1e-12)


def test_gradient_of_a_linear_function_has_the_closed_form():
    # Returns are normal, so E[(rank+ - rank-) noise] = slope / |slope| / sqrt(pi).
    slope, sigma = np.random.default_rng(3).standard_normal(6), 0.2
    noise = directions(4, (3,), 0, 40_000, 6)
    returns = sample(lambda theta: slope @ theta, np.zeros(6), sigma, noise)
    expected = slope / np.linalg.norm(slope) / math.sqrt(math.pi) / sigma
    np.testing.assert_allclose(es_gradient(noise, returns, sigma), expected, atol=0.06)


def test_gradient_points_where_finite_differences_point():
    def function(theta):
        return math.sin(theta[0]) + theta[0] * theta[1] - 0.5 * theta[2] ** 2 + math.exp(0.3 * theta[3])

    theta, step = np.array([0.4, -0.7, 1.1, 0.2]), 1e-6
    unit = np.eye(4) * step
    differences = np.array([(function(theta + u) - function(theta - u)) / (2 * step) for u in unit])
    noise = directions(5, (4,), 0, 20_000, 4)
    estimate = es_gradient(noise, sample(function, theta, 0.02, noise), 0.02)
    cosine = estimate @ differences / np.linalg.norm(estimate) / np.linalg.norm(differences)
    assert cosine > 0.999


def test_perturbed_controllers_are_mirrored_pairs():
    theta = np.arange(3, dtype=np.float32)
    noise = directions(0, (5,), 0, 2, 3)
    both = perturbed(theta, 0.5, noise)
    assert both.dtype == np.float32
    np.testing.assert_allclose(both[0] + both[1], 2 * theta, atol=1e-6)
    np.testing.assert_allclose(both[2] - both[3], noise[1], atol=1e-6)


def test_adam_equals_the_algorithm_written_from_its_paper():
    settings = ESSettings(weight_decay=0.1, step_size=0.02)
    rng = np.random.default_rng(0)
    learner = Learner.fresh(rng.standard_normal(4), settings)
    theta, m, v, alpha = learner.theta.copy(), 0.0, 0.0, 0.02
    for t in range(1, 30):
        gradient = rng.standard_normal(4)
        learner = es_update(learner, gradient, settings)
        g = -(gradient - 0.1 * theta)  # the paper descends
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
        # The form with epsilon outside the bias correction, as in the paper's section 2.
        theta = theta - alpha * m_hat / (np.sqrt(v_hat) + 1e-8 / math.sqrt(1 - 0.999**t))
        alpha = max(alpha * 0.9999, 0.001)
        np.testing.assert_allclose(learner.theta, theta, rtol=1e-9)


def test_step_size_and_sigma_decay_to_their_floors_and_reset():
    settings = ESSettings()
    learner = Learner.fresh(np.zeros(2), settings)
    for _ in range(3000):
        learner = es_update(learner, np.zeros(2), settings)
    assert learner.sigma == 0.01
    assert learner.step_size == pytest.approx(0.01 * 0.9999**3000)
    fresh = Learner.fresh(learner.theta, settings)
    assert (fresh.sigma, fresh.step_size, fresh.updates) == (0.1, 0.01, 0)
    assert not fresh.first_moment.any()


def climb(function, theta, settings, steps):
    learner = Learner.fresh(theta, settings)
    for step in range(steps):
        noise = directions(9, (6, step), 0, settings.pairs, theta.size)
        returns = sample(function, learner.theta, learner.sigma, noise)
        learner = es_update(learner, es_gradient(noise, returns, learner.sigma), settings)
    return learner.theta


def test_optimiser_solves_the_sphere_to_a_hundredth():
    goal = np.linspace(-1, 1, 10)
    settings = ESSettings(
        pairs=32, sigma_decay=0.98, step_size=0.1, step_size_decay=0.98, sigma_floor=1e-3, weight_decay=0
    )
    found = climb(lambda theta: -((theta - goal) ** 2).sum(), np.zeros(10), settings, 400)
    assert np.abs(found - goal).max() < 0.01


def test_optimiser_solves_rosenbrocks_valley_to_a_tenth():
    def rosenbrock(theta):
        return -(100 * (theta[1] - theta[0] ** 2) ** 2 + (1 - theta[0]) ** 2)

    settings = ESSettings(
        pairs=32, sigma_decay=0.999, step_size=0.05, step_size_decay=0.999, sigma_floor=1e-3, weight_decay=0
    )
    found = climb(rosenbrock, np.array([-1.2, 1.0]), settings, 2000)
    assert np.abs(found - 1).max() < 0.1


def test_weight_decay_alone_shrinks_theta():
    settings = ESSettings(weight_decay=0.5)
    learner = es_update(Learner.fresh(np.array([1.0, -2.0]), settings), np.zeros(2), settings)
    assert (np.abs(learner.theta) < [1.0, 2.0]).all()


def test_proposal_leaves_the_learner_as_it_is_and_equals_its_next_step():
    learner = es_update(Learner.fresh(np.ones(3), STILL), np.array([1.0, -1.0, 0.5]), STILL)
    gradient = np.array([0.2, 0.4, -0.6])
    before = learner.theta.copy(), learner.first_moment.copy()
    proposal = es_proposal(learner, learner.theta, gradient, STILL)
    np.testing.assert_array_equal(proposal, es_update(learner, gradient, STILL).theta)
    np.testing.assert_array_equal((learner.theta, learner.first_moment), before)


def test_proposal_of_a_new_learner_is_a_plain_gradient_step_with_weight_decay():
    settings = ESSettings(weight_decay=0.5)
    learner = Learner.fresh(np.zeros(2), settings)
    proposal = es_proposal(learner, np.array([1.0, 1.0]), np.array([3.0, -0.5]), settings)
    np.testing.assert_allclose(proposal, [1 + 0.01 * (3.0 - 0.5), 1 + 0.01 * (-0.5 - 0.5)])


def test_settings_out_of_bounds_are_refused_by_name_value_and_range():
    with pytest.raises(ValueError, match=r"pairs is 0; it must be in \[1, 1000000\]"):
        ESSettings(pairs=0)
    with pytest.raises(ValueError, match=r"sigma_floor is 0.01; it must be at most sigma, 0.001"):
        ESSettings(sigma=0.001)
    with pytest.raises(ValueError, match=r"sigma_decay is 1.5; it must be in \[0, 1\]"):
        ESSettings(sigma_decay=1.5)
