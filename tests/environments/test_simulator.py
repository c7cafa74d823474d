import numpy as np
import pytest

import environments
from environments.domain import Batch
from environments.walker2d import DOMAIN
from environments.walker2d.env import WalkerEnv
from environments.walker2d.simulator import CONTROLLER

SEEDS = np.arange(6, dtype=np.uint64)


@pytest.fixture(scope="module")
def thetas():
    rng = np.random.default_rng(0)
    return np.stack([CONTROLLER.initial_theta(rng, scale=0.3) for _ in SEEDS]).astype(np.float32)


def test_reference_rollout_equals_stepping_the_environment_by_hand(thetas):
    result = DOMAIN.run(Batch.of(thetas[:1], environments.HARD, SEEDS[:1]), engine="reference", episode_limit=250)
    env = WalkerEnv(environments.HARD, episode_limit=250)
    observation, _ = env.reset(seed=0)
    act, total, steps, over = CONTROLLER.policy(thetas[0]), 0.0, 0, False
    while not over:
        observation, reward, terminated, truncated, _ = env.step(act(observation))
        total, steps, over = total + reward, steps + 1, terminated or truncated
    assert (result.returns[0], result.lengths[0]) == (total, steps)


def test_wrong_shapes_and_engines_are_refused(thetas):
    with pytest.raises(ValueError, match=r"thetas has shape \(6, 100\); it must be \(n, 2804\)"):
        DOMAIN.run(Batch.of(thetas[:, :100], environments.HARD, SEEDS))
    with pytest.raises(ValueError, match=r"seeds has shape \(2,\); it must be \(6,\)"):
        DOMAIN.run(Batch.of(thetas, environments.HARD, SEEDS[:2]))
    with pytest.raises(ValueError, match="engine is 'mujoco'; it must be one of"):
        DOMAIN.run(Batch.of(thetas, environments.HARD, SEEDS), engine="mujoco")
