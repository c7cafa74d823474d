import numpy as np
import pytest
from hexapods import task

from environments.difficulty import difficulty_of, level_vectors_of
from environments.domain import Environment, find_domain
from environments.encodings.cppn import HIGHEST, evaluate
from environments.encodings.heightfield import GENES, KINDS, RANGES, HeightfieldEncoding
from environments.hexapod3d import DOMAIN
from environments.hexapod3d.expression import CPPN_UNIT, GAP_DEPTH, TALLEST, inputs_at, probe, terrain_of
from environments.hexapod3d.terrain import CELL, COLUMNS, ROWS, START_PAD, grid

MOST = {name: [gene.maximum] * 2 if name in RANGES else gene.maximum for name, gene in GENES.items()}

GOLDEN = ["-0x1.848c300000000p-4", "0x1.13225c0000000p-1", "0x1.5d7a000000000p-1"]


def heights(seed=0, **genome):
    return terrain_of(task(seed, **genome)).heights


def rng(seed=0):
    return np.random.default_rng(seed)


def test_a_course_is_the_same_for_equal_tasks_and_another_for_another_seed():
    first = heights(3, **MOST)
    terrain_of.cache_clear()
    np.testing.assert_array_equal(heights(3, **MOST), first)
    assert (heights(4, **MOST) != first).mean() > 0.5
    assert first.shape == (ROWS, COLUMNS)
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1


def test_a_course_is_what_it_was_when_this_was_written():
    found = heights(7, bumps=0.1, mounds=0.2, hills=0.5, slope=0.2, step_height=[0.05, 0.1], gap_width=[0.1, 0.3])
    assert [found[row, column].item().hex() for row, column in ((30, 3), (60, 24), (100, 47))] == GOLDEN


@pytest.mark.parametrize("gene", GENES)
def test_every_gene_changes_the_ground_beyond_the_start_pad_alone(gene):
    x = grid()[0].reshape(-1)
    found = heights(0, **{gene: MOST[gene]})
    assert (found[x <= START_PAD] == 0).all()
    assert np.ptp(found[x > START_PAD]) > 0.1


@pytest.mark.parametrize("gene", ["bumps", "mounds", "hills"])
def test_roughness_scales_a_pattern(gene):
    half, whole = heights(5, **{gene: GENES[gene].maximum / 2}), heights(5, **{gene: GENES[gene].maximum})
    np.testing.assert_allclose(2 * half, whole, atol=1e-6)
    assert np.abs(whole).max() <= GENES[gene].maximum / 2 + 1e-6


def test_switching_a_feature_on_leaves_the_others_where_they_were():
    steps = heights(2, step_height=[0.1, 0.2])
    np.testing.assert_allclose(heights(2, step_height=[0.1, 0.2], bumps=0.2) - steps, heights(2, bumps=0.2), atol=1e-6)


def test_slopes_are_no_steeper_than_their_gene():
    found = heights(1, slope=0.5)[20:, 0] / 1.0
    assert 0.3 < np.abs(np.diff(found)).max() / CELL <= 0.5 * 1.6  # the blend after the pad may add to it


def test_steps_rise_by_no_more_than_their_range_and_keep_within_bounds():
    found = heights(1, step_height=[0.3, 0.5])
    rises = np.abs(np.diff(found[25:, 0]))
    rises = rises[rises > 0]
    assert len(rises) > 3
    assert (rises >= 0.3 - 1e-6).all()
    assert (rises <= 0.5 + 1e-6).all()
    assert np.abs(found).max() <= TALLEST / 2


def test_a_gap_is_as_wide_as_its_gene_says():
    for width in (0.04, 0.25, 0.6):
        depth = -heights(6, gap_width=[width, width])[:, 0]
        missing = depth[25:].sum() * CELL / GAP_DEPTH
        gaps = np.count_nonzero(np.diff((depth[25:] > 0).astype(int)) == 1)
        assert missing == pytest.approx(gaps * width, rel=0.35, abs=0.05)  # one may be cut by the field's edge


def test_boulders_are_as_high_as_their_range():
    found = heights(0, boulder_height=[0.2, 0.4])
    assert 0.25 < found.max() <= 0.4


def test_difficulty_rises_with_every_gene():
    for gene in GENES:
        low = difficulty_of(task(0, **{gene: np.multiply(MOST[gene], 0.2).tolist()}))
        high = difficulty_of(task(0, **{gene: MOST[gene]}))
        assert difficulty_of(task(0)).score == 0 < low.score < high.score
    assert difficulty_of(task(0)).name == "easy"
    assert difficulty_of(task(0, **MOST)).name == "extremely challenging"


def test_difficulty_is_the_mean_variance_of_a_metre_square():
    found = difficulty_of(task(0, hills=1.0))
    course = heights(0, hills=1.0)[20:93, 8:41]
    windows = [
        course[i : i + 11, j : j + 11].var() for i in range(course.shape[0] - 10) for j in range(course.shape[1] - 10)
    ]
    assert found.score == pytest.approx(np.sqrt(np.mean(windows) / 0.1), rel=0.1)


def test_the_walkers_level_vector_is_not_the_hexapods():
    assert level_vectors_of([task(0)]) is None


def test_mutation_starts_every_kind_small_and_keeps_within_bounds():
    encoding = HeightfieldEncoding()
    genome = encoding.mutate(encoding.initial(), rng())
    for name, gene in GENES.items():
        assert genome[name] == list(gene.initial) if name in RANGES else 0 <= genome[name] <= gene.initial[1]
    draws = rng(1)
    for _ in range(300):
        before, genome = genome, encoding.mutate(genome, draws)
        encoding.check(genome)
        for name, gene in GENES.items():
            assert np.abs(np.subtract(genome[name], before[name])).max() <= gene.step + 1e-9
    assert np.isfinite(encoding.vector(genome)).all()
    assert encoding.vector(encoding.initial()).sum() == 0


def test_only_enabled_kinds_mutate():
    encoding = DOMAIN.encoding("parametric", {"kinds": ["hills", "gap"]})
    genome = encoding.mutate(encoding.initial(), rng())
    assert {name for name in GENES if genome[name]} == {"hills", "gap_width"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": ["lava"]}, "kinds is .*lava.*some of bumps"),
        ({"kinds": []}, "must be a list of some"),
        ({"lava": 1}, "option 'lava' is unknown"),
        ({"start": {"bumps": 9}}, r"bumps is 9; it must lie in \[0, 0.25\]"),
        ({"start": {"gap_width": [0.5, 0.1]}}, "gap_width is .*lo <= hi"),
        ({"start": {"lava": 1}}, "gene 'lava'; genes are bumps"),
    ],
)
def test_bad_options_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        DOMAIN.encoding("parametric", options)


def test_genes_say_their_bounds():
    assert HeightfieldEncoding().genes()["gap_width"]["maximum"] == 0.8
    assert set(KINDS) == {entry["obstacle"] for entry in HeightfieldEncoding().genes().values()}


def cppn_task(generations, seed=0):
    encoding, draws = DOMAIN.encoding("cppn", {}), rng(seed)
    genome = encoding.initial()
    for _ in range(generations):
        genome = encoding.mutate(genome, draws)
    return Environment(domain="hexapod3d", encoding="cppn", genome=genome, seed=0)


def test_a_cppns_course_is_the_networks_height_over_the_starts():
    environment = cppn_task(12)
    found = terrain_of(environment).heights
    x, y = grid()
    row, column = 70, 30
    place = np.array([[x[row, 0], y[0, column]], [0.0, 0.0]])
    there, start = evaluate(environment.genome["cppn"], inputs_at(place))
    assert found[row, column] == pytest.approx(CPPN_UNIT * (there - start), abs=1e-6)
    assert np.ptp(found) > 0.02


def test_a_cppns_first_course_is_level_and_no_course_leaves_its_bounds():
    assert np.ptp(terrain_of(cppn_task(0)).heights) == 0
    for seed in range(5):
        found = terrain_of(cppn_task(40, seed)).heights
        assert np.isfinite(found).all()
        assert np.abs(found).max() <= CPPN_UNIT * HIGHEST + 1e-6


def test_ground_between_and_beside_the_probes_lines_is_held_to_the_same_bounds():
    # A wave across the course that is zero on all three lines, and 5 m high between them.
    network = {
        "inputs": 2,
        "nodes": [
            {"id": 0, "activation": "identity", "bias": 0.0, "response": 5.0},
            {"id": 1, "activation": "sin", "bias": 0.0, "response": 1.0},
        ],
        "connections": [
            {"from": -2, "to": 1, "weight": 1.0, "enabled": True},
            {"from": 1, "to": 0, "weight": 10.0, "enabled": True},
        ],
    }
    found = terrain_of(Environment(domain="hexapod3d", encoding="cppn", genome={"cppn": network}, seed=0)).heights
    assert [found.min(), found.max()] == pytest.approx([-CPPN_UNIT * HIGHEST, CPPN_UNIT * HIGHEST])
    said = find_domain("hexapod3d").encoding("cppn", {}).genes()["relief"]
    assert (said["minimum"], said["maximum"]) == (-CPPN_UNIT * HIGHEST, CPPN_UNIT * HIGHEST)


def test_the_probe_begins_at_the_start_and_keeps_to_the_networks_scale():
    inputs = probe()
    np.testing.assert_allclose(inputs[0], [-np.pi, 0])
    assert np.abs(inputs).max() == pytest.approx(np.pi)


def test_a_cppn_with_obstacles_is_refused():
    environment = cppn_task(2)
    genome = {**environment.genome, "parametric": {"pit_gap": [0, 1]}}
    with pytest.raises(ValueError, match="no obstacles"):
        terrain_of(Environment(domain="hexapod3d", encoding="cppn", genome=genome, seed=0))
    with pytest.raises(ValueError, match="'obstacles' is unknown"):
        find_domain("hexapod3d").encoding("cppn", {"obstacles": ["pit"]})


def test_a_stride_of_two_moves_every_gene_twice_as_far_and_no_further():
    encoding = HeightfieldEncoding.from_options({"stride": 2.0})
    start = {"bumps": 0.1, "step_height": [0.2, 0.3], "gap_width": [0.3, 0.4], "boulder_height": [0.2, 0.3]}
    moves = {name: set() for name in ("step_height", "gap_width", "boulder_height")}
    for seed in range(40):
        child = encoding.mutate(start, np.random.default_rng(seed))
        assert abs(child["bumps"] - 0.1) <= 0.04
        for name, found in moves.items():
            found |= {round(abs(after - before), 6) for after, before in zip(child[name], start[name], strict=True)}
    assert moves == {"step_height": {0, 0.04}, "gap_width": {0, 0.1}, "boulder_height": {0, 0.04}}
    assert encoding.genes()["step_height"]["step"] == 0.04


@pytest.mark.parametrize("stride", [0, 11, True, "2", None])
def test_a_stride_that_is_none_is_refused(stride):
    with pytest.raises(ValueError, match=r"stride is .*; it must lie in \[0.1, 10\]"):
        HeightfieldEncoding.from_options({"stride": stride})
