"""Black-box few-shot learners against what they must equal: rules as loops, and learners that they contain."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from meta_learners.black_box.hypernetwork import Hypernetwork, HypernetworkSettings
from meta_learners.black_box.mann import Mann, MannSettings, Tape, turned
from meta_learners.black_box.meta_networks import MetaNetwork, MetaNetworkSettings, augmented
from meta_learners.black_box.snail import SnailSettings, SnailSorter
from meta_learners.episodes import Examples, one_hot
from meta_learners.few_shot.sequences import sequence_of
from meta_learners.few_shot_contracts import Blobs
from meta_learners.keys import torch_generator
from meta_learners.metric.learner import Features
from meta_learners.metric.prototypical import prototypical
from meta_learners.networks.embedding import seeded
from meta_learners.predictions import judge
from meta_learners.registry import make_few_shot


@pytest.fixture
def batch():
    return Blobs().draw(2, "train", (1,))


def made(system, settings):
    with seeded(torch_generator((0,))):
        return system(Blobs(), settings)


def test_a_linear_generator_can_make_the_prototypical_classifier(batch):
    network = made(Hypernetwork, HypernetworkSettings(width=6))
    size = network.embedding.size
    with torch.no_grad():
        network.generate.linear.bias.zero_()
        network.generate.linear.weight.zero_()  # from (mean, its square) to (weights, bias)
        network.generate.linear.weight[:size, :size] = 2 * torch.eye(size)
        network.generate.linear.weight[size, size] = -1.0
        support, query = network.embedding(batch.support.inputs), network.embedding(batch.query.inputs)
        expected = prototypical(Features(support, one_hot(batch.support, 3), query))
        found = network.predict(batch, torch_generator((0,))).logits
    torch.testing.assert_close(found.softmax(-1), expected.softmax(-1))


def test_without_fast_weights_a_meta_network_is_its_slow_network(batch):
    network = made(MetaNetwork, MetaNetworkSettings(width=6, units=5))
    nn.init.ones_(network.base["second"])
    for rule in (network.of_representation, network.of_base):
        nn.init.zeros_(rule.layers[-1].weight)
        nn.init.zeros_(rule.layers[-1].bias)
        nn.init.zeros_(rule.rate)
    with torch.no_grad():
        found = network.told(batch)
        w = network.base
        hidden = (network.embedding.standardised(batch.query.inputs) @ w["first"] + w["first_bias"]).relu()
    torch.testing.assert_close(found, hidden @ w["second"] + w["second_bias"])


def test_a_meta_networks_fast_weights_are_of_each_examples_own_slopes(batch):
    """By a loop over tasks and examples, and PyTorch's plain gradient."""
    network = made(MetaNetwork, MetaNetworkSettings(width=6, units=5))
    nn.init.normal_(network.base["second"], generator=torch_generator((4,)))
    found, names = network.told(batch), ("first", "first_bias", "second", "second_bias")
    q, w = (dict(each.items()) for each in (network.representation, network.base))

    def slopes(loss, weights):
        return dict(zip(names, torch.autograd.grad(loss, [weights[name] for name in names]), strict=True))

    for task in range(2):
        features, targets = (
            network.embedding.standardised(batch.support.inputs[task]).detach(),
            batch.support.targets[task],
        )
        logits = augmented(q, None, features) @ network.judge
        fast = network.of_representation(slopes(nn.functional.cross_entropy(logits, targets), q))
        kept = []
        for example, target in zip(features, targets, strict=True):
            loss = nn.functional.cross_entropy(augmented(w, None, example)[None], target[None])
            kept.append(network.of_base(slopes(loss, w)))
        known = augmented(q, fast, features)
        for number, asked in enumerate(network.embedding.standardised(batch.query.inputs[task]).detach()):
            likeness = nn.functional.cosine_similarity(augmented(q, fast, asked)[None], known)
            share = (network.log_sharpness.exp() * likeness).softmax(0)
            own = {name: sum(a * each[name] for a, each in zip(share, kept, strict=True)) for name in names}
            torch.testing.assert_close(found[task, number], augmented(w, own, asked), rtol=1e-4, atol=1e-5)


def test_a_meta_network_begins_with_no_leaning_and_sees_features_of_one_size(batch):
    network = made(MetaNetwork, MetaNetworkSettings(width=6, units=5))
    with torch.no_grad():
        features = network.embedding.standardised(batch.query.inputs)
        assert augmented(network.base, None, features).count_nonzero() == 0
        assert network.told(batch).count_nonzero() > 0
        torch.testing.assert_close(features.square().mean(-1), torch.ones(features.shape[:-1]), rtol=0.01, atol=0)
        torch.testing.assert_close(features.mean(-1), torch.zeros(features.shape[:-1]), rtol=0, atol=1e-5)


def test_memory_is_read_and_then_emptied_and_written_as_the_paper_says():
    generator = torch_generator((3,))
    heads, rows, width = 2, 5, 3
    usage = torch.tensor([[0.5, 0.1, 0.9, 0.2, 0.7]])
    memory, keys = (torch.randn(1, number, width, generator=generator) for number in (rows, heads))
    weights, gate = torch.rand(1, heads, rows, generator=generator).softmax(-1), torch.tensor([[[0.3], [0.8]]])
    blank = torch.zeros(1, 1)
    tape = Tape(blank, blank, memory, usage, weights, blank, blank)
    after, used, read_by, read = turned(tape, keys, gate, 0.9, 2.0)
    expected, write = memory[0].clone(), torch.zeros(heads, rows)
    expected[1] = 0.0  # the least used
    for head, row in enumerate((1, 3)):
        write[head] = gate[0, head] * weights[0, head]
        write[head, row] += 1 - gate[0, head, 0]
        expected += write[head][:, None] * keys[0, head]
    torch.testing.assert_close(after[0], expected)
    for head in range(heads):
        known, there = (
            nn.functional.cosine_similarity(each, keys[0, head][None]).mul(2.0).softmax(0)
            for each in (memory[0], expected)
        )
        torch.testing.assert_close(read[0, head], known @ memory[0])  # before it is written
        torch.testing.assert_close(read_by[0, head], there)
    torch.testing.assert_close(used[0], 0.9 * usage[0] + read_by[0].sum(0) + write.sum(0))


def test_keys_of_one_class_are_more_alike_than_those_of_others_before_anything_is_learned():
    """Through the controller alone they were .95 and .94 alike."""
    network, sequence = made(Mann, MannSettings()), sequence_of(Blobs().draw(20, "train", (2,)), torch_generator((3,)))
    keys, tape = [], network.blank(20)
    with torch.no_grad():
        features = network.embedding(sequence.support)
        for number in range(features.shape[1]):
            here, label = features[:, number], sequence.labels[:, number]
            keys.append(network.keys_at(network.controller_at(here, tape)[0], here, tape)[0].flatten(1))
            _, tape = network.step(here, label, tape)
    units = nn.functional.normalize(torch.stack(keys, 1), dim=-1)
    likeness, one = units @ units.transpose(1, 2), sequence.labels @ sequence.labels.transpose(1, 2) > 0
    others = torch.ones(likeness.shape[1:]).tril(-1) > 0
    assert likeness[one & others].mean() > likeness[~one & others].mean() + 0.1


def test_mann_begins_with_classes_bound_and_tells_them_after_few_meta_steps():
    family = Blobs((16,), ways=5, shots=1)
    learner = make_few_shot("mann", family, {"reads": 2, "rows": 16, "units": 80})
    batch = family.draw(40, "train", (100,))

    def right():
        told = learner.predict(batch, (0,))
        return float(judge(told, batch.query.targets, batch.query.present)["accuracy"].mean())

    assert right() > 0.7
    for number in range(20):
        metrics = learner.meta_step(family.draw(4, "train", (number,)), (number,))
        assert metrics["gradient_norm"] < 1e3  # a blank key has no direction that could be told from
    assert right() > 0.9


def test_an_example_is_told_before_its_label_is_heard(batch):
    network = made(Mann, MannSettings(width=6, units=7, rows=5, row_size=3, reads=2))
    sequence = sequence_of(batch)
    with torch.no_grad():
        told, _ = network.along(sequence)
        labels = sequence.labels.clone()
        labels[:, 2] = labels[:, 2].roll(1, 1)
        other, _ = network.along(replace(sequence, labels=labels))
    assert torch.equal(told[:, :3], other[:, :3])
    assert (told[:, 3:] != other[:, 3:]).any(2).all()


def test_snails_queries_from_cached_keys_are_those_of_whole_sequences(batch):
    network = made(SnailSorter, SnailSettings(width=6, filters=4, keys=4, reach=8))
    with torch.no_grad():
        found = network.told(sequence_of(batch))
        known = torch.cat([network.embedding.standardised(batch.support.inputs), one_hot(batch.support, 3)], 2)
        for number in range(batch.query.inputs.shape[1]):
            asked = nn.functional.pad(
                network.embedding.standardised(batch.query.inputs[:, number : number + 1]), (0, 3)
            )
            whole = torch.cat([known, asked], 1).transpose(0, 1)
            outputs, _ = network.network(whole, None, network.network.initial(2))
            torch.testing.assert_close(found[:, number], network.tell(outputs[-1]))


def test_snail_begins_as_a_matching_network(batch):
    network = made(SnailSorter, SnailSettings(width=6, filters=8, keys=4, reach=8))
    with torch.no_grad():
        embed, project = network.network.parts[0].embed, network.network.parts[-1].part.project
        support, query = (
            network.embedding.standardised(each.inputs) @ embed.weight[3:, : network.embedding.size].T
            for each in (batch.support, batch.query)
        )
        asked, known = (each @ project.weight[:4, 3:8].T for each in (query, support))
        likeness = torch.cat([asked @ known.transpose(1, 2), asked.square().sum(-1, keepdim=True)], -1) / 4**0.5
        share = likeness.softmax(-1)[..., :-1]  # a query sees itself too, without a label
        torch.testing.assert_close(network.told(sequence_of(batch)), share @ one_hot(batch.support, 3))


def test_sequences_begin_with_what_is_not_there_and_keep_each_label_by_its_example(batch):
    mask = torch.ones(2, 6, dtype=torch.bool)
    mask[1, [0, 4]] = False
    masked = replace(batch, support=Examples(batch.support.inputs, batch.support.targets, mask))
    for generator in (None, torch_generator((1,))):
        sequence = sequence_of(masked, generator)
        assert sequence.there[1].tolist() == [0, 0, 1, 1, 1, 1]
        assert (sequence.support[1, :2] == 0).all()
        assert (sequence.labels[1, :2] == 0).all()
        for task in range(2):
            wanted = {
                (tuple(x.tolist()), int(y))
                for x, y, there in zip(batch.support.inputs[task], batch.support.targets[task], mask[task], strict=True)
                if there
            }
            came = {
                (tuple(x.tolist()), int(y.argmax()))
                for x, y, there in zip(sequence.support[task], sequence.labels[task], sequence.there[task], strict=True)
                if there
            }
            assert came == wanted


def test_the_last_examples_label_is_in_manns_memory_before_a_query_is_told(monkeypatch):
    network, batch = (
        made(Mann, MannSettings(width=6, units=7, rows=5, row_size=3, reads=2)),
        Blobs().draw(2, "train", (1,)),
    )
    met, step = [], network.step

    def seen(features, label, tape):
        met.append(tape.rows)
        return step(features, label, tape)

    monkeypatch.setattr(network, "step", seen)
    for moved in (0, 1):
        targets = batch.support.targets.clone()
        targets[:, -1] = (targets[:, -1] + moved) % batch.ways
        support = replace(batch.support, targets=targets)
        with torch.no_grad():
            network.predict(replace(batch, support=support), torch_generator((0,)))
    queries = batch.query.inputs.shape[1]
    last = [rows.unflatten(0, (2, queries))[:, 0] for rows in met if len(rows) == 2 * queries]
    assert not torch.equal(*last)
