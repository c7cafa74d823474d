"""Minimal criterion, novelty and reproduction."""

import numpy as np
import pytest

from environments.domain import Environment
from environments.encodings.parametric import ParametricEncoding
from evolution.minimal_criterion import MinimalCriterion, Verdict
from evolution.novelty import encoding_novelty
from evolution.reproduction import ReproductionSettings, bear_children

FLAT = Environment(domain="walker2d", encoding="parametric", genome=ParametricEncoding().initial(), seed=0)


@pytest.mark.parametrize(
    ("score", "verdict"),
    [(49.9, Verdict.TOO_HARD), (50, Verdict.MET), (300, Verdict.MET), (300.1, Verdict.TOO_EASY)],
)
def test_minimal_criterion_includes_the_papers_bounds(score, verdict):
    assert MinimalCriterion().verdict(score) is verdict


def test_minimal_criterion_needs_room_between_its_bounds():
    with pytest.raises(ValueError, match="lower is 300; it must be below upper, 300"):
        MinimalCriterion(lower=300, upper=300)


@pytest.mark.parametrize("size", [1, 3, 5, 40])
def test_novelty_is_the_mean_distance_to_the_five_nearest(size):
    rng = np.random.default_rng(size)
    vector, archive = rng.random(4), rng.random((size, 4))
    distances = sorted(sum((a - b) ** 2 for a, b in zip(vector, row, strict=True)) ** 0.5 for row in archive)
    nearest = distances[:5]
    assert encoding_novelty(vector, archive, 5) == pytest.approx(sum(nearest) / len(nearest))


def test_what_is_already_there_is_not_novel():
    assert encoding_novelty(np.ones(3), np.ones((5, 3)), 5) == 0


def test_novelty_refuses_an_archive_of_another_dimension():
    with pytest.raises(ValueError, match=r"archive has shape \(2, 4\); it must be \(n, 3\)"):
        encoding_novelty(np.ones(3), np.ones((2, 4)), 5)


def test_reproduction_is_due_every_so_often_but_never_at_the_start():
    settings = ReproductionSettings(every=200)
    assert [iteration for iteration in range(801) if settings.due(iteration)] == [200, 400, 600, 800]


def children_of(parents, **settings):
    return bear_children(parents, ParametricEncoding(), ReproductionSettings(**settings), 5, 200)


def test_parents_are_drawn_evenly():
    children = children_of([(niche, FLAT) for niche in range(4)], children=2000)
    counts = np.bincount([child.parent for child in children])
    assert counts.min() > 430
    assert counts.max() < 570


def test_children_are_one_mutation_away_with_terrain_of_their_own():
    children = children_of([(3, FLAT)], children=50)
    assert all(child.environment.genome["pit_gap"] == [0.0, 0.8] for child in children)
    seeds = [child.environment.seed for child in children]
    assert len(set(seeds)) == 50
    assert 0 <= min(seeds) <= max(seeds) < 10**6


def test_child_depends_on_its_number_and_not_on_how_many_are_born():
    assert children_of([(0, FLAT)], children=8)[:3] == children_of([(0, FLAT)], children=3)
