"""Many hexapods on one field, frame by frame: the episodes that are run, and the reference's points."""

import numpy as np
import pytest

pytest.importorskip("pybullet")

from environments.controller import Controller
from environments.domain import Batch, Environment, Outcome, find_domain
from environments.hexapod3d import native

pytestmark = pytest.mark.skipif(native.problem() is not None, reason="needs the native engine")

GENOME = {"hills": 0.4, "step_height": [0.02, 0.1]}


@pytest.mark.parametrize("name", ["hexapod3d", "hexapod3d-joints", "quadruped3d"])
def test_episodes_that_are_streamed_are_those_that_are_run_and_show_the_references_points(name):
    domain = find_domain(name)
    ground = Environment(domain=name, encoding="parametric", genome=GENOME, seed=3)
    rng = np.random.default_rng(5)
    thetas = (0.2 * rng.standard_normal((11, domain.controller.parameters))).astype(np.float32)
    thetas[2] = np.nan  # whose actions make no sense
    seeds = np.arange(11, dtype=np.uint64)
    stretches = list(domain.stream(ground, thetas, seeds, episode_limit=130, controller=domain.controller, stride=3))
    played = domain.run(Batch(thetas, (ground,), np.zeros(11, dtype=np.intp), seeds), episode_limit=130)
    last = stretches[-1]
    assert last.returns[-1].tolist() == played.returns.tolist()
    assert last.lengths.tolist() == played.lengths.tolist()
    assert last.outcomes.tolist() == played.outcomes.tolist()
    assert played.outcomes[2] == Outcome.DIVERGED
    points = np.concatenate([stretch.poses for stretch in stretches])
    assert len(points) == -(-int(played.lengths.max()) // 3) + 1
    assert np.isfinite(points).all()
    recorded = domain.record(ground, thetas[4], 4, 130).points[::3]
    assert np.array_equal(points[: len(recorded), 4], recorded)


@pytest.mark.parametrize("hidden", [None, (8,)])
def test_agents_of_another_kind_are_left_to_the_recordings(hidden):
    domain = find_domain("hexapod3d")
    first, *between, last = domain.controller.sizes
    other = Controller((first, *(between if hidden is None else hidden), last), activation="relu")
    ground = Environment(domain="hexapod3d", encoding="parametric", genome=GENOME, seed=3)
    thetas, seeds = np.zeros((1, other.parameters), dtype=np.float32), np.zeros(1, dtype=np.uint64)
    assert domain.stream(ground, thetas, seeds, episode_limit=10, controller=other) is None
