"""Rules of plastic synapses against what they are known to equal."""

import numpy as np
import pytest
import torch

from meta_learners.few_shot_contracts import Blobs, Lines
from meta_learners.keys import torch_generator
from meta_learners.plastic.fast_weights import FastSettings, FastWeights, Programmer, ProgrammerSettings, written
from meta_learners.plastic.hebbian import HebbianSettings, HebbianSynapses, trace
from meta_learners.plastic.learner import Shown
from meta_learners.plastic.parametric_rule import ParametricRule, RuleSettings
from meta_learners.predictions import judge
from meta_learners.registry import make_family, make_few_shot


def drawn(*shape, number=0):
    return torch.randn(*shape, generator=torch_generator((9, number)))


def shown(tasks=3, examples=5, features=4, outputs=2, queries=3):
    return Shown(
        drawn(tasks, examples, features),
        drawn(tasks, examples, outputs, number=1),
        torch.ones(tasks, examples, dtype=torch.bool),
        drawn(tasks, queries, features, number=2),
        False,
    )


def test_reading_fast_weights_is_linear_attention_without_normalisation():
    keys, values, asked = drawn(3, 6, 4), drawn(3, 6, 5, number=1), drawn(3, 7, 4, number=2)
    read = asked @ written(keys, values, torch.ones(3, 6, dtype=torch.bool))
    attention = torch.einsum("mqk,msk->mqs", asked, keys)
    assert torch.allclose(read, torch.einsum("mqs,msv->mqv", attention, values), atol=1e-5)


def test_fast_weights_that_fade_are_attention_that_fades():
    keys, values, asked = drawn(3, 6, 4), drawn(3, 6, 5, number=1), drawn(3, 7, 4, number=2)
    read = asked @ written(keys, values, torch.ones(3, 6, dtype=torch.bool), decay=0.8)
    attention = torch.einsum("mqk,msk->mqs", asked, keys) * 0.8 ** torch.arange(5, -1, -1)
    assert torch.allclose(read, torch.einsum("mqs,msv->mqv", attention, values), atol=1e-5)


def test_a_programmer_minds_no_order_of_its_examples():
    torch.manual_seed(0)
    synapses, of = Programmer(4, 2, ProgrammerSettings(units=6)), shown()
    order = torch.tensor([3, 0, 4, 1, 2])
    turned = Shown(of.support[:, order], of.codes[:, order], of.there, of.query, False)
    assert torch.allclose(synapses(of), synapses(turned), atol=1e-6)


def test_ba_et_als_states_attend_to_the_states_before_as_the_paper_writes_it():
    torch.manual_seed(0)
    settings = FastSettings(units=6, settle=2, decay=0.9, rate=0.4)
    synapses, of = FastWeights(4, 2, settings), shown(tasks=1)
    weight, bias = synapses.read.weight, synapses.read.bias
    past = []

    def settled(inputs, state):
        sustained = weight @ inputs + bias + state @ synapses.slow
        found = synapses.normal(sustained).relu()
        for _ in range(2):
            recalled = sum(0.4 * 0.9 ** (len(past) - 1 - at) * h * (h @ found) for at, h in enumerate(past))
            found = synapses.normal(sustained + recalled).relu()
        return found

    state = torch.zeros(6)
    for place in range(5):
        state = settled(torch.cat([of.support[0, place], of.codes[0, place]]), state)
        past.append(state)
    wanted = synapses.out(settled(torch.cat([of.query[0, 1], torch.zeros(2)]), state))
    assert torch.allclose(synapses(of)[0, 1], wanted, atol=1e-5)


def test_of_classes_fast_weights_recall_the_label_of_what_is_alike():
    family = Blobs((16,), ways=5, shots=1)
    learner = make_few_shot("fast-weights", family, {})
    for number in range(60):
        learner.meta_step(family.draw(4, "train", (number,)), (number,))
    batch = family.draw(40, "train", (100,))
    told = learner.predict(batch, (0,))
    assert float(judge(told, batch.query.targets, batch.query.present)["accuracy"].mean()) > 0.6


def test_a_hebbian_trace_is_the_fading_mean_of_the_products():
    of = shown()
    weights = 0.3 * 0.7 ** torch.arange(4, -1, -1)
    wanted = torch.einsum("s,msf,mso->mfo", weights, of.support, of.codes)
    assert torch.allclose(trace(of, torch.tensor(0.3)), wanted, atol=1e-6)


def test_plastic_synapses_of_equal_plasticity_that_fade_slowly_recall_as_hopfields_rule_does():
    family = make_family("recall", {"bits": 200})
    batch = family.draw(10, "train", (0,))
    synapses = HebbianSynapses(200, 200, HebbianSettings(first_rate=1e-4))
    with torch.no_grad():
        synapses.fixed.zero_()
        synapses.plastic.fill_(1e4)
        of = Shown(batch.support.inputs, batch.support.targets, batch.support.present, batch.query.inputs, False)
        told = synapses(of)
    assert (told.sign() == family.rivals(batch)["Hopfield's rule"].mean).all()


def rule(**weights):
    made = ParametricRule(4, 2, RuleSettings(passes=3))
    with torch.no_grad():
        for name, value in weights.items():
            made.weights[name].fill_(value)
    return made


def test_a_rule_of_input_times_modulator_is_the_delta_rule():
    of = shown()
    told = rule(input_modulator=0.1)(of)
    for task in range(3):
        synapses = np.zeros((4, 2))
        for _ in range(3):
            for x, y in zip(of.support[task].numpy(), of.codes[task].numpy(), strict=True):
                synapses += 0.1 * np.outer(x, y - x @ synapses)
        assert told[task].detach().numpy() == pytest.approx(of.query[task].numpy() @ synapses, abs=1e-5)


def test_a_rule_of_hebbs_term_and_ojas_finds_the_first_principal_component():
    spread = torch.tensor([2.0, 1.0, 0.5, 0.3])
    turn = torch.linalg.qr(drawn(4, 4, number=5))[0]
    inputs = drawn(1, 3000, 4) * spread @ turn
    # A constant lifts the synapse from 0; the modulator has no weight.
    of = Shown(inputs, torch.zeros(1, 3000, 1), torch.ones(1, 3000, dtype=torch.bool), torch.eye(4)[None], False)
    made = ParametricRule(4, 1, RuleSettings(passes=1))
    with torch.no_grad():
        for name, value in (("one", 1e-5), ("input_output", 5e-3), ("output_output_synapse", -5e-3)):
            made.weights[name].fill_(value)
        found = made(of)[0, :, 0]
    assert found.norm().item() == pytest.approx(1, abs=0.1)
    assert abs(torch.dot(found / found.norm(), turn[0]).item()) > 0.97


@pytest.mark.parametrize("family", [Lines(), Blobs()], ids=["numbers", "classes"])
def test_what_a_plastic_learner_descends_is_what_its_queries_cost(family):
    system, batch = make_few_shot("plasticity", family, {"width": 4}).system, family.draw(3, "train", (0,))
    loss, found = system.loss(batch, torch.Generator())
    if family.ways is None:
        wanted = (found.mean - batch.query.targets).square().mean()
    else:
        wanted = torch.nn.functional.cross_entropy(found.logits.flatten(0, 1), batch.query.targets.flatten())
    assert torch.allclose(loss, wanted)
