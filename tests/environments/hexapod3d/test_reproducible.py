import json
import subprocess
import sys

import numpy as np
import pytest
from hexapods import CONTROLLER, ROUGH, STATE_SIZE, crowd, task

from environments.domain import NO_OUTCOME, Batch
from environments.hexapod3d import DOMAIN
from environments.hexapod3d.engine import World
from environments.hexapod3d.env import HexapodEnv
from environments.hexapod3d.episode import begin
from environments.hexapod3d.expression import terrain_of
from environments.hexapod3d.simulator import ENGINES, LANES

COURSE = task(3, **ROUGH)


def same(found, expected):
    np.testing.assert_array_equal(found.returns, expected.returns)
    np.testing.assert_array_equal(found.lengths, expected.lengths)
    np.testing.assert_array_equal(found.outcomes, expected.outcomes)


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param


def in_order(order, thetas, seeds, **settings):
    done = DOMAIN.run(Batch.of(thetas[order], COURSE, seeds[order]), **settings)
    back = np.argsort(order)
    return type(done)(done.returns[back], done.lengths[back], done.outcomes[back])


def test_episodes_are_the_same_in_another_order_and_in_other_company(engine):
    thetas, seeds = crowd(LANES + 4)
    settings = {"episode_limit": 120, "engine": engine}
    expected = DOMAIN.run(Batch.of(thetas, COURSE, seeds), **settings)
    assert len(set(expected.returns)) == len(thetas)
    order = np.random.default_rng(0).permutation(len(thetas))
    same(in_order(order, thetas, seeds, **settings), expected)
    few = [slice(i, i + 1) for i in (0, 5, 11)]
    alone = [DOMAIN.run(Batch.of(thetas[one], COURSE, seeds[one]), **settings).returns[0] for one in few]
    np.testing.assert_array_equal(alone, expected.returns[[0, 5, 11]])


def test_the_gymnasium_environment_gives_the_rollouts_returns():
    thetas, seeds = crowd(3)
    expected = DOMAIN.run(Batch.of(thetas, COURSE, seeds), episode_limit=100)
    env = HexapodEnv(COURSE, episode_limit=100)
    for theta, seed, total in zip(thetas, seeds.tolist(), expected.returns, strict=True):
        act = CONTROLLER.policy(theta)
        observation, info = env.reset(seed=seed)
        score = 0.0
        while info["outcome"] == NO_OUTCOME:
            observation, reward, _, _, info = env.step(act(observation))
            score += reward
        assert score == total
    env.close()


PROGRAM = """
import json, sys
from hexapods import CONTROLLER, ROUGH, STATE_SIZE, crowd, task
from environments.domain import Batch
from environments.hexapod3d import DOMAIN
thetas, seeds = crowd(6)
done = DOMAIN.run(Batch.of(thetas[::-1], task(3, **ROUGH), seeds[::-1]), episode_limit=150)
print(json.dumps([value.hex() for value in done.returns[::-1].tolist()]))
"""


def test_another_process_gives_identical_floats():
    thetas, seeds = crowd(6)
    DOMAIN.run(Batch.of(thetas, task(9, bumps=0.2), seeds + np.uint64(77)), episode_limit=90)
    here = DOMAIN.run(Batch.of(thetas, COURSE, seeds), episode_limit=150)
    paths = f"import sys; sys.path[:0] = {[path for path in sys.path if path]!r}\n"
    done = subprocess.run([sys.executable, "-c", paths + PROGRAM], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [value.hex() for value in here.returns.tolist()]


def states(world, seed, steps, terrain):
    state, seen = np.zeros(STATE_SIZE), []
    begin(world, terrain, seed, state)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        world.advance(state[13:31] + rng.uniform(-0.3, 0.3, 18))
        world.read(state)
        seen.append(state.copy())
    return np.array(seen)


def test_a_world_leaves_no_trace_of_violent_episodes():
    terrain = terrain_of(COURSE)
    fresh = World()
    expected = states(fresh, 5, 60, terrain)
    used = World()
    for seed in range(8):
        states(used, 100 + seed, 40, terrain_of(task(seed, **ROUGH)) if seed % 3 == 0 else terrain)
    # Thrown about and dropped on its back: contacts of every part are in the engine's caches.
    used.place((3.0, 0.3, 0.6), (1.0, 0.0, 0.0, 0.0), [0.0] * 18)
    for _ in range(30):
        used.advance(np.array([0.7, 1.3, 2.6] * 6))
    np.testing.assert_array_equal(states(used, 5, 60, terrain), expected)
    fresh.close()
    used.close()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_an_episode_is_the_same_after_a_thousand_others():
    thetas, seeds = crowd(4)
    expected = DOMAIN.run(Batch.of(thetas, COURSE, seeds))
    rng = np.random.default_rng(8)
    for batch in range(20):
        others = (rng.choice([0.05, 0.3, 1.0]) * rng.standard_normal((50, CONTROLLER.parameters))).astype(np.float32)
        wild = task(batch, **ROUGH) if batch % 2 else COURSE
        DOMAIN.run(Batch.of(others, wild, rng.integers(2**60, size=50, dtype=np.uint64)), episode_limit=40)
    same(DOMAIN.run(Batch.of(thetas, COURSE, seeds)), expected)
