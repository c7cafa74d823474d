import numpy as np
import pytest

from environments.difficulty import difficulty_of, level_vector
from environments.domain import Environment, find_domain
from environments.encodings.parametric import ParametricGenome
from environments.suites import COURSES, SUITES, suite
from environments.walker2d.terrain import START_HEIGHT, STEP, express_track, terrain_of

WALKER = [
    ("BipedalWalker-v3", {"roughness": 1}),
    ("Stairs", {"stair_height": (2, 2), "stair_steps": 5}),
    ("PitGap", {"pit_gap": (5, 5)}),
    ("StumpHeight", {"stump_height": (2, 2)}),
    ("Roughness", {"roughness": 5}),
]


@pytest.mark.parametrize(("terrain", "genes"), WALKER)
def test_walker_suite_has_the_published_parameters(terrain, genes):
    found = [level.environment for level in suite("walker") if level.terrain == terrain]
    assert len(found) == COURSES
    assert len({environment.seed for environment in found}) == COURSES
    for environment in found:
        assert ParametricGenome.from_json(environment.genome) == ParametricGenome(**genes)


def test_hardcore_courses_hold_every_obstacle_within_gymnasiums_bounds():
    steps = set()
    for level in suite("walker"):
        if level.terrain == "BipedalWalkerHardcore-v3":
            genome = ParametricGenome.from_json(level.environment.genome)
            assert (genome.stump_height, genome.stair_height) == ((1, 2), (1, 1))
            # A pit of Gymnasium's counter 3 or 4 spans 1 + U(lo, hi) steps here.
            assert (1 + genome.pit_gap[0], 1 + genome.pit_gap[1]) == (3, 4)
            steps.add(genome.stair_steps)
    assert steps == {3, 4}


def test_extremely_challenging_courses_are_so_by_the_papers_measure_and_all_differ():
    levels = suite("xchal")
    assert {difficulty_of(level.environment).name for level in levels} == {"extremely challenging"}
    assert len({level.environment.id for level in levels}) == len(levels) == 100


@pytest.mark.parametrize("name", SUITES)
def test_every_level_can_be_walked_and_is_the_same_each_time(name):
    domain = find_domain("walker2d")
    theta = np.zeros((1, domain.controller.parameters), dtype=np.float32)
    levels, again = suite(name), suite(name)
    assert [level.environment.id for level in levels] == [level.environment.id for level in again]
    for level in levels[:: max(len(levels) // 12, 1)]:
        assert len(terrain_of(level.environment).ground) == 200
        done = domain.rollout(theta, level.environment, np.zeros(1, dtype=np.uint64), episode_limit=3)
        assert done.lengths[0] == 3


def test_stump_track_puts_stumps_of_the_given_height_at_the_given_spacing():
    terrain = express_track({"height": 2.0, "spacing": 3.0}, 1)
    lefts, rights = terrain.boxes[:, 0, 0], terrain.boxes[:, 1, 0]
    np.testing.assert_allclose(lefts[1:] - rights[:-1], 3.0)
    np.testing.assert_allclose(rights - lefts, STEP)
    heights = (terrain.boxes[:, 2, 1] - START_HEIGHT) / STEP
    assert heights.mean() == pytest.approx(2.0, abs=0.1)
    assert 0.03 < heights.std() < 0.2
    assert (terrain.ground[:, 1] == START_HEIGHT).all()


@pytest.mark.parametrize(
    ("genome", "message"),
    [
        ({"height": 4, "spacing": 1}, r"height is 4; it must lie in \[0, 3\]"),
        ({"height": 1}, "a stump track has height and spacing"),
    ],
)
def test_wrong_stump_track_is_refused(genome, message):
    with pytest.raises(ValueError, match=message):
        express_track(genome, 0)


def test_unknown_suite_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="suite is 'moon'; suites are walker, high, xchal, poet, stump-tracks"):
        suite("moon")


@pytest.mark.parametrize(
    ("genome", "level"),
    [
        ({}, "easy"),
        ({"roughness": 4.4, "pit_gap": [6, 6]}, "challenging"),
        ({"roughness": 4.5, "pit_gap": [0, 6]}, "very challenging"),
        ({"roughness": 4.5, "pit_gap": [0, 6], "stump_height": [0, 2.4]}, "extremely challenging"),
    ],
)
def test_difficulty_counts_the_papers_thresholds(genome, level):
    environment = Environment(domain="walker2d", encoding="parametric", genome=genome, seed=0)
    assert difficulty_of(environment).name == level


def test_level_vector_lists_genes_in_dcds_order():
    genome = {"roughness": 1.5, "pit_gap": [0.4, 0.8], "stump_height": [0.2, 0.6], "stair_height": [1, 2]}
    environment = Environment(domain="walker2d", encoding="parametric", genome=genome, seed=77)
    assert level_vector(environment, stairs=False).tolist() == [1.5, 0.4, 0.8, 0.2, 0.6, 77]
    assert level_vector(environment, stairs=True).tolist() == [1.5, 0.4, 0.8, 0.2, 0.6, 1, 2, 1, 77]
