"""Patterns to complete: what Hopfield's rule, which learns nothing over tasks, recalls of half of each."""

from __future__ import annotations

from benchmarks.known_answers.answer import Answer
from meta_learners.registry import make_family


def run(*, short: bool, seed: int, device: str) -> list[Answer]:
    """Measure the share of wrong bits in the two published sizes."""
    answers = []
    for settings in ({"shots": 5, "bits": 1000}, {"shots": 2, "bits": 50}):
        family = make_family("recall", settings)
        batch = family.draw(50 if short else 500, "test", (seed,))
        told = family.rivals(batch)["Hopfield's rule"].mean
        wrong = float((told != batch.query.targets).float().mean())
        name = f"recall: Hopfield's rule, {settings['shots']} patterns of {settings['bits']} bits, share wrong"
        answers += [Answer(name, wrong, 0.0, "equal", 0.001, "", "computed")]
    return answers
