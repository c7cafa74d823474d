"""PPO's gradient steps in C++: against torch in double precision, finite differences, and each other's bits."""

import math
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from environments.controller import ACTIVATIONS, Controller
from evolution import proximal
from evolution.optimisers.ppo_learning import BETA1, BETA2, Learning, Shapes, forward, gradient, log_probability

POLICY, CRITIC = Controller((6, 9, 17, 3), "tanh", "none"), (7, 5)
KERNELS = [name for name, _, runs in proximal.core.kernels() if runs] if proximal.problem() is None else []
# Where products are fused there is one rounding fewer, whatever the width of a row.
FUSED = [name for name in KERNELS if name != "plain"]
pytestmark = pytest.mark.skipif(proximal.problem() is not None, reason=str(proximal.problem()))
LEARNING = Learning(
    discount=0.99,
    trace=0.95,
    clip=0.2,
    entropy=0.02,
    epochs=3,
    minibatches=4,
    step_size=3e-3,
    largest_norm=0.4,
    least_deviation=0.3,
    reward_scale=1.0,
    least_reward=-10.0,
    whiten=False,
)


class Problem:
    """A learner with n steps to learn from, some of whose ratios are clipped."""

    def __init__(self, policy=POLICY, n=150, seed=0, weighted=False):
        rng = np.random.default_rng(seed)
        self.shapes = Shapes(policy, Controller((policy.sizes[0], *CRITIC, 1), "tanh", "none"))
        actions, shapes = policy.sizes[-1], self.shapes
        networks = [each.initial_theta(rng, 0.4) for each in (policy, shapes.critic)]
        self.parameters = np.concatenate([*networks, rng.normal(-0.4, 0.2, actions)]).astype(np.float32)
        observations = rng.standard_normal((n, policy.sizes[0])).astype(np.float32)
        with torch.no_grad():
            means = shapes.mean(torch.from_numpy(self.parameters), torch.from_numpy(observations)).numpy()
        chosen = (means + 0.7 * rng.standard_normal(means.shape)).astype(np.float32)
        known = log_probability(*map(torch.from_numpy, (means, self.parameters[-actions:], chosen))).numpy()
        known += rng.normal(0, 0.3, n).astype(np.float32)
        gains, targets = rng.standard_normal((2, n)).astype(np.float32)
        weights = (rng.random(n) < 0.8).astype(np.float32) if weighted else None
        self.steps = proximal.Steps(
            observations=observations,
            actions=chosen,
            log_probabilities=known,
            gains=gains,
            targets=targets,
            weights=weights,
        )
        self.order = np.stack([rng.permutation(n) for _ in range(LEARNING.epochs)])
        self.batch = -(-n // LEARNING.minibatches)
        self.groups = ((0, shapes.policy), (shapes.policy, shapes.values.stop))

    def descend(self, kernel="", **options):
        learner = proximal.Learner(self.parameters.copy(), *np.zeros((2, len(self.parameters)), dtype=np.float32), 0)
        return learner, self.go_on(learner, self.order, kernel, **options)

    def go_on(self, learner, orders, kernel="", **options):
        shapes, how = self.shapes, replace(self.how(), **options)
        told = [
            proximal.descend(
                shapes.controller, shapes.critic, learner, self.steps, each, self.batch, how, kernel=kernel
            )
            for each in orders
        ]
        return np.mean(told, axis=0)

    def how(self):
        return proximal.Descent(
            clip=LEARNING.clip,
            step_size=LEARNING.step_size,
            entropy=LEARNING.entropy,
            epsilon=1e-5,
            largest_norm=LEARNING.largest_norm,
            groups=self.groups,
            least_log_deviation=math.log(LEARNING.least_deviation),
        )

    def by_torch(self):
        """The same in torch and double precision: autograd, and its own Adam and norms."""
        parameters = torch.from_numpy(self.parameters).double()
        names = ("observations", "actions", "log_probabilities", "gains", "targets")
        batch = {name: torch.from_numpy(getattr(self.steps, name)).double() for name in names}
        optimiser, told = torch.optim.Adam([parameters], LEARNING.step_size, (BETA1, BETA2), eps=1e-5), []
        for epoch in torch.from_numpy(self.order):
            for part in epoch.split(self.batch):
                rows = part if self.steps.weights is None else part[torch.from_numpy(self.steps.weights)[part] > 0]
                chosen = {name: each[rows] for name, each in batch.items()}
                found, figures = gradient(parameters, chosen, self.shapes, LEARNING)
                norms = []
                for start, stop in self.groups:
                    norms.append(torch.linalg.vector_norm(found[start:stop]))
                    found[start:stop] *= min(1.0, LEARNING.largest_norm / (norms[-1] + 1e-6))
                parameters.grad = found
                optimiser.step()
                parameters[self.shapes.values.stop :].clamp_(min=math.log(LEARNING.least_deviation))
                told.append(torch.stack([*figures, *norms]))
        state = optimiser.state[parameters]
        return parameters, state["exp_avg"], state["exp_avg_sq"], torch.stack(told).mean(0)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("weighted", [False, True])
def test_descents_are_torchs_in_double_precision(kernel, weighted):
    problem = Problem(weighted=weighted)
    adam, told = problem.descend(kernel)
    *wanted, figures = problem.by_torch()
    assert 0.1 < figures[4] < 0.9  # the share clipped: both sides of the surrogate are taken
    assert all(norm > LEARNING.largest_norm for norm in figures[5:])
    for found, exact in zip((adam.parameters, adam.first, adam.second), wanted, strict=True):
        np.testing.assert_allclose(found, exact.numpy(), rtol=2e-4, atol=2e-6)
    np.testing.assert_allclose(told, figures.numpy(), rtol=1e-4, atol=1e-6)
    assert adam.updates == LEARNING.epochs * LEARNING.minibatches


@pytest.mark.parametrize(("hidden", "output"), [(name, "tanh") for name in ACTIVATIONS] + [("tanh", "none")])
def test_every_activation_and_its_slope_are_torchs(hidden, output):
    problem = Problem(Controller((5, 8, 3, 2), hidden, output))
    adam, _ = problem.descend()
    exact, *_ = problem.by_torch()
    np.testing.assert_allclose(adam.parameters, exact.numpy(), rtol=2e-4, atol=3e-6)


@pytest.mark.parametrize(("hidden", "output"), [(name, "tanh") for name in ACTIVATIONS] + [("relu", "none")])
@pytest.mark.parametrize("rows", [1, 64, 65, 200])
def test_forward_is_torchs_to_rounding_and_far_out(hidden, output, rows):
    network = Controller((6, 33, 16, 2), hidden, output)
    theta = network.initial_theta(np.random.default_rng(1), 0.5).astype(np.float32)
    inputs = 5 * np.random.default_rng(2).standard_normal((rows, 6)).astype(np.float32)
    inputs[0] *= 1e4
    wanted = forward(network, torch.from_numpy(theta).double(), torch.from_numpy(inputs).double()).numpy()
    for kernel in KERNELS:
        found = proximal.core.forward(proximal._named(network), theta, inputs, kernel)
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)


def test_a_row_does_not_depend_on_what_it_is_evaluated_with():
    network = Controller((6, 33, 16, 2))
    theta = network.initial_theta(np.random.default_rng(1), 0.5).astype(np.float32)
    inputs = np.random.default_rng(2).standard_normal((150, 6)).astype(np.float32)
    together = proximal.forward(network, theta, inputs)
    alone = np.concatenate([proximal.forward(network, theta, inputs[row : row + 1]) for row in range(150)])
    assert together.tobytes() == alone.tobytes()


@pytest.mark.skipif(len(FUSED) < 2, reason="this processor runs one kernel with fused products alone")
@pytest.mark.parametrize("weighted", [False, True])
def test_kernels_with_fused_products_agree_to_the_last_bit(weighted):
    problem = Problem(Controller((24, 40, 41, 4)), n=777, weighted=weighted)
    (first, told), *others = [problem.descend(kernel) for kernel in FUSED]
    for adam, figures in others:
        for name in ("parameters", "first", "second"):
            assert getattr(adam, name).tobytes() == getattr(first, name).tobytes()
        assert figures.tobytes() == told.tobytes()


@pytest.mark.parametrize("part", ["observations", "actions", "log_probabilities", "gains", "targets"])
def test_numbers_that_break_down_are_told(part):
    problem = Problem()
    getattr(problem.steps, part)[11] = np.nan
    _, told = problem.descend()
    assert not np.isfinite(told).all()


def test_deviations_stay_above_the_least_and_rise_with_entropy():
    problem = Problem()
    low = problem.descend(step_size=0.1, entropy=-5.0)[0].parameters[-3:]
    np.testing.assert_array_equal(low, np.float32(math.log(LEARNING.least_deviation)))
    high = problem.descend(step_size=0.1, entropy=50.0)[0].parameters[-3:]
    assert (high > problem.parameters[-3:] + 0.5).all()


@pytest.mark.parametrize(
    ("part", "change", "told"),
    [
        (
            "actions",
            lambda a: a[:, :2],
            r"actions is float32 \(150, 2\), not contiguous; it must be float32 \(150, 3\)",
        ),
        ("observations", lambda a: a.copy()[:, :2].copy(), r"observations is float32 \(150, 2\); it must be"),
        ("gains", lambda a: a[:-1], r"gains is float32 \(149,\); it must be float32 \(150,\), contiguous"),
        ("targets", lambda a: a.astype(float), r"targets is float64 \(150,\); it must be float32"),
        ("weights", lambda a: np.ones(3, dtype=np.float32), r"weights is float32 \(3,\); it must be float32 \(150,\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(part, change, told):
    problem = Problem()
    arrays = {name: getattr(problem.steps, name) for name in problem.steps.__slots__}
    problem.steps = proximal.Steps(**{**arrays, part: change(arrays[part])})
    with pytest.raises(ValueError, match=told):
        problem.descend()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda problem: problem.order.__setitem__((1, 3), 150), "order names row 150; there are 150"),
        (lambda problem: problem.order.__setitem__((1, 3), -1), "order names row -1; there are 150"),
        (
            lambda problem: setattr(problem, "order", problem.order[:, :0]),
            "order has 0 rows and batch is 38; both must",
        ),
        (lambda problem: setattr(problem, "order", problem.order.astype(float)), "order is float64"),
        (lambda problem: setattr(problem, "groups", ((0, 10**6),)), "they must lie within the"),
        (lambda problem: setattr(problem, "batch", -1), "batch is -1; both must be 1 or more"),
        (lambda problem: setattr(problem, "parameters", problem.parameters[1:]), "parameters is float32"),
        # A copy would be improved, and these left as they are.
        (lambda problem: setattr(problem, "parameters", problem.parameters.astype(float)), "parameters is float64"),
    ],
)
def test_what_would_read_beyond_the_arrays_or_learn_in_a_copy_is_refused(change, told):
    problem = Problem()
    change(problem)
    with pytest.raises(ValueError, match=told):
        problem.descend()


def test_moments_that_are_not_contiguous_are_refused():
    problem = Problem()
    learner, _ = problem.descend()
    learner.first = np.zeros((len(learner.first), 2), dtype=np.float32)[:, 0]
    with pytest.raises(ValueError, match=r"first is float32 .*, not contiguous"):
        problem.go_on(learner, problem.order)


def test_a_batch_of_which_nothing_counts_moves_nothing_by_itself():
    problem = Problem(weighted=True)
    problem.steps.weights[:] = 0
    learner, told = problem.descend(entropy=5.0)
    assert learner.parameters.tobytes() == problem.parameters.tobytes()
    np.testing.assert_array_equal(told, 0)


def test_a_kernel_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="kernel is 'abacus'; this build has "):
        Problem().descend("abacus")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not on the path")
def test_the_core_is_sound_under_the_sanitisers(tmp_path):
    source = Path(proximal.__file__).parent
    subprocess.run(["cmake", "-S", source, "-B", tmp_path, "-DPROXIMAL_SELFTEST=ON"], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", tmp_path], check=True, capture_output=True)
    done = subprocess.run([tmp_path / "proximal_selftest"], capture_output=True, text=True, check=False)
    assert done.stdout == "the core is sound\n", done.stdout + done.stderr
