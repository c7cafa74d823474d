import numpy as np
import pytest

from environments.difficulty import difficulty_of, level_vectors_of
from environments.domain import Batch, Environment, find_domain
from environments.encodings.parametric import ParametricGenome
from environments.suites import homes_of, suites_of
from environments.walker2d.suites import COURSES, LEVELS
from environments.walker2d.terrain import START_HEIGHT, STEP, express_track, terrain_of

WALKER = [
    ("BipedalWalker-v3", {"roughness": 1}),
    ("Stairs", {"stair_height": (2, 2), "stair_steps": 5}),
    ("PitGap", {"pit_gap": (5, 5)}),
    ("StumpHeight", {"stump_height": (2, 2)}),
    ("Roughness", {"roughness": 5}),
]


def suite(name, domain="walker2d"):
    return suites_of(domain)[name]().levels


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


@pytest.mark.parametrize("name", LEVELS)
def test_every_level_can_be_walked_and_is_the_same_each_time(name):
    domain = find_domain("walker2d")
    theta = np.zeros((1, domain.controller.parameters), dtype=np.float32)
    levels, again = suite(name), suite(name)
    assert [level.environment.id for level in levels] == [level.environment.id for level in again]
    for level in levels[:: max(len(levels) // 12, 1)]:
        assert len(terrain_of(level.environment).ground) == 200
        done = domain.run(Batch.of(theta, level.environment, np.zeros(1, dtype=np.uint64)), episode_limit=3)
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


def test_a_domain_has_its_own_suites_or_none():
    assert list(homes_of("walker")) == ["walker2d", "walker2d-published"]
    assert list(homes_of("moon")) == []
    assert suites_of("hexapod3d") == {}


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


def test_level_vectors_list_genes_in_dcds_order_with_stairs_where_one_course_has_them():
    genome = {"roughness": 1.5, "pit_gap": [0.4, 0.8], "stump_height": [0.2, 0.6]}
    bare = Environment(domain="walker2d", encoding="parametric", genome=genome, seed=77)
    steps = Environment(domain="walker2d", encoding="parametric", genome={"stair_height": [1, 2]}, seed=5)
    grown = Environment(domain="walker2d", encoding="cppn", genome={"cppn": {}}, seed=0)
    found = level_vectors_of([bare])
    assert found.columns == ("roughness", "pit_gap_lo", "pit_gap_hi", "stump_height_lo", "stump_height_hi", "seed")
    assert found.rows.tolist() == [[1.5, 0.4, 0.8, 0.2, 0.6, 77]]
    found = level_vectors_of([bare, steps])
    assert found.columns[-4:] == ("stair_height_lo", "stair_height_hi", "stair_steps", "seed")
    assert found.rows.tolist() == [[1.5, 0.4, 0.8, 0.2, 0.6, 0, 0, 0, 77], [0, 0, 0, 0, 0, 1, 2, 1, 5]]
    assert level_vectors_of([bare, grown]) is None
