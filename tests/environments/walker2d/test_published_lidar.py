"""The lidar of POET's published code: a ray ends at the first shape that Box2D's tree of boxes finds.

The rule is tried on Gymnasium's own walker, in whose world the published callback takes the place of today's.
"""

from dataclasses import replace
from pathlib import Path

import Box2D
import gymnasium
import gymnasium_walker
import numpy as np
import pytest
from walkers import COURSES, GAITS, NativeWalker, course, push_of, random

from environments.domain import Batch, Environment, find_domain
from environments.suites import suites_of
from environments.walker2d import native
from environments.walker2d.env import LIDAR_RAYS, Lidar, WalkerEnv
from environments.walker2d.simulator import CONTROLLER
from environments.walker2d.terrain import terrain_of
from environments.walker2d.vector import WalkerVectorEnv
from meta_learners.families.environments import EnvironmentFamily

RAYS = slice(14, 24)
WALKER = Path(__file__).parents[3] / "benchmarks" / "walker.npy"  # crosses flat ground
OBSTACLES = {"roughness": 1.0, "pit_gap": [0.4, 1.6], "stump_height": [0.2, 1.2]}
needs_native = pytest.mark.skipif(native.problem() is not None, reason=str(native.problem()))


class EndsAtFirst(Box2D.b2.rayCastCallback):
    """The callback of POET's code: it answers 0, which ends the ray, at whatever ground it is shown."""

    def ReportFixture(self, fixture, point, normal, fraction):  # noqa: N802
        if not fixture.filterData.categoryBits & 1:
            return 1
        self.p2, self.fraction = point, fraction
        return 0


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_rays_equal_those_of_gymnasiums_walker_with_the_published_callback(seed):
    theirs = gymnasium_walker.start(seed, hardcore=True)
    theirs.env.lidar = [EndsAtFirst() for _ in range(LIDAR_RAYS)]
    ours = WalkerEnv(terrain=theirs.terrain, lidar=Lidar.PUBLISHED)
    nearest = WalkerEnv(terrain=theirs.terrain)
    ours.reset(options={"push": theirs.push})
    nearest.reset(options={"push": theirs.push})
    differing, act, over = 0, GAITS["heuristic"](seed), False
    observation = theirs.observation
    for _ in range(400):
        action = act(observation)
        observation, _, over, *_ = theirs.env.step(action)
        found, *_ = ours.step(action)
        np.testing.assert_array_equal(found, observation)
        differing += int(np.count_nonzero(nearest.step(action)[0][RAYS] != found[RAYS]))
        if over:
            break
    assert differing > 0


@needs_native
@pytest.mark.parametrize("gait", GAITS)
@pytest.mark.parametrize("name", COURSES)
def test_both_engines_see_the_same_to_the_last_bit(name, gait):
    terrain, act = course(name, 8), GAITS[gait](8)
    reference = WalkerEnv(terrain=terrain, lidar=Lidar.PUBLISHED, episode_limit=300)
    ours = NativeWalker(terrain, published_lidar=True)
    observation, _ = reference.reset(options={"push": push_of(8)})
    np.testing.assert_array_equal(ours.reset(push_of(8)), observation)
    over = False
    while not over:
        action = act(observation)
        observation, _, terminated, truncated, _ = reference.step(action)
        np.testing.assert_array_equal(ours.step(action)[0], observation)
        over = terminated or truncated


def environment(domain, seed=3):
    return Environment(domain=domain, encoding="parametric", genome=OBSTACLES, seed=seed)


@needs_native
def test_rollouts_of_the_domain_with_the_published_lidar_are_equal_on_both_engines():
    domain, rng = find_domain("walker2d-published"), np.random.default_rng(4)
    walker = np.load(WALKER)
    thetas = (walker + 0.03 * rng.standard_normal((12, walker.size))).astype(np.float32)
    seeds = np.arange(12, dtype=np.uint64)
    played = {
        (name, engine): find_domain(name).run(
            Batch.of(thetas, environment(name), seeds), episode_limit=300, engine=engine
        )
        for name in ("walker2d", "walker2d-published")
        for engine in domain.engines
    }
    expected = played["walker2d-published", "reference"]
    np.testing.assert_array_equal(played["walker2d-published", "native"].returns, expected.returns)
    np.testing.assert_array_equal(played["walker2d-published", "native"].lengths, expected.lengths)
    assert (played["walker2d", "native"].returns != expected.returns).any()


@needs_native
def test_every_kernel_sees_the_same():
    terrain, seen = course("everything", 5), {}
    for kernel, _, usable in native.core.kernels():
        if usable:
            walker, act = NativeWalker(terrain, kernel, published_lidar=True), random(5)
            first = walker.reset(push_of(5)).copy()
            seen[kernel] = [first, *(walker.step(act(None))[0].copy() for _ in range(120))]
    assert len(seen) > 1
    for observations in seen.values():
        np.testing.assert_array_equal(observations, seen["plain-4"])


@needs_native
def test_a_state_put_back_into_another_world_goes_on_the_same():
    terrain, act = course("stumps", 6), random(6)
    one, other = (NativeWalker(terrain, published_lidar=True) for _ in range(2))
    for walker in (one, other):
        walker.reset(push_of(6))
    for _ in range(60):
        one.step(act(None))
    other.worlds.set_state(0, one.worlds.get_state(0))
    for _ in range(60):
        action = act(None)
        np.testing.assert_array_equal(one.step(action)[0], other.step(action)[0])


@needs_native
def test_vectors_and_families_have_the_lidar_of_their_tasks_domain():
    task, act = environment("walker2d-published"), CONTROLLER.policy(np.load(WALKER).astype(np.float32))
    single = WalkerEnv(task)
    worlds = EnvironmentFamily("walker2d-published", {"train": [task]}).worlds(2)
    worlds.set_tasks([task, task])
    vector = WalkerVectorEnv([task, task])
    assert (single.lidar, vector.lidar) == (Lidar.PUBLISHED, Lidar.PUBLISHED)
    observation, _ = single.reset(seed=0)
    seen = [worlds.reset(seed=[0, 0])[0], vector.reset(seed=[0, 0])[0]]
    for _ in range(120):
        for observations in seen:
            np.testing.assert_array_equal(observations, [observation, observation])
        action = act(observation)
        observation, *_ = single.step(action)
        seen = [each.step(np.stack([action, action]))[0] for each in (worlds, vector)]


def test_worlds_of_two_lidars_in_one_vector_are_refused():
    with pytest.raises(ValueError, match="walker2d and walker2d-published"):
        WalkerVectorEnv([environment("walker2d"), environment("walker2d-published")])


def test_suites_have_the_same_courses_under_either_lidar():
    suites = (suites_of(domain)["poet"]().levels for domain in ("walker2d", "walker2d-published"))
    for one, other in zip(*suites, strict=True):
        assert other.environment == replace(one.environment, domain="walker2d-published")
        np.testing.assert_array_equal(terrain_of(one.environment).boxes, terrain_of(other.environment).boxes)


def test_its_gymnasium_id_makes_the_walker_with_the_published_lidar():
    assert gymnasium.make("poet/Walker2DPublished-v0").unwrapped.task.domain == "walker2d-published"
