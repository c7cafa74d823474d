"""Many walkers on one course, frame by frame: the episodes of the engines, and the reference's poses."""

import numpy as np
import pytest

from environments.domain import Batch, Environment, find_domain
from environments.walker2d import native

pytestmark = pytest.mark.skipif(native.problem() is not None, reason="needs the native engine")

DOMAIN = find_domain("walker2d")
GROUND = Environment(
    domain="walker2d",
    encoding="drawn",
    genome={"ground": [[11.0, 0.0], [12.0, 0.7], [13.0, -0.5]], "boxes": [[10.0, 0.0, 0.4, 0.3]]},
    seed=0,
)


def cast(count):
    rng = np.random.default_rng(5)
    return np.stack([DOMAIN.controller.initial_theta(rng, scale=0.3) for _ in range(count)]).astype(np.float32)


def test_episodes_that_are_streamed_are_those_that_are_run():
    thetas, seeds = cast(7), np.arange(7, dtype=np.uint64)
    stretches = list(DOMAIN.stream(GROUND, thetas, seeds, episode_limit=150, controller=DOMAIN.controller, stride=3))
    played = DOMAIN.run(Batch(thetas, (GROUND,), np.zeros(7, dtype=np.intp), seeds), episode_limit=150)
    last = stretches[-1]
    assert last.returns[-1].tolist() == played.returns.tolist()
    assert last.lengths.tolist() == played.lengths.tolist()
    assert last.outcomes.tolist() == played.outcomes.tolist()
    frames = sum(len(stretch.poses) for stretch in stretches)
    assert frames == -(-int(played.lengths.max()) // 3) + 1


def test_poses_that_are_streamed_are_the_reference_engines_and_stay_once_an_episode_is_over():
    thetas, seeds = cast(3), np.full(3, 9, dtype=np.uint64)
    stretches = list(DOMAIN.stream(GROUND, thetas, seeds, episode_limit=120, controller=DOMAIN.controller))
    poses = np.concatenate([stretch.poses for stretch in stretches])
    for agent, theta in enumerate(thetas):
        recorded = DOMAIN.record(GROUND, theta, 9, 120).poses
        assert np.array_equal(poses[: len(recorded), agent], recorded)
        assert (poses[len(recorded) :, agent] == recorded[-1]).all()
