"""Each rule against what it must equal: another form of the same mathematics, written out or from SciPy."""

import pytest
import torch
from scipy.optimize import minimize
from torch import nn

from meta_learners.few_shot_contracts import Blobs
from meta_learners.metric.arc import ArcSettings, Comparator, filters
from meta_learners.metric.good_embedding import GoodEmbedding, logistic
from meta_learners.metric.graph import LEARNER as GRAPH
from meta_learners.metric.graph import Edges, Graph, GraphSettings, weigh
from meta_learners.metric.learner import Features, MetricSettings
from meta_learners.metric.matching import LEARNER as MATCHING
from meta_learners.metric.matching import Matching
from meta_learners.metric.pairs import balanced
from meta_learners.metric.prototypical import LEARNER as PROTOTYPICAL
from meta_learners.metric.prototypical import prototypes, prototypical
from meta_learners.metric.relation import Relation
from meta_learners.metric.ridge import RidgeSettings, ridge
from meta_learners.metric.siamese import UNITS, Siamese

WAYS, SHOTS, SIZE = 3, 4, 5
BATCH = Blobs().draw(2, "train", (0,))


@pytest.fixture
def features():
    generator = torch.Generator().manual_seed(0)
    support = torch.randn(2, WAYS * SHOTS, SIZE, generator=generator, dtype=torch.float64)
    query = torch.randn(2, 7, SIZE, generator=generator, dtype=torch.float64)
    labels = nn.functional.one_hot(torch.arange(WAYS).repeat(2, SHOTS), WAYS).double()
    return Features(support, labels, query)


def test_prototypes_are_a_linear_classifier(features):
    centres = prototypes(features)
    weights, biases = 2 * centres, -centres.square().sum(-1)
    linear = features.query @ weights.transpose(1, 2) + biases[:, None]
    assert torch.allclose(prototypical(features).softmax(-1), linear.softmax(-1))
    assert torch.allclose(prototypical(features), -torch.cdist(features.query, centres).square())


def test_matching_is_nadaraya_watson_regression_of_the_labels(features):
    rule = Matching().double()
    scale = rule.log_scale.exp()
    for task in range(2):
        for number, asked in enumerate(features.query[task]):
            kernel = torch.exp(scale * nn.functional.cosine_similarity(features.support[task], asked[None], -1))
            share = (kernel[:, None] * features.labels[task]).sum(0) / kernel.sum()
            assert torch.allclose(rule(features)[task, number].exp(), share)


def test_the_ridge_head_is_the_primal_solution_and_can_be_differentiated(features):
    x, y = features.support, features.labels
    primal = torch.linalg.solve(x.transpose(1, 2) @ x + 3.0 * torch.eye(SIZE).double(), x.transpose(1, 2) @ y)
    assert torch.allclose(ridge(features, 3.0), features.query @ primal)

    def output(support):
        return ridge(Features(support, features.labels, features.query), RidgeSettings().penalty)

    assert torch.autograd.gradcheck(output, features.support.requires_grad_())


def test_logistic_regression_is_what_a_general_optimiser_finds(features):
    x, y = (each[0].numpy() for each in (features.support, features.labels))

    def objective(flat):
        weights = torch.from_numpy(flat.reshape(SIZE, WAYS)).requires_grad_()
        told = torch.from_numpy(x) @ weights
        value = -(told.log_softmax(-1) * torch.from_numpy(y)).sum() + 0.5 * weights.square().sum()
        value.backward()
        return value.item(), weights.grad.numpy().ravel()

    found = minimize(objective, torch.zeros(SIZE * WAYS).double().numpy(), jac=True, tol=1e-12).x
    wanted = features.query[0] @ torch.from_numpy(found.reshape(SIZE, WAYS))
    assert torch.allclose(logistic(features)[0], wanted, atol=1e-5)


def test_who_is_first_of_a_siamese_pair_makes_no_difference():
    network = Siamese((4,), RidgeSettings(width=6))
    one, other = torch.rand(2, 9, UNITS).unbind()
    assert torch.equal(network.same(one, other), network.same(other, one))


def test_pairs_of_the_same_class_weigh_as_much_as_all_others():
    alike = torch.tensor([[[1.0, 0, 0, 0], [0, 1, 0, 0]]])
    weights = balanced(alike, torch.tensor([[[True, True, True, False], [True, True, True, True]]]))
    assert weights.sum() == 1
    assert weights[alike == 1].sum() == 0.5
    assert weights[0, 0, 3] == 0


def test_a_class_of_a_relation_network_is_the_sum_of_its_examples():
    network = Relation((4,), RidgeSettings(width=6))
    support, query = torch.randn(1, 4, 6), torch.randn(1, 5, 6)
    labels = nn.functional.one_hot(torch.tensor([[0, 1, 0, 1]]), 2).float()
    sums = torch.stack([support[:, ::2].sum(1), support[:, 1::2].sum(1)], 1)
    both = (network.scores(Features(one, of, query)) for one, of in ((support, labels), (sums, torch.eye(2)[None])))
    assert torch.allclose(*both, atol=1e-6)


def test_a_relation_networks_first_convolution_is_that_of_both_maps_laid_together():
    network = Relation((1, 16, 12), RidgeSettings(width=8))
    support, query = network.embedding(torch.rand(2, 3, 1, 16, 12)), network.embedding(torch.rand(2, 4, 1, 16, 12))
    together = torch.cat(
        [support[:, None].expand(-1, 4, -1, -1, -1, -1), query[:, :, None].expand(-1, -1, 3, -1, -1, -1)], 3
    )
    wanted = network.score(together.flatten(0, 2)).reshape(2, 4, 3)
    found = network.scores(Features(support, torch.eye(3).expand(2, 3, 3), query))
    assert torch.allclose(found, wanted, atol=1e-5)


def test_edges_of_a_graph_sum_to_one_and_leave_out_itself_and_what_is_not_there():
    nodes = torch.randn(3, 5, 4)
    weights = weigh(Edges(4, 8)(nodes, nodes), torch.tensor([[True, True, True, True, False]] * 3))
    assert torch.allclose(weights.sum(-1), torch.ones(3, 5))
    assert (weights.diagonal(dim1=1, dim2=2) == 0).all()
    assert (weights[:, :, 4] == 0).all()


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_graph_gives_a_query_what_all_its_nodes_and_edges_give_it(layers, features):
    """Its own way shares the edges between examples among queries, and leaves out those that end in no query."""
    graph = Graph(SIZE, WAYS, GraphSettings(layers=layers, units=6)).double()
    found = graph(features)
    for task, query in ((0, 0), (1, 2)):
        even = torch.full((WAYS,), 1 / WAYS).double()
        known = torch.cat([features.support[task], features.labels[task]], 1)
        nodes = torch.cat([torch.cat([features.query[task, query], even])[None], known])[None]
        there = torch.ones(1, nodes.shape[1], dtype=torch.bool)
        for edges, convolution in zip(graph.edges, graph.convolutions, strict=True):
            mixed = convolution(torch.cat([nodes, weigh(edges(nodes, nodes), there) @ nodes], 2))
            nodes = torch.cat([nodes, nn.functional.leaky_relu(mixed)], 2)
        assert torch.allclose(found[task, query], mixed[0, 0], atol=1e-5)


def test_rows_of_a_glimpse_sum_to_one_and_look_where_they_are_told():
    weights = filters(torch.tensor([0.0, -1.0, 1.0]), torch.tensor([0.9, 0.9, 0.9]), 3, 33)
    assert torch.allclose(weights.sum(-1), torch.ones(3, 3))
    assert weights[:, 1].argmax(-1).tolist() == [16, 0, 32]


def test_the_blobs_of_the_contract_can_be_told_apart():
    batch = Blobs().draw(50, "train", (0,))
    labels = nn.functional.one_hot(batch.support.targets, 3).float()
    told = prototypical(Features(batch.support.inputs, labels, batch.query.inputs))
    assert (told.argmax(-1) == batch.query.targets).float().mean() > 0.9


def even(losses, alike):
    """The mean loss of pairs that are alike and that of all others, half each."""
    return 0.5 * (losses[alike].mean() + losses[~alike].mean())


def pairs_loss(logits, batch):
    alike = batch.query.targets[:, :, None] == batch.support.targets[:, None]
    wanted = torch.where(alike, 1.0, -1.0)
    return even(-nn.functional.logsigmoid(wanted * logits), alike)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (PROTOTYPICAL, MetricSettings(width=6)),
        (MATCHING, MetricSettings(width=6)),
        (GRAPH, GraphSettings(width=6, units=6)),
    ],
    ids=["prototypical", "matching", "graph"],
)
def test_what_a_metric_learner_descends_is_the_cross_entropy_of_its_queries(kind, settings):
    batch, system = BATCH, kind.make("learner", Blobs(), settings, seed=0, device="cpu").system
    loss, found = system.loss(batch, torch.Generator())
    wanted = nn.functional.cross_entropy(found.logits.flatten(0, 1), batch.query.targets.flatten())
    assert torch.allclose(loss, wanted)


def test_a_siamese_network_compares_sigmoids_of_units_by_their_distances():
    torch.manual_seed(0)
    network = Siamese((4,), RidgeSettings(width=6))
    query, support = (network.units(network.embedding(each.inputs)).sigmoid() for each in (BATCH.query, BATCH.support))
    weights = network.weigh.weight[0]
    logits = torch.stack([(weights * (query - each[:, None]).abs()).sum(-1) for each in support.unbind(1)], 2)
    loss, _ = network.loss(BATCH, torch.Generator())
    assert torch.allclose(loss, pairs_loss(logits + network.weigh.bias, BATCH), atol=1e-5)


def test_scores_of_a_relation_network_are_fitted_to_one_and_zero():
    torch.manual_seed(0)
    network = Relation((4,), RidgeSettings(width=6))
    loss, found = network.loss(BATCH, torch.Generator())
    right = nn.functional.one_hot(BATCH.query.targets, 3).bool()
    assert torch.allclose(loss, even((found.logits.sigmoid() - right.float()).square(), right))


def test_a_comparator_looks_at_both_images_by_turns():
    torch.manual_seed(0)
    network, family = Comparator((1, 6, 5), ArcSettings(width=7, glimpses=2, side=3)), Blobs((1, 6, 5))
    batch, logits = family.draw(1, "train", (0,)), []

    def normal(image):
        return (image - image.mean()) / image.std(correction=0)

    for query in batch.query.inputs[0]:
        for support in batch.support.inputs[0]:
            state = torch.zeros(1, 7), torch.zeros(1, 7)
            for image in (query, support, query, support):
                across, down, size = network.look(state[0]).tanh().T
                rows, columns = (filters(*each)[0] for each in ((down, size, 3, 6), (across, size, 3, 5)))
                state = network.cell((rows @ normal(image)[0] @ columns.T).reshape(1, 9), state)
            logits.append(network.same(state[0])[0, 0])
    loss, _ = network.loss(batch, torch.Generator())
    assert torch.allclose(loss, pairs_loss(torch.stack(logits).reshape(1, 6, 6), batch), atol=1e-5)


def test_a_good_embedding_is_trained_on_all_classes_and_fits_features_of_unit_length():
    torch.manual_seed(0)
    network = GoodEmbedding((4,), Blobs.train_classes, RidgeSettings(width=6))
    loss, _ = network.loss(BATCH, torch.Generator())
    halves = BATCH.support, BATCH.query
    features = [network.embedding(each.inputs) for each in halves]
    told = torch.cat([network.head(nn.functional.layer_norm(each, (6,))).flatten(0, 1) for each in features])
    rows = torch.arange(len(BATCH.classes))[:, None]
    known = torch.cat([BATCH.classes[rows, each.targets].flatten() for each in halves])
    assert torch.allclose(loss, nn.functional.cross_entropy(told, known), atol=1e-5)
    support, query = (each / each.square().sum(-1, keepdim=True).sqrt() for each in features)
    labels = nn.functional.one_hot(BATCH.support.targets, 3).float()
    found = network.predict(BATCH, torch.Generator()).logits.log_softmax(-1)
    wanted = logistic(Features(support, labels, query)).log_softmax(-1)
    assert torch.allclose(found, wanted, atol=1e-4)
