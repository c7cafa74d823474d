"""Fields that are painted: what lies where, what is refused, and fields of other encodings as heights."""

import re

import numpy as np
import pytest

pytest.importorskip("pybullet")

from environments.domain import Environment, find_domain
from environments.hexapod3d.expression import drawn_from, terrain_of

HEXAPOD = find_domain("hexapod3d")
ENCODING = HEXAPOD.encoding("drawn", {})
ROW = [0] * 20 + [150] * 9 + [0] * 20


def painted(heights, seed=0):
    return Environment(domain="hexapod3d", encoding="drawn", genome={"heights": heights}, seed=seed)


def test_heights_lie_where_they_were_painted_and_the_start_pad_stays_level():
    terrain = terrain_of(painted([ROW, [], ROW]))
    along, across = np.array([0.9, 1.0, 1.1, 0.8, 0.0]), np.zeros(5)
    np.testing.assert_allclose(terrain.height_at(along, across), [0.15, 0.0, 0.15, 0.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(terrain.height_at(np.full(3, 0.9), np.array([-0.5, 0.5, 0.4])), [0, 0, 0.15], atol=1e-6)
    assert np.array_equal(terrain_of(painted([ROW], seed=9)).heights, terrain_of(painted([ROW])).heights)


@pytest.mark.parametrize(
    ("genome", "words"),
    [
        ({}, "a drawn field has heights"),
        ({"heights": [], "boxes": []}, "a drawn field has heights"),
        ({"heights": "high"}, "a list of at most 88 rows"),
        ({"heights": [[]] * 89}, "a list of at most 88 rows"),
        ({"heights": [[], [1, 2]]}, "row 1 of heights is [1, 2]; it must be 49 heights"),
        ({"heights": [[*ROW[1:], 4001]]}, "row 0 of heights has 4001"),
        ({"heights": [[*ROW[1:], 0.5]]}, "row 0 of heights has 0.5"),
        ({"heights": [[*ROW[1:], True]]}, "whole number of mm in [-4000, 4000]"),
        ({"heights": [[*ROW[1:], 10**400]]}, "row 0 of heights has 1000"),
    ],
)
def test_what_cannot_be_painted_is_refused_by_row_and_bounds(genome, words):
    with pytest.raises(ValueError, match=re.escape(words)) as refused:
        ENCODING.check(genome)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("name", ["hexapod3d", "hexapod3d-joints"])
def test_any_field_can_be_painted_over_and_is_the_same_to_half_a_millimetre(name):
    genome = {"bumps": 0.1, "hills": 1.5, "slope": 0.7, "step_height": [0.1, 0.5], "gap_width": [0.1, 0.5]}
    field = Environment(domain=name, encoding="parametric", genome=genome, seed=3)
    drawn = drawn_from(field)
    away = np.abs(terrain_of(drawn).heights - terrain_of(field).heights)
    assert 0 < away.max() <= 0.000501
    assert drawn_from(drawn) == drawn
    assert HEXAPOD.difficulty(drawn).score == pytest.approx(HEXAPOD.difficulty(field).score, abs=0.001)


def test_a_genome_is_as_short_as_it_can_be_and_a_childs_place_is_near_its_parents():
    assert ENCODING.written(ENCODING.heights({"heights": [ROW, [0] * 49, []]})) == {"heights": [ROW]}
    level, rng = ENCODING.initial(), np.random.default_rng(1)
    assert not ENCODING.vector(level).any()
    parent = level
    for _ in range(60):
        child = ENCODING.mutate(parent, rng)
        step = np.linalg.norm(ENCODING.vector(child) - ENCODING.vector(parent))
        assert 0 < step < 1.5
        parent = child
    assert np.linalg.norm(ENCODING.vector(parent)) > 0.3
    assert ENCODING.describe(level) == "drawn: level"
    assert ENCODING.describe({"heights": [ROW]}) == "drawn: 0.1 m² from 0.00 to 0.15 m"
