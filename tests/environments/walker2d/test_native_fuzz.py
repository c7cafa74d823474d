"""Whole episodes on both engines over genomes, terrains, pushes and agents drawn from all that is valid."""

import numpy as np
import pytest

from environments.domain import Batch, Environment, Outcome
from environments.encodings.parametric import ParametricEncoding
from environments.walker2d import DOMAIN, native
from environments.walker2d.simulator import CONTROLLER

pytestmark = pytest.mark.skipif(native.problem() is not None, reason=str(native.problem()))
GENES = ParametricEncoding.from_options({}).genes()


def any_range(rng, high):
    """Draw a range within bounds: often at an end, of no width, or thinner than anything that evolves."""
    low, up = np.sort(rng.choice([0.0, high, rng.uniform(0, high), 10 ** rng.uniform(-9, 0)], 2))
    return [float(min(low, high)), float(min(up, high))]


def any_environment(rng):
    genome = {"roughness": float(rng.choice([0.0, 10 ** rng.uniform(-6, 1), rng.uniform(0, 10)]))}
    if rng.random() < 0.6:
        genome["pit_gap"] = any_range(rng, GENES["pit_gap"]["maximum"])
    if rng.random() < 0.6:
        genome["stump_height"] = any_range(rng, GENES["stump_height"]["maximum"])
    if rng.random() < 0.6:
        genome["stair_height"] = any_range(rng, GENES["stair_height"]["maximum"])
        genome["stair_steps"] = int(rng.integers(1, GENES["stair_steps"]["maximum"] + 1))
    return Environment(domain="walker2d", encoding="parametric", genome=genome, seed=int(rng.integers(10**6)))


def any_agent(rng):
    """Draw a controller from still to frantic; now and then one that breaks the numbers down."""
    theta = rng.normal(size=CONTROLLER.parameters) * 10 ** rng.uniform(-3, 2)
    if rng.random() < 0.05:
        theta[rng.integers(len(theta))] = rng.choice([np.nan, np.inf, -np.inf, 1e38])
    return theta.astype(np.float32)


def assert_engines_agree(environments, agents, limit, seed):
    rng = np.random.default_rng(seed)
    seen = set()
    for _ in range(environments):
        environment = any_environment(rng)
        thetas = np.stack([any_agent(rng) for _ in range(agents)])
        seeds = rng.integers(2**64, size=agents, dtype=np.uint64)
        ours, theirs = (
            DOMAIN.run(Batch.of(thetas, environment, seeds), episode_limit=limit, engine=engine)
            for engine in ("native", "reference")
        )
        for name in ("returns", "lengths", "outcomes"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=environment.to_json())
        seen.update(ours.outcomes.tolist())
    return seen


def test_both_engines_give_the_same_episodes_whatever_is_drawn():
    seen = assert_engines_agree(environments=40, agents=2, limit=120, seed=0)
    assert seen == {Outcome.FELL, Outcome.TIMED_OUT, Outcome.DIVERGED}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_both_engines_give_the_same_long_episodes_whatever_is_drawn(seed):
    assert_engines_agree(environments=100, agents=4, limit=400, seed=seed)
