"""Telling a niche by a stretch of 60 points of its ground: 5 classes, 1 example of each.

Parametric genomes in lines of descent from the root, without selection, whole lines held out. What is to be beaten is
seven statistics that a person would measure; what was reached before, of other genomes of the same kind, is beside.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from benchmarks.known_answers.answer import Answer
from benchmarks.known_answers.learning import UNTAUGHT, mean_of, measured, taught
from environments.domain import find_domain
from environments.tasks.curriculum import SPLITS
from meta_learners.few_shot.alone import alone
from meta_learners.few_shot.rivals import nearest
from meta_learners.keys import Stream
from meta_learners.problems.archive import Pool
from meta_learners.problems.niches import Niches, NicheSettings

GENOMES, SHORT_GENOMES = 100, 20  # of each split
ALONE, WAYS = 100, 5  # tasks on each of which a network is trained alone, and classes of each
STEPS = 800  # meta-steps
CHAINS, LENGTH = 4, 25  # lines of descent of each split, and mutations in each
LEARNERS = ("prototypical", "matching", "siamese", "relation", "ridge", "good-embedding", "graph")
BLACK_BOX = ("hypernetwork", "meta-networks")
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
    if short:
        return of_learners(LEARNERS[:1], family(SHORT_GENOMES), 120, seed, device, short=True)
    return [answer for part in PARTS.values() for answer in part(seed, device)]


def anchors(seed: int, device: str) -> list[Answer]:
    """Measure what knows nothing of other niches: the nearest raw example, and a network trained on each task alone."""
    batch = family(GENOMES).draw(ALONE, "test", (UNTAUGHT, Stream.TASKS)).to(device)
    by = {"nearest raw example": nearest(batch), "trained on each task alone": alone(batch, (seed,))}
    of, found = f"niches, {ALONE} tasks", {name: mean_of(each, batch.query, "accuracy") for name, each in by.items()}
    return [
        Answer(f"{of}: {name}, accuracy (chance)", each, 1 / WAYS, "beside", 0, "", "computed")
        for name, each in found.items()
    ]


def among_nearest(seed: int, device: str) -> list[Answer]:
    """Train on any genomes, and measure where all five are near each other."""
    learner = taught("prototypical", family(GENOMES), {"width": 32}, steps=STEPS, tasks=8, seed=seed, device=device)
    found = measured(learner, family(GENOMES, nearest=True), "accuracy", tasks=400)
    label = "niches: prototypical, accuracy among the five nearest genomes"
    return [Answer(label, found["prototypical"], NEAREST_LEARNED, "beside", 0, OURS, "computed")]


def of_learners(
    names: Sequence[str], problem: Niches, steps: int, seed: int, device: str, *, short: bool = False
) -> list[Answer]:
    """Measure learners, by name, beside what a person would measure."""
    answers: list[Answer] = []
    for name in names:
        learner = taught(name, problem, {"width": 32}, steps=steps, tasks=8, seed=seed, device=device)
        found = measured(learner, problem, "accuracy", tasks=400)
        hand = found["seven statistics by hand"]
        if not answers:
            answers += [Answer("niches: seven statistics by hand, accuracy", hand, HAND, "beside", 0, OURS, "computed")]
        aim, target = ("nearest raw example", RAW) if short else ("statistics by hand", hand)
        answers += [Answer(f"niches: {name}, accuracy ({aim})", found[name], target, "higher")]
        if not short:
            answers += [Answer(f"niches: {name}, accuracy", found[name], LEARNED, "beside", 0, OURS, "computed")]
            print(answers[-1], file=sys.stderr, flush=True)
    return answers


PARTS: Mapping[str, Callable[[int, str], list[Answer]]] = {
    "anchors": anchors,
    "metric": lambda seed, device: of_learners(LEARNERS, family(GENOMES), STEPS, seed, device),
    "black-box": lambda seed, device: of_learners(BLACK_BOX, family(GENOMES), STEPS, seed, device),
    "nearest": among_nearest,
}
