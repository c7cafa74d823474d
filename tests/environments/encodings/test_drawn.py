"""Courses that are drawn: what lies where, what is refused, and courses of other encodings as points and boxes."""

import numpy as np
import pytest

from environments.domain import Environment, find_domain
from environments.walker2d.terrain import START_HEIGHT, drawn_from, terrain_of

WALKER = find_domain("walker2d")
ENCODING = WALKER.encoding("drawn", {})


def drawn(ground=(), boxes=()):
    genome = {"ground": [list(each) for each in ground], "boxes": [list(each) for each in boxes]}
    return Environment(domain="walker2d", encoding="drawn", genome=genome, seed=0)


def test_points_and_boxes_lie_where_they_were_drawn():
    terrain = terrain_of(drawn([(20.0, 1.0), (30.0, -2.0)], [(40.0, 0.5, 2.0, 0.25)]))
    x, y = terrain.ground.T
    assert (np.diff(x) > 0).all()
    heights = np.interp([5.0, 14.666, 20.0, 25.0, 30.0, 80.0], x, y) - START_HEIGHT
    # Level on the pad, which ends at 9.333 m; straight from there to the first point; level after the last.
    assert heights == pytest.approx([0.0, 0.5, 1.0, -0.5, -2.0, -2.0], abs=1e-3)
    corners = [(40.0, 0.5), (42.0, 0.5), (42.0, 0.75), (40.0, 0.75)]
    assert terrain.boxes.tolist() == [[[x, START_HEIGHT + y] for x, y in corners]]


def test_the_seed_of_the_terrain_changes_nothing():
    one, other = drawn([(20.0, 1.0)]), Environment(**{**vars(drawn([(20.0, 1.0)])), "seed": 9})
    assert np.array_equal(terrain_of(one).ground, terrain_of(other).ground)


@pytest.mark.parametrize(
    ("genome", "words"),
    [
        ({"ground": []}, "a drawn course has ground and boxes"),
        ({"ground": [[5.0, 0.0]], "boxes": []}, r"x of a point of the ground is 5 m; it must lie in \[9.333, 92.867\]"),
        ({"ground": [[20.0, 9.0]], "boxes": []}, r"height of the ground at 20 m is 9 m"),
        ({"ground": [[20.0, 0.0], [20.01, 0.0]], "boxes": []}, "x must rise by 0.02 m"),
        ({"ground": [], "boxes": [[20.0, 0.0, 0.0, 1.0]]}, "width of a box is 0 m"),
        ({"ground": [], "boxes": [[20.0, 0.0, 1.0]]}, "a list of 4 numbers"),
        ({"ground": [], "boxes": [[20.0, 0.0, 1.0, True]]}, "a list of 4 numbers"),
        ({"ground": [[20.0, 0.0]] * 241, "boxes": []}, "at most 240"),
        ({"ground": [], "boxes": [[20.0, float("inf"), 1.0, 1.0]]}, "lower edge of a box is inf m"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name_and_bounds(genome, words):
    with pytest.raises(ValueError, match=words):
        ENCODING.check(genome)


@pytest.mark.parametrize("seed", range(4))
def test_any_course_becomes_points_and_boxes_of_the_same_ground(seed):
    genome = {
        "roughness": 2.0,
        "pit_gap": [0.4, 3.3],
        "stump_height": [0.4, 2.0],
        "stair_height": [0.4, 1.0],
        "stair_steps": 3,
    }
    course = Environment(domain="walker2d", encoding="parametric", genome=genome, seed=seed)
    before, after = terrain_of(course), terrain_of(drawn_from(course))
    places = np.linspace(0, 92, 4000)
    heights = [np.interp(places, *terrain.ground.T) for terrain in (before, after)]
    # Past a pit's far wall, which is steep, a point may give way: there by centimetres along x.
    assert np.median(np.abs(heights[0] - heights[1])) < 1e-3
    assert np.mean(np.abs(heights[0] - heights[1]) > 0.03) < 0.01
    assert np.allclose(before.boxes.min(axis=1)[: len(after.boxes)], after.boxes.min(axis=1), atol=1e-3)
    assert drawn_from(drawn_from(course)) == drawn_from(course)


def test_profile_tells_ground_and_boxes_apart_and_level_ground_is_the_origin():
    assert not ENCODING.vector(drawn().genome).any()
    box, hill = drawn(boxes=[(30.0, 0.0, 2.0, 1.0)]), drawn([(30.0, 0.0), (31.0, 1.0), (32.0, 1.0), (33.0, 0.0)])
    halves = [np.abs(ENCODING.vector(each.genome)).reshape(2, -1).sum(axis=1) for each in (box, hill)]
    assert halves[0][0] == 0
    assert halves[0][1] > 0
    assert halves[1][0] > 0
    assert halves[1][1] == 0
    thin = drawn(boxes=[(30.0, 0.0, 0.05, 1.0)])
    assert ENCODING.vector(thin.genome).any()  # between two places, and yet not overlooked
