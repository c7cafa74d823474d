from dataclasses import asdict

import numpy as np
import pytest
from gymnasium_walker import start
from published_rules import published_course

from environments.domain import Environment
from environments.encodings.parametric import ParametricGenome
from environments.walker2d import native
from environments.walker2d.env import WalkerEnv
from environments.walker2d.terrain import (
    FINISH,
    GRASS,
    POINTS,
    START_HEIGHT,
    START_PAD,
    STEP,
    THINNEST,
    express,
    terrain_of,
)


def test_lengths_are_the_published_ones():
    assert pytest.approx(14 / 30) == STEP
    assert pytest.approx(190 * 14 / 30) == FINISH
    assert pytest.approx(400 / 30 / 4) == START_HEIGHT


@pytest.mark.parametrize("seed", range(5))
def test_rough_ground_equals_gymnasiums_from_the_same_generator(seed):
    # Roughness 1 without obstacles is the ordinary BipedalWalker, draw for draw.
    np.testing.assert_array_equal(
        express(ParametricGenome(roughness=1.0), seed).ground, start(seed, False).terrain.ground
    )


def test_without_genes_the_course_is_flat():
    terrain = express(ParametricGenome(), 5)
    assert terrain.ground.shape == (POINTS, 2)
    assert (terrain.ground[:, 1] == START_HEIGHT).all()
    np.testing.assert_allclose(terrain.ground[:, 0], np.arange(POINTS) * STEP)
    assert len(terrain.boxes) == 0


@pytest.mark.parametrize("seed", range(10))
def test_start_pad_is_free_of_obstacles(seed):
    genome = ParametricGenome(pit_gap=(0, 10), stump_height=(0, 5), stair_height=(0, 5), stair_steps=9)
    terrain = express(genome, seed)
    assert (terrain.ground[:START_PAD, 1] == START_HEIGHT).all()
    assert terrain.boxes[:, :, 0].min() >= START_PAD * STEP - 1e-9


def boxes_of(genome, seeds=range(30)):
    return np.concatenate([express(genome, seed).boxes for seed in seeds])


def test_stumps_are_one_step_wide_stand_on_the_ground_and_span_their_heights():
    boxes = boxes_of(ParametricGenome(stump_height=(1.0, 3.0)))
    low, high = boxes.min(axis=1), boxes.max(axis=1)
    np.testing.assert_allclose((high - low)[:, 0], STEP)
    np.testing.assert_allclose(low[:, 1], START_HEIGHT)
    heights = (high - low)[:, 1] / STEP
    assert 1.0 <= heights.min() < 1.1
    assert 2.9 < heights.max() <= 3.0


def test_pits_have_fractional_widths_and_the_ground_follows_them():
    for seed in range(20):
        terrain = express(ParametricGenome(pit_gap=(2.0, 4.0)), seed)
        for left, right in terrain.boxes.reshape(-1, 2, 4, 2)[:-1]:
            gap = right[:, 0].min() - left[:, 0].min()
            assert 3.0 <= gap / STEP <= 5.0
            # The far edge of the hole is where the far wall stands, one wall's width further.
            assert np.isclose(terrain.ground[:, 0], right[:, 0].max()).any()
            inside = (terrain.ground[:, 0] > left[:, 0].max() - 1e-9) & (
                terrain.ground[:, 0] < right[:, 0].min() + 1e-9
            )
            np.testing.assert_allclose(terrain.ground[inside, 1], START_HEIGHT - 4 * STEP)


def test_stairs_rise_or_fall_by_their_height_every_four_steps():
    terrain = express(ParametricGenome(stair_height=(0.5, 0.5), stair_steps=4), 2)
    heights = terrain.ground[:, 1]
    changes = np.diff(heights)
    steps = np.flatnonzero(~np.isclose(changes, 0))
    np.testing.assert_allclose(np.abs(changes[steps]), 0.5 * STEP)
    assert (changes[steps] > 0).any()
    assert (changes[steps] < 0).any()
    assert set(np.diff(steps)) >= {4}
    np.testing.assert_allclose(np.ptp(terrain.boxes[:, :, 0], axis=1), 4 * STEP)


def test_kinds_of_obstacle_are_drawn_evenly():
    genome = ParametricGenome(pit_gap=(0, 0), stump_height=(1, 1))
    boxes = boxes_of(genome, range(200))
    stumps = np.isclose(boxes[:, :, 1].max(axis=1), START_HEIGHT + STEP).sum()
    pits = (len(boxes) - stumps) / 2
    assert abs(stumps / (stumps + pits) - 0.5) < 0.03


def test_grass_between_obstacles_is_five_to_nine_points_long():
    terrain = express(ParametricGenome(stump_height=(1, 1)), 0)
    lefts = np.round(terrain.boxes[:, :, 0].min(axis=1) / STEP).astype(int)
    assert set(np.diff(lefts)) <= {1 + length for length in range(*GRASS)}
    assert lefts[0] == START_PAD


def test_expressing_is_pure_and_read_only():
    genome = ParametricGenome(roughness=3.0, pit_gap=(0, 4), stump_height=(0, 2))
    first = express(genome, 11)
    express.cache_clear()
    again, other = express(genome, 11), express(genome, 12)
    np.testing.assert_array_equal(first.ground, again.ground)
    np.testing.assert_array_equal(first.boxes, again.boxes)
    assert (first.ground != other.ground).any()
    with pytest.raises(ValueError, match="read-only"):
        first.ground[0, 0] = 1


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "genome",
    [
        ParametricGenome(roughness=4.5, pit_gap=(0.8, 6.0), stump_height=(0.2, 2.4)),
        ParametricGenome(roughness=1.0, stair_height=(0.2, 2.0), stair_steps=5),
        ParametricGenome(roughness=2.0, pit_gap=(0, 4), stump_height=(0, 2), stair_height=(0, 1), stair_steps=3),
    ],
)
def test_course_equals_the_published_loop_draw_for_draw(genome, seed):
    ground, boxes = published_course(asdict(genome), seed)
    terrain = express(genome, seed)
    np.testing.assert_allclose(terrain.ground, ground, atol=1e-9)
    # (left, right, bottom, top) in order of creation, which decides the order of contacts
    low, high = terrain.boxes.min(axis=1), terrain.boxes.max(axis=1)
    ours = np.column_stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]])
    np.testing.assert_allclose(ours, boxes, atol=1e-9)


def test_another_domains_environment_is_refused():
    other = Environment(domain="hexapod", encoding="cppn", genome={}, seed=0)
    with pytest.raises(ValueError, match="the environment is hexapod with cppn encoding; it must be walker2d"):
        terrain_of(other)


@pytest.mark.parametrize(
    "genome",
    [
        ParametricGenome(stump_height=(0.0, 0.4)),
        ParametricGenome(roughness=10.0, stump_height=(0.0, 0.05)),
        ParametricGenome(stump_height=(0.0, 0.0), stair_height=(0.0, 0.0)),
        ParametricGenome(roughness=10.0, stair_height=(0.0, 0.05), stair_steps=9),
    ],
)
def test_both_engines_take_every_course_however_thin_its_obstacles(genome):
    for seed in (212, 840, 1183, *range(300)):
        terrain = express(genome, seed)
        assert np.ptp(terrain.boxes[:, :, 1], axis=1).min(initial=1.0) >= THINNEST * STEP * (1 - 1e-9)
        if native.problem() is None:
            native.build_course(terrain)
        if seed % 60 == 0 or seed in (212, 840, 1183):
            WalkerEnv(terrain=terrain).reset(seed=0)
