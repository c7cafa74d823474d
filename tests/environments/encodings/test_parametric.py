import json

import numpy as np
import pytest

from environments.encodings.genes import neighbours
from environments.encodings.heightfield import HeightfieldEncoding
from environments.encodings.parametric import GENES, PIT, STUMP, ParametricEncoding, ParametricGenome

ALL = ParametricEncoding(kinds=("roughness", "pit", "stump", "stair"))


def test_first_environment_is_flat():
    genome = ParametricGenome.from_json(ALL.initial())
    assert genome.roughness == 0
    assert genome.pit_gap is genome.stump_height is genome.stair_height is None


def test_first_mutation_brings_the_papers_initial_values():
    child = ALL.mutate(ALL.initial(), np.random.default_rng(0))
    assert child["pit_gap"] == [0.0, 0.8]
    assert child["stump_height"] == [0.0, 0.4]
    assert child["stair_height"] == [0.0, 0.4]
    assert child["stair_steps"] == 1
    assert 0 <= child["roughness"] <= 0.6


def test_only_enabled_kinds_mutate():
    encoding = ParametricEncoding(kinds=("pit",))
    genome = encoding.initial()
    rng = np.random.default_rng(0)
    for _ in range(50):
        genome = encoding.mutate(genome, rng)
    assert genome["stump_height"] is None
    assert genome["roughness"] == 0
    assert genome["pit_gap"] is not None


@pytest.mark.parametrize("seed", range(20))
def test_any_sequence_of_mutations_stays_valid_and_moves_by_one_step(seed):
    rng = np.random.default_rng(seed)
    genome = ALL.mutate(ALL.initial(), rng)
    for _ in range(200):
        child = ALL.mutate(genome, rng)
        ALL.check(child)
        assert json.loads(json.dumps(child)) == child
        assert abs(child["roughness"] - genome["roughness"]) <= 0.6 + 1e-9
        for name in ("pit_gap", "stump_height", "stair_height"):
            moves = np.abs(np.subtract(child[name], genome[name]))
            assert moves.any()
            assert all(np.isclose(moves, 0) | np.isclose(moves, GENES[name].step))
        genome = child


def test_mutation_reaches_the_papers_maxima_and_never_passes_them():
    rng = np.random.default_rng(3)
    genome = {**ALL.initial(), "stump_height": [4.6, 5.0]}
    seen = {tuple(ALL.mutate(genome, rng)["stump_height"]) for _ in range(200)}
    assert seen == {(4.4, 4.8), (4.4, 5.0), (4.6, 4.8), (4.8, 4.8), (4.8, 5.0)}


def test_neighbours_of_the_initial_ranges_keep_order_and_floors():
    assert set(neighbours((0.0, 0.4), STUMP)) == {(0.0, 0.6), (0.2, 0.4), (0.2, 0.6)}
    assert set(neighbours((0.0, 0.8), PIT)) == {(0.0, 1.2), (0.4, 0.8), (0.4, 1.2)}


@pytest.mark.parametrize("start", [(0.05, 0.1), (0.0, 0.0), (0.33, 9.99), (10.0, 10.0)])
def test_run_started_anywhere_within_bounds_goes_on_mutating(start):
    encoding = ParametricEncoding.from_options({"kinds": ["pit"], "start": {"pit_gap": list(start)}})
    genome, rng, seen = encoding.initial(), np.random.default_rng(0), set()
    for _ in range(50):
        genome = encoding.mutate(genome, rng)
        encoding.check(genome)
        seen.add(tuple(genome["pit_gap"]))
    assert len(seen) > 5


@pytest.mark.parametrize(
    ("genome", "message"),
    [
        ({"roughness": 10.5}, r"roughness is 10.5; it must lie in \[0.0, 10\]"),
        ({"roughness": float("nan")}, "roughness is nan"),
        ({"pit_gap": [2.0, 1.0]}, r"pit_gap is \(2.0, 1.0\); it must be two numbers, 0 <= lo <= hi <= 10"),
        ({"stump_height": [0.0, 5.2]}, "stump_height is .* <= 5"),
        ({"stair_steps": 10}, r"stair_steps is 10; it must lie in \[1, 9\]"),
        ({"stair_steps": 2.0}, "stair_steps is 2.0; it must be a whole number"),
        ({"pit_gap": ["a", "b"]}, "pit_gap is .* two numbers"),
        ({"depth": 1}, "the genome has a gene 'depth'; genes are roughness, pit_gap"),
    ],
)
def test_genome_out_of_bounds_is_refused_by_gene_value_and_range(genome, message):
    with pytest.raises(ValueError, match=message):
        ALL.check(genome)


def test_vector_is_normalised_by_the_maxima():
    genome = {"roughness": 10.0, "pit_gap": [0.0, 10.0], "stump_height": [2.5, 5.0]}
    np.testing.assert_allclose(ALL.vector(genome), [1, 0, 1, 0.5, 1, 0, 0, 0])


def test_raw_distances_are_in_the_genes_own_units_as_published():
    raw = ParametricEncoding.from_options({"kinds": list(ALL.kinds), "distance": "raw"})
    genome = {"roughness": 4.0, "pit_gap": [0.4, 6.0], "stump_height": [2.4, 3.0]}
    np.testing.assert_array_equal(raw.vector(genome), [4.0, 0.4, 6.0, 2.4, 3.0, 0, 0, 0])


def test_published_roughness_stays_zero_in_54_of_a_hundred_mutations_and_the_default_rises():
    published = ParametricEncoding.from_options({"kinds": ["roughness"], "from_zero": "published"})
    default = ParametricEncoding.from_options({"kinds": ["roughness"]})
    rng = np.random.default_rng(0)
    drawn = np.array([published.mutate(published.initial(), rng)["roughness"] for _ in range(4000)])
    assert abs((drawn == 0).mean() - 0.65 / 1.2) < 0.025  # rounded to 0.1: what is drawn below 0.05
    assert abs(drawn.mean() - 0.15) < 0.01
    risen = np.array([default.mutate(default.initial(), rng)["roughness"] for _ in range(4000)])
    assert abs(risen.mean() - 0.3) < 0.01


def test_rules_from_zero_and_of_distance_hold_for_fields_too():
    field = HeightfieldEncoding.from_options({"kinds": ["hills"], "from_zero": "published", "distance": "raw"})
    rng = np.random.default_rng(0)
    drawn = np.array([field.mutate(field.initial(), rng)["hills"] for _ in range(2000)])
    assert abs((drawn == 0).mean() - 0.5) < 0.05
    np.testing.assert_array_equal(field.vector({"hills": 0.3, "gap_width": [0.1, 0.2]})[2:8], [0.3, 0, 0, 0, 0.1, 0.2])
    with pytest.raises(ValueError, match="from_zero is 'up'; it must be one of rise, published"):
        HeightfieldEncoding.from_options({"from_zero": "up"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"from_zero": "up"}, "from_zero is 'up'; it must be one of rise, published"),
        ({"distance": 3}, "distance is 3; it must be one of scaled, raw"),
        ({"kinds": ["lava"]}, "kinds has 'lava'; kinds of obstacle are roughness, pit, stump, stair"),
        ({"kinds": []}, "kinds is empty"),
        ({"colour": 1}, "option 'colour' is unknown"),
        ({"start": {"roughness": -1}}, "roughness is -1"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        ParametricEncoding.from_options(options)


def test_description_names_what_is_there():
    assert ALL.describe(ALL.initial()) == "flat"
    genome = {"roughness": 0.4, "pit_gap": [0, 0.8], "stair_height": [0.2, 0.4], "stair_steps": 3}
    assert ALL.describe(genome) == "roughness 0.4, pit 0-0.8, stair 0.2-0.4 x3"
