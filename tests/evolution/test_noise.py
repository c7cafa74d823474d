import subprocess
import sys

import numpy as np

from evolution.noise import Stream, directions, episode_seeds, keyed_rng

KEY = (0, 12, 3)
PINNED_NOISE = ["-0x1.8f32040000000p-1", "-0x1.09fae80000000p-3", "-0x1.c1d3860000000p-5"]
PINNED_SEEDS = [10321760324713657623, 10321760324713657624]


def test_direction_depends_on_its_number_and_not_on_how_the_draw_is_cut():
    whole = directions(7, KEY, 0, 10, 50)
    pieces = [directions(7, KEY, start, stop, 50) for start, stop in ((0, 3), (3, 4), (4, 10))]
    np.testing.assert_array_equal(whole, np.concatenate(pieces))


def test_directions_are_standard_normal_and_uncorrelated():
    drawn = directions(1, KEY, 0, 200, 1000).astype(np.float64)
    assert abs(drawn.mean()) < 0.01
    assert abs(drawn.std() - 1) < 0.01
    assert abs((drawn**4).mean() - 3) < 0.1
    correlations = np.corrcoef(drawn)[np.triu_indices(200, 1)]
    assert np.abs(correlations).max() < 0.2
    assert abs(correlations.std() - 1 / np.sqrt(1000)) < 0.002


def test_every_part_of_the_key_and_the_seed_matters():
    drawn = [
        directions(seed, key, 0, 1, 8).tobytes()
        for seed, key in ((1, (0, 1, 2)), (2, (0, 1, 2)), (1, (1, 1, 2)), (1, (0, 2, 2)), (1, (0, 1, 3)), (1, (0, 1)))
    ]
    assert len(set(drawn)) == len(drawn)


def test_another_process_draws_the_same():
    code = "from evolution.noise import directions; print(directions(7, (0, 12, 3), 5, 6, 40).tobytes().hex())"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert there == directions(7, KEY, 5, 6, 40).tobytes().hex()


def test_noise_is_what_it_was_when_this_was_written():
    # An archive is resumed under the noise that it was begun with: a change here is a new schema version.
    pinned = [float(x).hex() for x in directions(7, KEY, 5, 6, 3)[0]]
    assert pinned == PINNED_NOISE
    assert episode_seeds(7, KEY, 0, 2).tolist() == PINNED_SEEDS


def test_episode_seeds_follow_their_number():
    np.testing.assert_array_equal(episode_seeds(3, KEY, 4, 6), episode_seeds(3, KEY, 0, 6)[4:])
    assert len(set(episode_seeds(3, KEY, 0, 1000).tolist())) == 1000


def test_keyed_rng_is_numpys_own_spawning():
    # SeedSequence(7, spawn_key=(1, 2)) is what spawning twice gives.
    spawned = np.random.SeedSequence(7).spawn(4)[Stream.CHILD].spawn(3)[2]
    expected = np.random.default_rng(spawned).random(5)
    np.testing.assert_array_equal(keyed_rng(7, Stream.CHILD, 2).random(5), expected)
