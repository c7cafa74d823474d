import numpy as np
import pytest

import environments
from environments.domain import Batch, Outcome
from environments.walker2d import DOMAIN
from environments.walker2d.env import WalkerEnv
from environments.walker2d.simulator import CONTROLLER, ENGINES

SEEDS = np.arange(6, dtype=np.uint64)


@pytest.fixture(scope="module")
def thetas():
    rng = np.random.default_rng(0)
    return np.stack([CONTROLLER.initial_theta(rng, scale=0.3) for _ in SEEDS]).astype(np.float32)


@pytest.mark.parametrize("engine", ENGINES)
class TestEveryEngine:
    def test_row_does_not_depend_on_what_it_is_batched_with(self, engine, thetas):
        together = DOMAIN.run(Batch.of(thetas, environments.HARD, SEEDS), engine=engine, episode_limit=300)
        for i in (0, 3, 5):
            alone = DOMAIN.run(
                Batch.of(thetas[i : i + 1], environments.HARD, SEEDS[i : i + 1]), engine=engine, episode_limit=300
            )
            assert alone.returns[0] == together.returns[i]
            assert alone.lengths[0] == together.lengths[i]
            assert alone.outcomes[0] == together.outcomes[i]

    def test_order_and_what_ran_before_do_not_matter(self, engine, thetas):
        forward = DOMAIN.run(Batch.of(thetas, environments.HARD, SEEDS), engine=engine, episode_limit=200)
        backward = DOMAIN.run(Batch.of(thetas[::-1], environments.HARD, SEEDS[::-1]), engine=engine, episode_limit=200)
        np.testing.assert_array_equal(forward.returns, backward.returns[::-1])

    def test_nan_in_one_theta_is_an_outcome_and_leaves_the_others_alone(self, engine, thetas):
        healthy = DOMAIN.run(Batch.of(thetas, environments.HARD, SEEDS), engine=engine, episode_limit=200)
        sick = thetas.copy()
        sick[2] = np.nan
        result = DOMAIN.run(Batch.of(sick, environments.HARD, SEEDS), engine=engine, episode_limit=200)
        assert result.outcomes[2] == Outcome.DIVERGED
        assert result.returns[2] == -100
        others = SEEDS != 2
        np.testing.assert_array_equal(result.returns[others], healthy.returns[others])

    def test_types_and_shapes_are_the_contracts(self, engine, thetas):
        result = DOMAIN.run(Batch.of(thetas, environments.HARD, SEEDS), engine=engine, episode_limit=20)
        assert (result.returns.dtype, result.lengths.dtype, result.outcomes.dtype) == (np.float64, np.int32, np.int8)
        assert result.returns.shape == result.lengths.shape == result.outcomes.shape == (6,)
        assert result.lengths.max() <= 20

    def test_no_episodes_give_no_rows(self, engine, thetas):
        assert len(DOMAIN.run(Batch.of(thetas[:0], environments.HARD, SEEDS[:0]), engine=engine).returns) == 0


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
