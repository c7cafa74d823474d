"""The suites that authors of few-shot families and learners run, over all of ours; broken ones fail the right check."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import environments
from environments.contracts import failures
from environments.domain import find_domain
from meta_learners.devices import prepare_device
from meta_learners.episodes import Examples, Rivalled, Source, SplitError
from meta_learners.few_shot_contracts import Blobs, Lines, episodes_contract, few_shot_contract
from meta_learners.learner import CLASSES, FewShotKind
from meta_learners.predictions import Logits
from meta_learners.problems.archive import Pool
from meta_learners.problems.grounds import Grounds, GroundSettings
from meta_learners.problems.niches import Niches, NicheSettings
from meta_learners.problems.scores import Scores, ScoreSettings, Table
from meta_learners.registry import any_kind, learner_names, make_family, make_few_shot
from meta_learners.training.few_shot_test import FewShotProtocol, few_shot_figures


def niches(**settings):
    genomes = {split: [environments.FLAT.genome, environments.HARD.genome] for split in Niches.splits}
    domain = find_domain("walker2d")
    chosen = NicheSettings(ways=3, courses=6, classes=4, queries=2, **settings)
    return Niches(chosen, Pool(genomes, domain, domain.encoding("parametric", {}), chosen.classes))


def grounds(**settings):
    """Two CPPNs' and their children's."""
    encoding = find_domain("walker2d").encoding("cppn", {})
    rng = np.random.default_rng(0)
    first = encoding.mutate(encoding.initial(), rng)
    genomes = {split: [encoding.mutate(first, rng) for _ in range(2)] for split in Grounds.splits}
    return Grounds(GroundSettings(courses=3, **settings), Pool(genomes, find_domain("walker2d"), encoding, 3))


def scores():
    """Nine agents in ten environments, some of them untried."""
    generator = torch.Generator().manual_seed(0)
    tables = {}
    for split in Scores.splits:
        present = torch.rand(9, 10, generator=generator) < 0.9
        tables[split] = Table(torch.randn(9, 10, generator=generator) * 50 + 200, present)
    return Scores(ScoreSettings(shots=2, queries=3), torch.randn(10, 7, generator=generator), tables)


def test_parametric_ground_has_as_many_courses_as_the_other_kind_where_nothing_is_filled_up():
    """With a single one in training, and another in the test, it is no kind that a learner could find."""
    pool = grounds()._pool
    bare = Grounds(GroundSettings(courses=0, parametric=1.0), Pool(pool.genomes, pool.domain, pool.encoding, 0))
    assert len(bare._parametric("train")) == bare.courses("train") == 2
    assert len(grounds(parametric=1.0)._parametric("train")) == 3


def test_ground_is_told_without_the_obstacles_that_fall_on_it_at_random():
    bare, obstacles = grounds(), {"parametric": {"pit_gap": [2.0, 4.0], "stump_height": [1.0, 2.0]}}
    genomes = {split: [{**each, **obstacles} for each in bare._pool.genomes[split]] for split in Grounds.splits}
    encoding = find_domain("walker2d").encoding("cppn", {"obstacles": ["pit", "stump"]})
    other = Grounds(GroundSettings(courses=2), Pool(genomes, find_domain("walker2d"), encoding, 2))
    course = genomes["train"][0]
    strewn, plain = (other._pool.sketch(each, 0).ground[:, 1] for each in (course, {"cppn": course["cppn"]}))
    assert np.abs(strewn - plain).max() > 1  # m: there are pits in it
    assert torch.equal(other._raw("train"), bare._raw("train")[:2])


def test_ground_comes_in_order_of_birth_where_it_is_asked_for_and_each_course_once():
    family = grounds(births=True, noise=0.0)
    heights = family._heights("train")
    for number, wanted in enumerate([[0, 1], [2]]):
        batch = family.turn(number, 2, (number,))
        places = ((batch.query.inputs[..., 0] + 1) / 2 * (heights.shape[1] - 1)).round().long()
        assert torch.allclose(batch.query.targets[..., 0], heights[wanted].gather(1, places))
    with pytest.raises(SplitError, match="each of the 3 training courses of grounds has had its turn; take at most 2 "):
        family.turn(2, 2, (2,))
    assert grounds().turn(0, 2, (0,)) is None


def test_scores_rivals_add_an_agent_to_an_environment():
    """Where scores are such sums, the second rival is right and the first is not."""
    generator = torch.Generator().manual_seed(0)
    sums = torch.randn(9, 1, generator=generator) + torch.randn(1, 10, generator=generator)
    tables = {split: Table(sums, torch.ones(9, 10, dtype=torch.bool)) for split in Scores.splits}
    family = Scores(ScoreSettings(), torch.randn(10, 7, generator=generator), tables)
    batch = family.draw(20, "test", (0,))
    found = {name: (each.mean - batch.query.targets).abs().max() for name, each in family.rivals(batch).items()}
    assert found["environment and agent added"] < 1e-5
    assert found["mean of the environment"] > 0.1
    assert isinstance(family, Rivalled)


def test_too_few_scores_are_refused_with_how_many_there_are():
    family = scores()
    with pytest.raises(SplitError, match="no agent of split train was tried in 40 environments, but in 1"):
        Scores(ScoreSettings(shots=20, queries=20), family._figures, family._tables).draw(1, "train", (0,))


TestSinusoids = episodes_contract(lambda: make_family("sinusoids"))
TestCurves = episodes_contract(lambda: make_family("curves", {"queries": 5}))
TestNiches = episodes_contract(niches)


TestNearestNiches = episodes_contract(lambda: niches(nearest=True))
TestGrounds = episodes_contract(grounds)
TestGroundsBesideParametricOnes = episodes_contract(lambda: grounds(parametric=0.5))
TestScores = episodes_contract(scores)
TestSets = episodes_contract(lambda: make_family("sets", {"shots": 8, "queries": 4}))
TestRecall = episodes_contract(lambda: make_family("recall", {"bits": 20}))
TestQuadratics = episodes_contract(lambda: make_family("quadratics"))


def omniglot():
    """Take the user's files, which the repository does not have."""
    folder = os.environ.get("POET_OMNIGLOT")
    if not folder:
        pytest.skip("POET_OMNIGLOT names no folder of Omniglot's files")
    return make_family("omniglot", {"size": 14}, Source(data=Path(folder)))


TestOmniglot = episodes_contract(omniglot)


def learner(name, family=None, **settings):
    return few_shot_contract(lambda tasks: make_few_shot(name, tasks, {"width": 8, **settings}), family)


IMAGES, CURVES = Blobs((1, 8, 8)), Blobs((3, 12))

TestPrototypical = learner("prototypical", IMAGES)
TestMatching = learner("matching")
TestSiamese = learner("siamese")
TestRelation = learner("relation", CURVES)
TestRidge = learner("ridge", penalty=1.0)
TestGoodEmbedding = learner("good-embedding")
TestGraph = few_shot_contract(
    lambda tasks: make_few_shot("graph", tasks, {"width": 8, "units": 8, "layers": 2}), numbered=True
)
TestARC = learner("arc", IMAGES, glimpses=2, side=3)


def process(name, **settings):
    settings = {"units": 8, **settings}
    return few_shot_contract(lambda family: make_few_shot(name, family, settings), Lines())


TestCNP = process("cnp")
TestNP = process("np", draws=3)
TestANP = process("anp", heads=2, draws=3)
TestNPBesideTheMean = process("np", draws=3, beside=True, anneal_over=3)
TestANPOfBlocks = process("anp", heads=2, draws=3, blocks=1, context_blocks=1, waves=2, period=4.0)


def network(family, units):
    """Give the size of the network that is chosen for a family: filters of convolutions, or units of a layer."""
    return {"hidden": [units]} if len(family.input_shape) == 1 else {"width": units}


def gradient(name, family=None):
    def make(tasks):
        return make_few_shot(name, tasks, {**network(tasks, 8), "inner_steps": 2})

    return few_shot_contract(make, family or Lines(), numbered=True)


TestMAML = gradient("maml")
TestFOMAML = gradient("fomaml")
TestMetaSGD = gradient("meta-sgd")
TestMetaSGDOfClasses = gradient("meta-sgd", Blobs())
TestMetaCurvature = gradient("meta-curvature")
TestMetaCurvatureOfClasses = gradient("meta-curvature", Blobs())
TestTNet = gradient("t-net")
TestMTNet = gradient("mt-net")
TestReptile = gradient("reptile")
TestANIL = gradient("anil")
TestANILOfImages = gradient("anil", IMAGES)
TestMTNetOfCurves = gradient("mt-net", CURVES)
TestMetaCurvatureOfCurves = gradient("meta-curvature", CURVES)


TestIMAML = gradient("imaml")
TestIMAMLOfClasses = gradient("imaml", Blobs())


def adapting(name, family=None, **settings):
    def make(tasks):
        return make_few_shot(name, tasks, {**network(tasks, 6), "inner_steps": 2, **settings})

    return few_shot_contract(make, family or Lines(), numbered=True)


TestABML = adapting("abml", draws=3)
TestABMLOfClasses = adapting("abml", Blobs(), draws=3)
TestBMAML = adapting("bmaml", particles=3)
TestBMAMLOfClasses = adapting("bmaml", Blobs(), particles=3)
TestFTML = adapting("ftml", updates=2)
TestFTMLOfClasses = adapting("ftml", Blobs(), updates=2)
TestLLAMA = adapting("llama")
TestLLAMAOfClasses = adapting("llama", Blobs())
TestLLAMAOfCurves = adapting("llama", CURVES)
TestMixture = adapting("mixture", starts=3, first=2)
TestMixtureOfItsOwnNoise = adapting("mixture", starts=3, first=2, own_noise=True)
TestMixtureOfClasses = adapting("mixture", Blobs(), starts=3, first=2)
TestPLATIPUS = adapting("platipus", draws=3)
TestPLATIPUSOfClasses = adapting("platipus", Blobs())
TestWarpGrad = adapting("warpgrad")
TestWarpGradOfCurves = adapting("warpgrad", CURVES)


def statistician(family, **settings):
    settings = {"units": 8, "context": 4, "latent": 2, **settings}
    return few_shot_contract(lambda tasks: make_few_shot("neural-statistician", tasks, settings), family)


TestStatistician = statistician(Lines(), draws=3)
TestStatisticianOfClasses = statistician(Blobs(), width=8)
TestStatisticianOfSequences = statistician(CURVES, width=8, before=4)


def sequential(name, family=None, **settings):
    """Learners that read examples one after another."""
    return few_shot_contract(lambda tasks: make_few_shot(name, tasks, settings), family, ordered=True, numbered=True)


TestSNAIL = sequential("snail", IMAGES, width=8, filters=4, keys=4)
TestSNAILOfNumbers = sequential("snail", Lines(), width=8, filters=4, keys=4)
TestMANN = sequential("mann", width=8, units=8, rows=6, row_size=4, reads=2)
TestMANNThatBinds = sequential("mann", width=8, units=8, rows=6, row_size=8, reads=2)
TestMANNOfNumbers = sequential("mann", Lines(), width=8, units=8, rows=6, row_size=4, reads=2)
TestMetaNetworks = few_shot_contract(lambda tasks: make_few_shot("meta-networks", tasks, {"width": 8}), numbered=True)
TestHypernetwork = learner("hypernetwork", CURVES, units=8)
TestHypernetworkOfNumbers = learner("hypernetwork", Lines(), units=8)


def optimiser(name, family=None, **settings):
    def make(tasks):
        return make_few_shot(name, tasks, {**network(tasks, 6), "steps": 3, "window": 3, **settings})

    return few_shot_contract(make, family or Lines(), numbered=True)


TestLSTMOptimiser = optimiser("lstm-optimiser", units=4, window=2)
TestLSTMOptimiserOfClasses = optimiser("lstm-optimiser", Blobs(), units=4)
TestHierarchicalOptimiser = optimiser("hierarchical-optimiser", levels=[4, 4, 4], window=2)
TestMetaLSTM = optimiser("meta-lstm", units=4)
TestMetaLSTMOfCurves = optimiser("meta-lstm", CURVES, units=4, width=2)


def plastic(name, family=None, **settings):
    known = {"width": 8, **settings}
    return few_shot_contract(
        lambda tasks: make_few_shot(name, tasks, known), family, ordered=name != "fast-weight-programmer", numbered=True
    )


TestPlasticity = plastic("plasticity", CURVES)
TestPlasticityOfNumbers = plastic("plasticity", Lines(), width=0)
TestFastWeights = plastic("fast-weights", units=6)
TestFastWeightProgrammer = plastic("fast-weight-programmer", units=6)
TestParametricRule = plastic("parametric-rule")
TestParametricRuleOfNumbers = plastic("parametric-rule", Lines())


ON_CUDA = {
    "prototypical": (IMAGES, {"width": 8}),
    "maml": (Lines(), {"hidden": [8], "inner_steps": 2}),
    "imaml": (Lines(), {"hidden": [8], "inner_steps": 2}),
    "anp": (Lines(), {"units": 8, "heads": 2, "draws": 3}),
    "lstm-optimiser": (Lines(), {"hidden": [6], "steps": 3, "window": 3, "units": 4}),
    "fast-weights": (Blobs(), {"width": 8, "units": 6}),
    "hypernetwork": (CURVES, {"width": 8, "units": 8}),
    "neural-statistician": (CURVES, {"width": 8, "units": 8, "context": 4, "latent": 2, "before": 4}),
}


def step_and_tell(name, device):
    """Give the figures of a meta-step, and what the learner says of new tasks after it."""
    family, settings = ON_CUDA[name]
    learner = make_few_shot(name, family, settings, device=device)
    figures = learner.meta_step(family.draw(3, "train", (1,)), (1,))
    told = learner.predict(family.draw(3, "train", (2,)), (2,))
    numbers = told.logits.log_softmax(-1) if isinstance(told, Logits) else told.mean
    return figures, numbers


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ON_CUDA)
def test_on_cuda_it_learns_and_tells_what_it_does_on_the_cpu(name):
    prepare_device("cuda")
    (figures, told), (expected, wanted) = (step_and_tell(name, device) for device in ("cuda", "cpu"))
    assert told.is_cuda
    assert figures == pytest.approx(expected, rel=1e-3, abs=1e-3)
    torch.testing.assert_close(told.cpu(), wanted, rtol=1e-2, atol=1e-2)


class Broken:
    """A learner with one fault; what is not about the fault is as it was."""

    def __init__(self, sound):
        self._sound = sound

    def __getattr__(self, name):
        return getattr(self._sound, name)


class Peeks(Broken):
    """Knows the queries' classes."""

    def predict(self, batch, key):
        return Logits(torch.nn.functional.one_hot(batch.query.targets, batch.ways).float())


class LooksAtTheFirst(Broken):
    """Forgets all but the first examples."""

    def predict(self, batch, key):
        support = batch.support
        return self._sound.predict(replace(batch, support=Examples(support.inputs[:, :3], support.targets[:, :3])), key)


class Compares(Broken):
    """Tells a query beside the mean of all."""

    def predict(self, batch, key):
        inputs = batch.query.inputs - batch.query.inputs.mean(1, keepdim=True)
        return self._sound.predict(replace(batch, query=replace(batch.query, inputs=inputs)), key)


class Learns(Broken):
    """Learns while it predicts."""

    def predict(self, batch, key):
        self._sound.meta_step(batch, key)
        return self._sound.predict(batch, key)


@pytest.mark.parametrize(
    ("kind", "check", "words"),
    [
        (Peeks, "test_the_queries_targets_never_change_a_prediction", "with other targets of the queries"),
        (LooksAtTheFirst, "test_the_order_of_the_support_makes_no_difference", "of another order"),
        (Compares, "test_what_else_is_asked_does_not_change_a_prediction", "of fewer queries"),
        (Learns, "test_predicting_leaves_the_learner_as_it_is", "the learner as it was"),
    ],
)
def test_a_broken_learner_fails_the_check_that_is_about_its_fault(kind, check, words):
    made = few_shot_contract(lambda family: kind(make_few_shot("prototypical", family, {"width": 8})))
    found = failures(made, [check])
    assert words in found.get(check, ""), found


class Runs(Blobs):
    """Three tasks are published."""

    def published(self, split):
        return 3


def test_published_tasks_are_judged_once_however_many_are_asked_for():
    learner = make_few_shot("prototypical", Runs(), {"width": 8})
    found = few_shot_figures(learner, Runs(), FewShotProtocol(split="train", alone_tasks=0), (0,))
    assert {len(values) for figures in found.values() for values in figures.values()} == {3}


FIXED = [
    name
    for name in learner_names()
    if isinstance(kind := any_kind(name), FewShotKind) and kind.fixed_ways and CLASSES in kind.takes
]


@pytest.mark.parametrize("name", ["maml", "snail", *FIXED])
def test_a_learner_of_so_many_classes_refuses_tasks_of_others_in_training_too(name):
    learner, batch = make_few_shot(name, Blobs(ways=3), {}), Blobs(ways=4).draw(2, "train", (1,))
    for take in (learner.meta_step, learner.predict):
        with pytest.raises(ValueError, match="tasks have 4 classes; this learner was made for 3"):
            take(batch, (0,))
