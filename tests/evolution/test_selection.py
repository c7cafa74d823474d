"""Minimal criterion, novelty and reproduction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from environments.domain import Environment
from environments.encodings.parametric import ParametricEncoding
from evolution.minimal_criterion import MinimalCriterion, Verdict
from evolution.novelty import novelty, pata_ec
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
    assert novelty(vector, archive, 5) == pytest.approx(sum(nearest) / len(nearest))


def test_what_is_already_there_is_not_novel():
    assert novelty(np.ones(3), np.ones((5, 3)), 5) == 0


def test_novelty_refuses_an_archive_of_another_dimension():
    with pytest.raises(ValueError, match=r"archive has shape \(2, 4\); it must be \(n, 3\)"):
        novelty(np.ones(3), np.ones((2, 4)), 5)


SCORES = arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(2, 6)), elements=st.floats(-150, 350))
BOUNDS = MinimalCriterion(lower=50, upper=300)


@given(scores=SCORES, power=st.sampled_from([1 / 3, 1, 3]), seed=st.integers(0, 2**32 - 1))
def test_pata_ec_is_unchanged_by_any_monotone_rescaling_within_the_bounds(scores, power, seed):
    # Coarse scores, so that rescaling cannot make two of them meet; those outside the bounds may go anywhere outside.
    scores = np.round(scores)
    share = np.clip((scores - 50) / 250, 0, 1)
    strangers = np.random.default_rng(seed).uniform(0, 100, scores.shape)
    rescaled = np.where(scores < 50, 50 - strangers, np.where(scores > 300, 300 + strangers, 50 + 250 * share**power))
    assert np.array_equal(pata_ec(rescaled, BOUNDS), pata_ec(scores, BOUNDS))


@given(scores=SCORES)
def test_pata_ec_distances_are_symmetric_and_zero_on_self(scores):
    places = pata_ec(scores, BOUNDS)
    distances = np.array([[novelty(one, other[None], 1) for other in places] for one in places])
    assert np.array_equal(distances, distances.T)
    assert not np.diag(distances).any()


@given(scores=SCORES)
def test_pata_ec_lies_between_minus_and_plus_a_half_and_is_centred(scores):
    places = pata_ec(scores, BOUNDS)
    assert places.shape == scores.T.shape
    assert np.abs(places).max() <= 0.5
    assert places.sum(axis=1) == pytest.approx(0, abs=1e-9)


def test_pata_ec_of_a_worked_example():
    # Two environments, four agents: -100 and 40 both fail, 310 and 400 both find it too easy.
    scores = np.array([[-100.0, 200.0], [40.0, 100.0], [310.0, 60.0], [400.0, 250.0]])
    expected = [[0.5 / 3 - 0.5, 0.5 / 3 - 0.5, 2.5 / 3 - 0.5, 2.5 / 3 - 0.5], [2 / 3 - 0.5, 1 / 3 - 0.5, -0.5, 0.5]]
    assert pata_ec(scores, BOUNDS) == pytest.approx(np.array(expected))


def test_pata_ec_of_a_single_agent_makes_all_environments_equal():
    assert np.array_equal(pata_ec(np.array([[10.0, 100.0, 400.0]]), BOUNDS), np.zeros((3, 1)))


def test_reproduction_is_due_every_so_often_but_never_at_the_start():
    settings = ReproductionSettings(every=200)
    assert [iteration for iteration in range(801) if settings.due(iteration)] == [200, 400, 600, 800]


def children_of(parents, **settings):
    return bear_children(parents, lambda parent: ParametricEncoding(), ReproductionSettings(**settings), 5, 200)


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
