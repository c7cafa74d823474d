"""The suites that authors of few-shot families and learners run, over all of ours; broken ones fail the right check."""

import os

import environments
from environments.domain import find_domain
from meta_learners.few_shot_contracts import Blobs, episodes_contract, few_shot_contract
from meta_learners.problems.niches import Niches, NicheSettings
from meta_learners.registry import make_family, make_few_shot

OMNIGLOT = os.environ.get("POET_OMNIGLOT")


def niches(**settings):
    genomes = {split: [environments.FLAT.genome, environments.HARD.genome] for split in Niches.splits}
    domain = find_domain("walker2d")
    chosen = NicheSettings(ways=3, courses=6, classes=4, queries=2, **settings)
    return Niches(chosen, genomes, domain, domain.encoding("parametric", {}))


TestSinusoids = episodes_contract(lambda: make_family("sinusoids"))
TestCurves = episodes_contract(lambda: make_family("curves", {"queries": 5}))
TestNiches = episodes_contract(niches)


def learner(name, family=None, **settings):
    return few_shot_contract(lambda tasks: make_few_shot(name, tasks, {"width": 8, **settings}), family)


IMAGES, CURVES = Blobs((1, 8, 8)), Blobs((3, 12))

TestPrototypical = learner("prototypical", IMAGES)
TestMatching = learner("matching")
TestSiamese = learner("siamese")
TestRelation = learner("relation", CURVES)
TestRidge = learner("ridge", penalty=1.0)
TestGoodEmbedding = learner("good-embedding")
