"""Telling a niche by a stretch of 60 points of its ground: 5 classes, 1 example of each.

Parametric genomes in lines of descent from the root, without selection, whole lines held out. What is to be beaten is
seven statistics that a person would measure; what was reached before, of other genomes of the same kind, is beside.
"""

from __future__ import annotations

import numpy as np

from benchmarks.known_answers.answer import Answer
from benchmarks.known_answers.learning import measured, taught
from environments.domain import find_domain
from environments.tasks.curriculum import SPLITS
from meta_learners.problems.archive import Pool
from meta_learners.problems.niches import Niches, NicheSettings

GENOMES, SHORT_GENOMES = 100, 20  # of each split
CHAINS, LENGTH = 4, 25  # lines of descent of each split, and mutations in each
LEARNERS = ("prototypical", "matching", "siamese", "relation", "ridge", "good-embedding", "graph")
RAW, HAND, LEARNED, NEAREST_LEARNED = 0.231, 0.454, 0.827, 0.618  # measured earlier, of 101 genomes held out
OURS = "computed earlier with our courses, other genomes"


def family(genomes: int, *, nearest: bool = False) -> Niches:
    """Breed genomes, and make tasks of them."""
    domain = find_domain("walker2d")
    encoding = domain.encoding("parametric", {})
    rng, split = np.random.default_rng(0), {}
    for name in SPLITS:
        split[name] = []
        for _ in range(CHAINS):
            child = encoding.initial()
            for number in range(LENGTH):
                child = encoding.mutate(child, rng)
                if number % (CHAINS * LENGTH // genomes) == 0:
                    split[name].append(child)
    settings = NicheSettings(courses=12, classes=genomes, nearest=nearest)
    return Niches(settings, Pool(split, domain, encoding, genomes))


def run(*, short: bool, seed: int, device: str) -> list[Answer]:
    """Train each learner, and measure it on genomes of other branches."""
    steps = 120 if short else 800
    problem = family(SHORT_GENOMES if short else GENOMES)
    answers = []
    for name in LEARNERS[:1] if short else LEARNERS:
        learner = taught(name, problem, {"width": 32}, steps=steps, tasks=8, seed=seed, device=device)
        found = measured(learner, problem, "accuracy", tasks=400)
        hand = found["seven statistics by hand"]
        if not answers:
            answers += [Answer("niches: seven statistics by hand, accuracy", hand, HAND, "beside", 0, OURS, "computed")]
        aim, target = ("nearest raw example", RAW) if short else ("statistics by hand", hand)
        answers += [Answer(f"niches: {name}, accuracy ({aim})", found[name], target, "higher")]
        if not short:
            answers += [Answer(f"niches: {name}, accuracy", found[name], LEARNED, "beside", 0, OURS, "computed")]
    if not short:
        close = family(GENOMES, nearest=True)
        learner = taught("prototypical", problem, {"width": 32}, steps=steps, tasks=8, seed=seed, device=device)
        found = measured(learner, close, "accuracy", tasks=400)
        label = "niches: prototypical, accuracy among the five nearest genomes"
        answers += [Answer(label, found["prototypical"], NEAREST_LEARNED, "beside", 0, OURS, "computed")]
    return answers
