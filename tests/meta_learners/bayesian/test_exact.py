"""The Bayesian learners against what can be computed exactly: linear networks, normal likelihoods, quadratics."""

import math

import pytest
import torch

from meta_learners.bayesian.abml import ABML, ABMLSettings, bound
from meta_learners.bayesian.adapting import PACE, Likelihood
from meta_learners.bayesian.bmaml import BMAML, NOISE, NOISE_PACE, WEIGHTS, BMAMLSettings, stein_direction
from meta_learners.bayesian.llama import Llama, LlamaSettings, implied_precision, trace
from meta_learners.bayesian.mixture import responsibilities
from meta_learners.bayesian.neural_processes import divergence
from meta_learners.bayesian.normal import divergence_of, drawn
from meta_learners.bayesian.platipus import Platipus, PlatipusSettings
from meta_learners.bayesian.statistician import set_bound, some_of
from meta_learners.episodes import Examples, TaskBatch
from meta_learners.few_shot_contracts import Lines
from meta_learners.networks.policies import Network
from meta_learners.registry import make_few_shot

NORMAL = torch.distributions.Normal
MANY = torch.distributions.MultivariateNormal


def linear(inputs=2, outputs=1):
    return Likelihood(Network((inputs, outputs), activation="relu"), None)


def examples(tasks=1, count=5, inputs=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(tasks, count, inputs, generator=generator)
    return Examples(x, x.sum(-1, keepdim=True) + 0.3 * torch.randn(tasks, count, 1, generator=generator))


def design(of, task=0):
    """Inputs with a 1 behind them, as double."""
    return torch.cat([of.inputs[task], torch.ones(of.inputs.shape[1], 1)], -1).double()


def test_laplaces_value_by_llamas_mode_and_precisions_is_the_log_evidence_where_all_is_linear_and_normal():
    """The prior is the one that the steps imply, about the start."""
    noise, steps, rate = 0.3, 6, 0.05
    settings = LlamaSettings(hidden=(), inner_steps=steps, inner_rate=rate, noise=noise, inner_norm=1e9)
    system, batch = Llama(linear(1), settings), Lines().draw(1, "train", (0,))
    meta = system.initial(torch.Generator().manual_seed(0))
    adapted = system._adapted(meta, batch)
    log_noise = system._likelihood.noise(meta)
    ((precisions, directions, _),) = system._precisions(adapted, batch.support, log_noise, values_only=False)
    x, y = design(batch.support), batch.support.targets[0, :, 0].double()
    directions = directions[0].double()
    implied = precisions[0, :, 0].double() - (directions.T @ (x.T @ x / noise**2) @ directions).diagonal()
    start, mode = (
        directions.T @ torch.cat([of["layer0.weight"].flatten(), of["layer0.bias"].flatten()]).double()
        for of in (meta, adapted)
    )
    likelihood = system._likelihood.log(adapted, batch.support, log_noise)[0].double()
    prior = NORMAL(start, implied**-0.5).log_prob(mode).sum()
    value = likelihood + prior - 0.5 * precisions.double().log().sum() + 0.5 * len(mode) * math.log(2 * math.pi)
    placed = x @ directions
    covariance = placed @ torch.diag(1 / implied) @ placed.T + noise**2 * torch.eye(len(y)).double()
    assert value.item() == pytest.approx(MANY(placed @ start, covariance).log_prob(y).item(), abs=1e-3)


@pytest.mark.parametrize("steps", [1, 4, 50])
def test_steps_from_a_start_end_at_the_mode_under_the_prior_that_they_imply(steps):
    curvature, rate, start, best = torch.tensor([0.0, 0.1, 1.0, 1.9]).double(), 0.3, 2.0, -1.0
    point = torch.full((4,), start).double()
    for _ in range(steps):
        point = point - rate * curvature * (point - best)
    prior = implied_precision(curvature, rate, steps)
    assert (curvature * best + prior * start) / (curvature + prior) == pytest.approx(point, abs=1e-5)
    assert prior[0].item() == pytest.approx(1 / (rate * steps), rel=1e-4)


def test_the_slopes_and_inputs_of_layers_are_those_of_autograd():
    network = Network((2, 4, 3), activation="relu")
    shared = network.initial(torch.Generator().manual_seed(0))
    stacked = {name: each[None] for name, each in shared.items()}
    inputs = torch.randn(1, 5, 2, generator=torch.Generator().manual_seed(1))
    told, layers = trace(network, stacked, inputs)
    assert torch.allclose(told, network(stacked, inputs))
    for number, (seen, slopes) in enumerate(layers):
        jacobian = torch.autograd.functional.jacobian(
            lambda weight, name=f"layer{number}.weight": network({**stacked, name: weight}, inputs),
            stacked[f"layer{number}.weight"],
        )[0, :, :, 0]  # (B, o, i, units)
        assert torch.allclose(jacobian, torch.einsum("bi,bou->boiu", seen[0, :, :-1], slopes[0]), atol=1e-5)


def test_llama_is_exact_bayesian_regression_where_the_network_is_linear():
    """By the mode after the steps, and the deviation under the prior that the steps imply."""
    settings = LlamaSettings(hidden=(), inner_steps=7, inner_rate=0.05, noise=0.3)
    system, batch = Llama(linear(1), settings), Lines().draw(3, "train", (0,))
    meta = system.initial(torch.Generator().manual_seed(0))
    found = system.predict(meta, batch, torch.Generator())
    for task in range(3):
        x, asked = design(batch.support, task), design(batch.query, task)
        values, directions = torch.linalg.eigh(x.T @ x / 0.3**2)
        count = len(x)
        prior = implied_precision(values, 0.05 * 2 * 0.3**2 / count, 7)
        start = torch.cat([meta["layer0.weight"][:, 0], meta["layer0.bias"]]).double()
        pulled = directions.T @ (x.T @ batch.support.targets[task, :, 0].double() / 0.3**2)
        mode = directions @ ((pulled + prior * (directions.T @ start)) / (values + prior))
        assert found.means[0, task, :, 0].double() == pytest.approx(asked @ mode, abs=1e-4)
        variance = ((asked @ directions).square() / (values + prior)).sum(1) + 0.3**2
        assert found.deviations[0, task, :, 0].double() == pytest.approx(variance.sqrt(), rel=1e-3)


def test_llamas_loss_where_the_network_is_linear_is_the_one_written_by_hand():
    """The queries' cost at the mode, and eta/2 log det of the precision there, by value and by slope."""
    rate, steps, weight = 0.05, 3, 0.7
    settings = LlamaSettings(hidden=(), inner_steps=steps, inner_rate=rate, noise=0.3, weight=weight, inner_norm=1e9)
    system, batch = Llama(linear(1), settings), Lines().draw(3, "train", (0,))
    meta = system.initial(torch.Generator().manual_seed(0))
    found = system.step(meta, batch, torch.Generator())
    leaves = {name: each.double().requires_grad_() for name, each in meta.items()}
    start, spread = torch.cat([leaves["layer0.weight"][:, 0], leaves["layer0.bias"]]), (PACE * leaves["noise"]).exp()
    costs = []
    for task in range(3):
        x, asked = design(batch.support, task), design(batch.query, task)
        y, wanted = (each.targets[task, :, 0].double() for each in (batch.support, batch.query))
        mode = start
        for _ in range(steps):
            mode = mode - rate * 2 / len(x) * x.T @ (x @ mode - y)
        bend = x.T @ x
        left = torch.linalg.matrix_power(torch.eye(2).double() - rate * 2 / len(x) * bend, steps)
        prior = bend @ left @ torch.linalg.inv(torch.eye(2).double() - left)
        log_determinant = torch.logdet((bend + prior) / spread**2)
        cost = -NORMAL(asked @ mode, spread).log_prob(wanted).sum() + 0.5 * weight * log_determinant
        costs.append(cost / len(asked))
    loss = torch.stack(costs).mean()
    assert found.loss.item() == pytest.approx(loss.item(), rel=1e-4)
    slopes = torch.autograd.grad(loss, list(leaves.values()))
    for name, slope in zip(leaves, slopes, strict=True):
        assert torch.allclose(found.gradient[name].double(), slope, rtol=1e-3, atol=1e-4), name


@pytest.mark.parametrize("name", ["platipus", "llama", "mixture"])
def test_without_its_uncertainty_a_learner_is_maml(name):
    batch, shared = Lines().draw(4, "train", (0,)), {"hidden": [8], "inner_steps": 2}
    settings = {
        "platipus": {"spread": 1e-12, "query_spread": 1e-12, "belief_rate": 1e-12, "draws": 1, "weight": 0.0},
        "llama": {"weight": 0.0},
        "mixture": {"starts": 1, "first": 1},
    }[name]
    learner = make_few_shot(name, Lines(), {**shared, **settings, "inner_norm": 1e9, "largest_norm": 1e9})
    maml, first_order = (make_few_shot(each, Lines(), shared) for each in ("maml", "fomaml"))
    for place, each in maml.start.items():
        one = learner.meta.get(place, learner.meta.get(f"mean.{place}", learner.meta.get(f"start.{place}")))
        each.copy_(one.reshape(each.shape))
        first_order.start[place].copy_(each)
    assert torch.allclose(learner.predict(batch, (0,)).mean, maml.predict(batch, (0,)).mean, atol=1e-6)
    for number in range(3):
        step = Lines().draw(4, "train", (number,))
        for each in (learner, maml, first_order):
            each.meta_step(step, (number,))
    # Both descend multiples of one loss by Adam, which takes no notice of the scale.
    found, wanted, other = (each.predict(batch, (0,)).mean for each in (learner, maml, first_order))
    assert torch.allclose(found, wanted, rtol=0, atol=3e-5)
    assert not torch.allclose(other, wanted, rtol=0, atol=3e-4)  # so second derivatives are seen


def test_platipuss_predictions_are_normal_with_the_variance_that_its_start_has_after_a_linear_step():
    settings = PlatipusSettings(hidden=(), inner_steps=1, inner_rate=0.1, draws=1000, spread=0.5, inner_norm=1e9)
    system, batch = Platipus(linear(1), settings), Lines().draw(2, "train", (0,))
    meta = system.initial(torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = system.predict(meta, batch, torch.Generator().manual_seed(1))
    for task in range(2):
        x, asked = design(batch.support, task), design(batch.query, task)
        moved = torch.eye(2).double() - 0.1 * 2 / len(x) * x.T @ x  # of the start, by one step
        jacobian = asked @ moved
        variance = 0.5**2 * jacobian.square().sum(1)
        assert found.means[:, task, :, 0].double().var(0) == pytest.approx(variance, rel=0.15)


def test_divergences_and_draws_are_those_of_normal_distributions():
    generator = torch.Generator().manual_seed(0)
    one, other = (
        ({"a": torch.randn(2, 3, generator=generator)}, {"a": torch.randn(2, 3, generator=generator)}) for _ in range(2)
    )
    wanted = torch.distributions.kl_divergence(
        NORMAL(one[0]["a"], one[1]["a"].exp()), NORMAL(other[0]["a"], other[1]["a"].exp())
    )
    assert torch.allclose(divergence_of(one, other), wanted.sum(1), atol=1e-5)
    found = drawn(one, 20_000, generator)["a"].reshape(20_000, 2, 3)
    assert torch.allclose(found.mean(0), one[0]["a"], atol=0.1)
    assert torch.allclose(found.std(0), one[1]["a"].exp(), rtol=0.05)


def test_abmls_bound_is_least_at_the_posteriors_precision_where_inputs_are_orthogonal():
    """Two inputs of four examples each, at right angles: the optimum's precision is 1 / spread^2 + n / noise^2."""
    x = torch.tensor([[[1.0, 1], [1, -1], [1, 1], [1, -1]]])
    of, spread, noise = Examples(x, x.sum(-1, keepdim=True)), 0.7, 0.4
    likelihood = linear()
    names = {"layer0.weight": (1, 2, 1), "layer0.bias": (1, 1)}
    prior = (
        {n: torch.zeros(s) for n, s in names.items()},
        {n: torch.full(s, math.log(spread)) for n, s in names.items()},
    )
    best = 1 / spread**2 + 4 / noise**2
    mean = {"layer0.weight": torch.full((1, 2, 1), 4 / noise**2 / best), "layer0.bias": torch.zeros(1, 1)}
    # Drawn at plus and minus one deviation of each number by turns, all eight: expectations of squares are exact.
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3)

    def cost(log_spread):
        wide = {n: log_spread.expand(s) for n, s in names.items()}
        parameters = {
            "layer0.weight": mean["layer0.weight"] + signs[:, :2, None] * log_spread.exp(),
            "layer0.bias": mean["layer0.bias"] + signs[:, 2:] * log_spread.exp(),
        }
        return bound(likelihood, (mean, wide), prior, of, torch.tensor(math.log(noise)), parameters).sum()

    at = torch.tensor(-0.5 * math.log(best)).requires_grad_()
    (slope,) = torch.autograd.grad(cost(at), at)
    assert slope.item() == pytest.approx(0, abs=1e-3)
    assert cost(at) < min(cost(at - 0.1), cost(at + 0.1))


def test_abml_infers_the_posterior_of_a_linear_network_when_it_takes_enough_steps():
    settings = ABMLSettings(hidden=(), inner_steps=150, inner_rate=0.44, inner_draws=8, spread=0.7, inner_norm=1e9)
    system, of = ABML(linear(), settings), examples(count=8)
    meta = {
        name: 0 * each if name.startswith("mean.") else each for name, each in system.initial(torch.Generator()).items()
    }
    with torch.no_grad():
        mean, spread = system.inferred(
            system._prior(meta, 1), of, PACE * meta["noise"], torch.Generator().manual_seed(0)
        )
    x = design(of)
    precision = x.T @ x / 0.3**2 + torch.eye(3).double() / 0.7**2
    wanted = torch.linalg.solve(precision, x.T @ of.targets[0, :, 0].double() / 0.3**2)
    reached = torch.cat([mean["layer0.weight"][0, :, 0], mean["layer0.bias"][0]]).detach().double()
    assert reached == pytest.approx(wanted, abs=0.1)
    # Independent normal distributions have the precisions on the diagonal.
    found = torch.cat([spread["layer0.weight"][0, :, 0], spread["layer0.bias"][0]]).detach().double().exp()
    assert found == pytest.approx(precision.diagonal() ** -0.5, rel=0.25)


def test_one_particle_climbs_its_log_posterior():
    system = BMAML(linear(), BMAMLSettings(hidden=(), particles=1, inner_rate=0.03, noise=0.3))
    meta, of = system.initial(torch.Generator().manual_seed(0)), examples()
    particles = system._particles(meta, 1)
    found = system.followed(particles, of, 1)

    def log_posterior(weight, bias, noise, weights):
        told = of.inputs[0] @ weight + bias
        likelihood = NORMAL(told, (-0.5 * noise).exp()).log_prob(of.targets[0]).sum()
        prior = NORMAL(0.0, (-0.5 * weights).exp())
        gamma = [
            torch.distributions.Gamma(2.0, rate).log_prob(each.exp()) + each
            for each, rate in ((noise, 0.2), (weights, 2.0))
        ]
        return likelihood + prior.log_prob(weight).sum() + prior.log_prob(bias).sum() + sum(gamma)

    rate = 0.03 * 2 / (5 / 0.3**2)  # of five examples, in units of the noise's variance
    names = ("layer0.weight", "layer0.bias", NOISE, WEIGHTS)
    leaves = [particles[name][0, 0].clone().requires_grad_() for name in names]
    slopes = torch.autograd.grad(log_posterior(*leaves), leaves)
    for name, leaf, slope in zip(names, leaves, slopes, strict=True):
        assert torch.allclose(found[name][0, 0], leaf.detach() + rate * slope, atol=1e-6)


def test_particles_begin_with_one_noise_which_only_what_queries_cost_moves():
    """With a noise each, those far off took small steps and stayed there; the chaser loss would move it as well."""
    system = BMAML(linear(), BMAMLSettings(hidden=(), particles=3, inner_rate=0.03, inner_steps=4))
    meta, of = system.initial(torch.Generator().manual_seed(0)), TaskBatch(examples(2), examples(2, seed=1))
    starts = system._particles(meta, 2)
    assert starts[NOISE].shape == (2, 3)
    assert (starts[NOISE] == starts[NOISE][0, 0]).all()

    followers = {name: each.detach() for name, each in system.followed(starts, of.support, 4).items()}
    start = meta[NOISE].clone().requires_grad_()
    costs = []
    for task in range(2):
        told = [
            NORMAL(
                of.query.inputs[task] @ followers["layer0.weight"][task, each] + followers["layer0.bias"][task, each],
                (-0.5 * (followers[NOISE][task, each] + NOISE_PACE * (start - start.detach()))).exp(),
            ).log_prob(of.query.targets[task])
            for each in range(3)
        ]
        costs.append(-(torch.stack(told).logsumexp(0) - math.log(3)).mean())
    (wanted,) = torch.autograd.grad(torch.stack(costs).mean(), start)
    found = system.step(meta, of, torch.Generator().manual_seed(0)).gradient
    assert found[NOISE].item() == pytest.approx(wanted.item(), rel=1e-4)


def test_of_many_weights_their_precision_takes_no_step_beyond_its_rest():
    """Its slope is half of each weight's: by the weights' own rate it left for exp(30), and pulled all weights away."""
    network = Network((2, 60, 60, 3), activation="relu")
    system = BMAML(Likelihood(network, 3), BMAMLSettings(particles=2, inner_rate=0.02))
    meta, of = system.initial(torch.Generator().manual_seed(0)), examples()
    sorted_ = Examples(of.inputs, (of.targets[..., 0] > 0).long())
    particles = system.followed({name: each[None] for name, each in meta.items()}, sorted_, 4)
    weights = torch.cat([each.flatten(2) for name, each in particles.items() if each.dim() > 2], -1)
    rest = (weights.shape[-1] / weights.square().sum(-1)).log()
    assert ((particles[WEIGHTS] > 0) & (particles[WEIGHTS] < rest + 0.1)).all()


@pytest.mark.parametrize("name", ["llama", "platipus", "abml", "bmaml", "mixture"])
def test_the_noise_comes_up_to_what_a_learner_errs_by_within_few_meta_steps(name):
    """Targets are of deviation 2, and nothing tells them: noise that stayed at .1 would leave intervals of .1."""
    learner = make_few_shot(name, Lines(), {"hidden": [4], "noise": 0.1, "step_size": 0.04, "inner_steps": 1})
    for number in range(18):
        batch = Lines().draw(4, "train", (number,))
        noise = 2 * torch.randn(batch.query.targets.shape, generator=torch.Generator().manual_seed(number))
        query = Examples(batch.query.inputs, noise)
        support = Examples(batch.support.inputs, noise[:, : batch.support.inputs.shape[1]].flip(0))
        learner.meta_step(TaskBatch(support, query), (number,))
    told = learner.predict(Lines().draw(4, "train", (99,)), (0,)).deviations
    assert 1 < told.median().item() < 4


def test_the_mean_of_particles_goes_to_that_of_a_normal_posterior_and_their_spread_to_its_own():
    generator = torch.Generator().manual_seed(0)
    mean, deviation = torch.tensor([1.0, -2.0]), torch.tensor([1.0, 0.5])
    particles = torch.randn(1, 40, 2, generator=generator)
    for _ in range(2000):
        particles = particles + 0.05 * stein_direction(particles, -(particles - mean) / deviation**2)
    assert torch.allclose(particles.mean(1)[0], mean, atol=0.02)
    # Stein's method with few particles and one width is known to spread too little.
    assert (particles.std(1)[0] / deviation).tolist() == pytest.approx([1, 1], abs=0.35)


def test_responsibilities_are_those_of_expectation_maximisation():
    x = torch.tensor([-1.0, 0.3, 2.0]).double()
    components = [(0.25, NORMAL(-1.0, 0.5)), (0.75, NORMAL(1.0, 1.0))]
    told = torch.stack([each.log_prob(x) for _, each in components])
    found = responsibilities(told, torch.tensor([share for share, _ in components]).log())
    joint = torch.stack([share * each.log_prob(x).exp() for share, each in components])
    assert torch.allclose(found, joint / joint.sum(0))


def test_of_every_set_from_one_to_all_of_its_items_are_kept():
    members = torch.nn.functional.one_hot(torch.tensor([0, 1, 0, 0, 1, 2]), 3).float().repeat(500, 1, 1)
    kept = some_of(members, torch.Generator().manual_seed(0))
    assert (kept <= members).all()
    for place, size in enumerate((3, 2, 1)):
        found = kept.sum(1)[:, place].unique(return_counts=True)
        assert found[0].tolist() == list(range(1, size + 1))
        assert (found[1] > 100).all()
    assert (kept.sum(0)[[0, 2, 3], 0] > 250).all()  # whichever they are


def test_the_bound_of_a_set_is_its_log_evidence_at_the_conjugate_posterior_and_less_elsewhere():
    """Items are normal about c, of deviation .6, and c about 0, of deviation 1; there is no z."""
    x, deviation = torch.tensor([[0.4, 1.1, -0.2, 0.9]]), 0.6
    count = x.shape[1]
    precision = 1 + count / deviation**2
    best = x.sum(1, keepdim=True) / deviation**2 / precision

    def value(mean, spread):
        expected = NORMAL(mean, deviation).log_prob(x) - 0.5 * (spread / deviation) ** 2
        gap = divergence((mean[..., None], torch.full((1, 1, 1), spread)), (torch.zeros(1, 1, 1), torch.ones(1, 1, 1)))
        return set_bound(expected, torch.zeros_like(x), gap, torch.ones(1, count, 1)).item()

    evidence = (
        MANY(torch.zeros(count), torch.ones(count, count) + deviation**2 * torch.eye(count)).log_prob(x[0]).item()
    )
    assert value(best, precision**-0.5) == pytest.approx(evidence, abs=1e-4)
    assert value(best + 0.2, precision**-0.5) < evidence - 0.1
    assert value(best, 2 * precision**-0.5) < evidence - 0.1
