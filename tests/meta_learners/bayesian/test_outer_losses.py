"""What the Bayesian learners descend, against the formulas of their papers written out a task at a time."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from meta_learners.bayesian.abml import ABML, ABMLSettings, hyperprior
from meta_learners.bayesian.adapting import PACE, Likelihood
from meta_learners.bayesian.bmaml import BMAML, NOISE, NOISE_PACE, WEIGHTS, BMAMLSettings, stein_direction
from meta_learners.bayesian.mixture import COUNTS, Mixture, MixtureSettings
from meta_learners.bayesian.neural_processes import NeuralProcess, ProcessSettings
from meta_learners.bayesian.platipus import Platipus, PlatipusSettings
from meta_learners.bayesian.statistician import Statistician, StatisticianSettings, some_of
from meta_learners.few_shot_contracts import Blobs, Lines
from meta_learners.networks.policies import Network

NORMAL, TASKS = torch.distributions.Normal, 3
KL = torch.distributions.kl_divergence


def lines():
    batch = Lines().draw(TASKS, "train", (0,))
    halves = (
        replace(each, inputs=each.inputs.double(), targets=each.targets.double())
        for each in (batch.support, batch.query)
    )
    return replace(batch, **dict(zip(("support", "query"), halves, strict=True)))


def line():
    """A likelihood of numbers by a line: two parameters."""
    return Likelihood(Network((1, 1), activation="relu"), None)


def of_task(examples, task):
    """Inputs with a 1 behind them, and targets."""
    x = examples.inputs[task]
    return torch.cat([x, torch.ones_like(x)], 1), examples.targets[task, :, 0]


def leaves_of(meta):
    return {name: each.double().requires_grad_() for name, each in meta.items() if not name.startswith("kept.")}


def weights(meta, prefix=""):
    """Slope and intercept side by side."""
    return torch.cat([meta[f"{prefix}layer0.weight"].flatten(-2), meta[f"{prefix}layer0.bias"]], -1)


def noises(generator, draws):
    """What is drawn for each draw and task: (S, M, 2)."""
    weight, bias = (torch.randn(draws, TASKS, *shape, generator=generator).double() for shape in ((1, 1), (1,)))
    return torch.cat([weight.flatten(2), bias], -1)


def slope_of_mean_square(at, x, y):
    return 2 / len(y) * x.T @ (x @ at - y)


def agree(found, loss, leaves):
    """The loss, and its slopes by all that is learned, are those written by hand."""
    assert found.loss.item() == pytest.approx(loss.item(), rel=1e-7)
    for name, slope in zip(leaves, torch.autograd.grad(loss, list(leaves.values()), allow_unused=True), strict=True):
        if slope is not None:
            assert torch.allclose(found.gradient[name], slope, rtol=1e-6, atol=1e-8), name


def test_platipus_draws_its_start_by_the_query_and_pays_for_what_the_support_did_not_tell():
    """Algorithm 1: the prior stands a step of the support's loss away, the posterior one of the query's."""
    settings = PlatipusSettings(
        hidden=(), inner_steps=2, inner_rate=0.05, inner_norm=1e9, spread=0.2, query_spread=0.05, weight=0.7
    )
    system, batch = Platipus(line(), replace(settings, belief_rate=0.1)), lines()
    meta = {name: each.double() for name, each in system.initial(torch.Generator().manual_seed(0)).items()}
    found = system.step(meta, batch, torch.Generator().manual_seed(1))
    leaves, chance = leaves_of(meta), noises(torch.Generator().manual_seed(1), 1)[0]
    mean, noise, costs = weights(leaves, "mean."), (PACE * leaves["noise"]).exp(), []
    wide, narrow = (weights(leaves, f"spread.{by}.").exp() for by in ("prior", "query"))
    for task in range(TASKS):
        known, asked = of_task(batch.support, task), of_task(batch.query, task)
        prior = NORMAL(mean - leaves["rate.prior"].exp() * slope_of_mean_square(mean, *known), wide)
        posterior = NORMAL(mean - leaves["rate.query"].exp() * slope_of_mean_square(mean, *asked), narrow)
        at = posterior.mean + posterior.stddev * chance[task]
        for _ in range(2):
            at = at - 0.05 * slope_of_mean_square(at, *known)
        cost = -NORMAL(asked[0] @ at, noise).log_prob(asked[1]).sum() + 0.7 * KL(posterior, prior).sum()
        costs.append(cost / len(asked[1]))
    agree(found, torch.stack(costs).mean(), leaves)


def test_abml_descends_the_bound_of_the_queries_by_what_it_inferred_and_its_hyperprior():
    settings = ABMLSettings(
        hidden=(),
        inner_steps=1,
        inner_rate=0.05,
        inner_norm=1e9,
        inner_draws=2,
        spread=0.3,
        hyperprior=0.5,
        divergence=0.4,
    )
    system, batch = ABML(line(), settings), lines()
    meta = {name: each.double() for name, each in system.initial(torch.Generator().manual_seed(0)).items()}
    found = system.step(meta, batch, torch.Generator().manual_seed(1))
    leaves, generator = leaves_of(meta), torch.Generator().manual_seed(1)
    inner, outer = noises(generator, 2), noises(generator, 2)
    mean, spread, noise = weights(leaves, "mean."), weights(leaves, "spread."), (PACE * leaves["noise"]).exp()
    prior = NORMAL(mean, spread.exp())

    def bound(at, log_spread, chance, x, y):
        told = [NORMAL(x @ (at + log_spread.exp() * each), noise).log_prob(y).sum() for each in chance]
        return 0.4 * KL(NORMAL(at, log_spread.exp()), prior).sum() - torch.stack(told).mean()

    costs = []
    for task in range(TASKS):
        known, asked = of_task(batch.support, task), of_task(batch.query, task)
        at, wide = mean.clone(), spread.clone()
        cost = 2 * noise**2 * bound(at, wide, inner[:, task], *known) / len(known[1])
        slopes = torch.autograd.grad(cost, [at, wide], create_graph=True)
        at, wide = (each - 0.05 * slope for each, slope in zip((at, wide), slopes, strict=True))
        costs.append(bound(at, wide, outer[:, task], *asked) / len(asked[1]))
    gamma = torch.distributions.Gamma(1.0, 0.01).log_prob((-2 * spread).exp()) - math.log(0.01)
    normal = NORMAL(0.0, 1.0).log_prob(mean) + 0.5 * math.log(2 * math.pi)
    over = -(gamma + normal).sum()
    assert hyperprior({"a": mean}, {"a": spread}).item() == pytest.approx(over.item(), rel=1e-6)
    agree(found, torch.stack(costs).mean() + 0.5 * over, leaves)


def test_bmamls_followers_chase_leaders_that_saw_the_queries_too():
    """Algorithm 3, of networks alone; and what queries cost the followers, for the noise to descend."""
    rate, particles = 0.02, 2
    system = BMAML(line(), BMAMLSettings(hidden=(), particles=particles, inner_steps=1, inner_rate=rate, noise=0.3))
    batch = lines()
    meta = {name: each.double() for name, each in system.initial(torch.Generator().manual_seed(0)).items()}
    found = system.step(meta, batch, torch.Generator())
    leaves = leaves_of(meta)

    def log_posterior(at, x, y):
        likelihood = NORMAL(x @ at[:2], (-0.5 * at[2]).exp()).log_prob(y).sum()
        likelihood = likelihood + NORMAL(0.0, (-0.5 * at[3]).exp()).log_prob(at[:2]).sum()
        priors = zip(at[2:], (0.2, 2.0), strict=True)
        return likelihood + sum(2 * log - by * log.exp() for log, by in priors)

    def moved(at, x, y):
        total = sum(log_posterior(each, x, y) for each in at)
        (slopes,) = torch.autograd.grad(total, at, create_graph=True)
        length = 2 * rate / (len(y) * at[:, 2].detach().exp().max())
        return at + length * stein_direction(at, slopes)

    places = [weights(leaves), NOISE_PACE * leaves[NOISE].expand(particles, 1), leaves[WEIGHTS][:, None]]
    start, gaps, told = torch.cat(places, 1), [], []
    for task in range(TASKS):
        known, asked = of_task(batch.support, task), of_task(batch.query, task)
        follower = moved(start, *known)
        both = (torch.cat(each) for each in zip(known, asked, strict=True))
        leader = moved(follower.detach().requires_grad_(), *both).detach()
        gaps.append((follower - leader)[:, :2].square().sum())
        each = [NORMAL(asked[0] @ at[:2], (-0.5 * at[2]).exp()).log_prob(asked[1]) for at in follower]
        told.append(torch.stack(each).logsumexp(0).mean() - math.log(particles))
    chaser = torch.stack(gaps).mean()
    assert found.loss.item() == pytest.approx((chaser - torch.stack(told).mean()).item(), rel=1e-6)
    for name in ("layer0.weight", "layer0.bias", WEIGHTS):
        (slope,) = torch.autograd.grad(chaser, leaves[name], retain_graph=True)
        assert torch.allclose(found.gradient[name], slope, rtol=1e-6, atol=1e-9), name


@pytest.mark.parametrize("own_noise", [False, True])
def test_the_starts_of_a_mixture_share_the_queries_cost_by_the_supports_likelihood_and_what_each_took_before(own_noise):
    inner = {"inner_steps": 1, "inner_rate": 0.05, "inner_norm": 1e9}
    settings = MixtureSettings(hidden=(), starts=2, first=2, noise=1.0, own_noise=own_noise, **inner)
    system, batch = Mixture(line(), settings), lines()
    meta = {name: each.double() for name, each in system.initial(torch.Generator().manual_seed(0)).items()}
    meta[COUNTS] = torch.tensor([3.0, 1.0]).double()
    if own_noise:
        meta["noise"] = torch.tensor([0.0, -0.05]).double()
    found = system.step(meta, batch, torch.Generator())
    leaves, costs, shares = leaves_of(meta), [], []
    noise = (PACE * leaves["noise"]).exp().expand(2)
    for task in range(TASKS):
        (x, y), (asked, wanted) = of_task(batch.support, task), of_task(batch.query, task)
        adapted = [at - 0.05 * slope_of_mean_square(at, x, y) for at in weights(leaves, "start.")]
        joint = [
            share * NORMAL(x @ at, own).log_prob(y).sum().exp()
            for share, at, own in zip((0.75, 0.25), adapted, noise, strict=True)
        ]
        shares.append((torch.stack(joint) / sum(joint)).detach())
        costs_of_starts = [
            -NORMAL(asked @ at, own).log_prob(wanted).mean() for at, own in zip(adapted, noise, strict=True)
        ]
        costs.append((shares[-1] * torch.stack(costs_of_starts)).sum())
    assert torch.allclose(system.shares(meta, batch), torch.stack(shares, 1))
    told = system.predict(meta, batch, torch.Generator())
    assert torch.equal(told.deviations[:, 0, 0, 0], noise)
    agree(found, torch.stack(costs).mean(), leaves)


@pytest.mark.parametrize(
    ("latent", "direct", "attentive"), [(False, True, False), (True, False, False), (True, True, True)]
)
def test_a_neural_process_descends_minus_the_bound_from_the_context_to_all_points(latent, direct, attentive):
    torch.manual_seed(0)
    settings = ProcessSettings(units=8, heads=2)
    network = NeuralProcess(1, 1, settings, latent=latent, direct=direct, attentive=attentive).double()
    batch = lines()
    loss, told = network.loss(batch, torch.Generator().manual_seed(1))
    chance = torch.randn(TASKS, 8, generator=torch.Generator().manual_seed(1)).double()

    def belief(x, y):
        mean, spread = network.describe(network.latent(torch.cat([x, y], 1)).mean(0)).chunk(2)
        return NORMAL(mean, 0.1 + 0.9 * spread.sigmoid())

    bounds = []
    for task in range(TASKS):
        known = batch.support.inputs[task], batch.support.targets[task]
        x, y = (
            torch.cat([one, other[task]])
            for one, other in zip(known, (batch.query.inputs, batch.query.targets), strict=True)
        )
        parts, price = [x], 0.0
        if direct:
            encoded = network.encode(torch.cat(known, 1))
            if attentive:
                asked, keys, values = (
                    each.reshape(len(each), 2, -1).transpose(0, 1)
                    for each in (network.read(x), network.read(known[0]), encoded)
                )
                means = nn.functional.scaled_dot_product_attention(asked, keys, values)
                parts.append(means.transpose(0, 1).flatten(1))
            else:
                parts.append(encoded.mean(0).expand(len(x), -1))
        if latent:
            prior, posterior = belief(*known), belief(x, y)
            price = KL(posterior, prior).sum()
            parts.append((posterior.mean + posterior.stddev * chance[task]).expand(len(x), -1))
        mean, spread = network.decode(torch.cat(parts, 1)).chunk(2, 1)
        log = NORMAL(mean, 0.1 + 0.9 * nn.functional.softplus(spread)).log_prob(y).sum()
        bounds.append((log - price) / len(y))
    assert loss.item() == pytest.approx(-torch.stack(bounds).mean().item(), rel=1e-7)
    # What is told on the way is told by the context alone.
    other = replace(batch, query=replace(batch.query, targets=batch.query.targets + 1))
    assert torch.equal(network.loss(other, torch.Generator().manual_seed(1))[1].means, told.means)


def described(told):
    mean, spread = told.chunk(2, -1)
    return NORMAL(mean, nn.functional.softplus(spread) + 1e-3)


def test_the_statistician_descends_minus_the_bound_of_all_pairs_of_a_task():
    """Equation 4, with what is told of c against a standard normal distribution."""
    torch.manual_seed(0)
    system = Statistician((1,), None, 1, StatisticianSettings(context=3, latent=2, units=8, draws=2)).double()
    batch, generator = lines(), torch.Generator().manual_seed(1)
    loss, _ = system.loss(batch, torch.Generator().manual_seed(1))
    chance = torch.randn(TASKS, 1, 3, generator=generator).double()
    chances, total = torch.randn(TASKS, 10, 2, generator=generator).double(), 0.0
    for task in range(TASKS):
        x, y = (
            torch.cat([one[task], other[task]])
            for one, other in (
                (batch.support.inputs, batch.query.inputs),
                (batch.support.targets, batch.query.targets),
            )
        )
        features = system.encode(torch.cat([x, y], 1))
        share = torch.tensor([1 / len(x)]).double()
        context = described(system.describe_set(torch.cat([features.mean(0), share])))
        c = (context.mean + context.stddev * chance[task, 0]).expand(len(x), -1)
        posterior = described(system.describe_item(torch.cat([features, c], 1)))
        prior = described(system.prior_item(torch.cat([x, c], 1)))
        z = posterior.mean + posterior.stddev * chances[task]
        mean, spread = system.decode(torch.cat([x, c, z], 1)).chunk(2, 1)
        told = NORMAL(mean, 0.02 + nn.functional.softplus(spread)).log_prob(y).sum()
        standard = NORMAL(torch.zeros(3).double(), 1.0)
        total = total + told - KL(posterior, prior).sum() - KL(context, standard).sum()
    assert loss.item() == pytest.approx(-total.item() / (TASKS * 10), rel=1e-6)


def test_the_statistician_tells_every_point_of_a_sequence_by_those_before_it_and_by_its_sets_context():
    torch.manual_seed(0)
    settings = StatisticianSettings(context=3, latent=2, units=8, width=5, before=3, resolution=0.15)
    system, batch = Statistician((2, 6), 3, 1, settings).double(), Blobs((2, 6)).draw(1, "train", (0,))
    support, query = (replace(each, inputs=each.inputs.double()) for each in (batch.support, batch.query))
    loss, _ = system.loss(replace(batch, support=support, query=query), torch.Generator().manual_seed(1))
    items, labels = torch.cat([support.inputs[0], query.inputs[0]]), torch.cat([support.targets[0], query.targets[0]])
    generator = torch.Generator().manual_seed(1)
    seen = some_of(nn.functional.one_hot(labels, 3).double()[None], generator)[0]
    chance, chances = (torch.randn(1, size, of, generator=generator).double()[0] for size, of in ((3, 3), (12, 2)))
    features, total, standard = (
        system.encode(system.embedding.standardised(items)),
        0.0,
        NORMAL(torch.zeros(3).double(), 1.0),
    )
    for each in range(3):
        of = features[seen[:, each] > 0]
        known = torch.cat([of.mean(0), torch.tensor([1 / len(of)]).double()])
        context = described(system.describe_set(known))
        total = total - KL(context, standard).sum()
        c = context.mean + context.stddev * chance[each]
        for place in (labels == each).nonzero()[:, 0]:
            posterior = described(system.describe_item(torch.cat([features[place], c])))
            total = total - KL(posterior, described(system.prior_item(c))).sum()
            z = posterior.mean + posterior.stddev * chances[place]
            for at in range(6):
                past = [items[place][:, at - back] if at >= back else torch.zeros(2).double() for back in (3, 2, 1)]
                mean, spread = system.decode(torch.cat([torch.stack(past, 1).flatten(), c, z])).chunk(2)
                told = NORMAL(mean, 0.15 + nn.functional.softplus(spread)).log_prob(items[place][:, at])
                total = total + told.sum()
    assert loss.item() == pytest.approx(-total.item() / 12, rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_what_a_statistician_says_of_sets_differs_beside_its_chance_before_it_has_learned(seed):
    """With means that are all alike, all that c has is chance, and it was silenced before it came to say anything."""
    torch.manual_seed(seed)
    system, batch = Statistician((3, 12), 3, 1, StatisticianSettings()), Blobs((3, 12)).draw(20, "train", (seed,))
    items, _, members = system._items(batch.support, 3)
    with torch.no_grad():
        mean, deviation = system._context(system.encode(system._features(batch.support, items)), members)
    assert (mean.flatten(0, 1).std(0) / deviation.flatten(0, 1).mean(0)).mean() > 0.2


def test_a_querys_class_is_told_by_how_far_that_classs_context_diverges_from_its_own():
    torch.manual_seed(0)
    system = Statistician((4,), 3, 1, StatisticianSettings(context=3, latent=2, units=8, width=5))
    batch = Blobs().draw(1, "train", (0,))
    with torch.no_grad():
        found = system.predict(batch, torch.Generator()).logits[0]

        def context(inputs):
            mean = system.encode(system.embedding.standardised(inputs)).mean(0)
            return described(system.describe_set(torch.cat([mean, torch.tensor([1 / len(inputs)])])))

        classes = [context(batch.support.inputs[0][batch.support.targets[0] == each]) for each in range(3)]
        for asked, told in zip(batch.query.inputs[0], found, strict=True):
            wanted = [-KL(each, context(asked[None])).sum() for each in classes]
            assert torch.allclose(told, torch.stack(wanted), rtol=1e-4, atol=1e-5)
