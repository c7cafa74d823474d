"""The core with a world in each SIMD lane against Bullet itself: the same states, to the last bit.

Both run freely from the same start. A step of either is a function of what the step before left: places, speeds and the
points of contact that Bullet keeps. Were one step different, so would be all that follow it.
"""

import numpy as np
import pytest
from hexapods import ANGLES, BODY, CONTROLLER, HARD, ROUGH, crowd, needs_lanes, task, violent

from environments.domain import NO_OUTCOME, Batch, Environment, Outcome, find_domain
from environments.hexapod3d import DOMAIN, JOINTS, native
from environments.hexapod3d.engine import World
from environments.hexapod3d.episode import starts
from environments.hexapod3d.expression import terrain_of
from environments.hexapod3d.gait import Gait, targets
from environments.hexapod3d.task import FALL_REWARD, UNDER, Judge, rotation

pytestmark = needs_lanes

KERNELS = native.kernels() if native.problem() is None else []
BODIES = ["quadruped3d", "octopod3d", "hexapod3d[tibia=0.42]"]
COURSES = {
    "flat": {},
    "rough": ROUGH,
    "hard": HARD,
    "steps": {"step_height": [0.05, 0.2]},
    "gaps": {"gap_width": [0.1, 0.4]},
    "boulders": {"boulder_height": [0.05, 0.3], "slope": 0.2},
}


def walks(count, steps, seed, body=BODY):
    """Give joint targets (count, steps, joints): walks from calm to wild, and every third one violent."""
    rng = np.random.default_rng(seed)
    drawn = []
    for number in range(count):
        actions = rng.uniform(-1, 1, (steps, body.joints)).astype(np.float32) * (number % 7) / 6
        walk = targets(body, actions, np.arange(steps), Gait.ALTERNATING)
        drawn.append(violent(seed + number, steps, body) if number % 3 == 2 else walk)
    return np.stack(drawn)


def assert_bullets_states(terrain, wanted, seed, kernel="", body=BODY):
    begun = starts(np.arange(seed, seed + len(wanted), dtype=np.uint64))
    found = native.proven_lanes(body).follow(terrain, begun, wanted, kernel=kernel)
    robot = native.shared_robot(body)
    robot.lay(terrain)
    for start, path, states in zip(begun, wanted, found, strict=True):
        np.testing.assert_array_equal(states, robot.core.follow(start, path))


def test_the_lanes_are_used_here():
    assert native.proven_lanes(BODY) is not None
    assert native.kernel() == KERNELS[0]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", ["flat", "hard"])
def test_every_kernel_gives_bullets_states(kernel, name):
    assert_bullets_states(terrain_of(task(1, **COURSES[name])), walks(9, 60, 3), 3, kernel)


@pytest.mark.parametrize("name", BODIES)
def test_bodies_of_other_legs_move_as_bullets_do_in_every_kernel(name):
    body = find_domain(name).body
    for kernel in KERNELS:
        assert_bullets_states(terrain_of(task(2, **HARD)), walks(9, 50, 5, body), 5, kernel, body)


@pytest.mark.slow
@pytest.mark.parametrize("body", ["hexapod3d", "quadruped3d", "octopod3d"])
@pytest.mark.parametrize("name", COURSES)
def test_a_hundred_thousand_steps_are_bullets(name, body):
    """With the other courses: 6 courses, 12 walks each, 700 control steps of two steps of physics; half for others."""
    robot = find_domain(body).body
    assert_bullets_states(
        terrain_of(task(len(name), **COURSES[name])), walks(12 if robot is BODY else 6, 700, 11, robot), 11, body=robot
    )


def test_an_episode_does_not_depend_on_its_neighbours_or_its_course_on_theirs():
    thetas, seeds = crowd(11)
    thetas[4, 7] = np.nan
    courses = (task(3, **ROUGH), task(4), task(5, **HARD))
    places = np.arange(11) % 3
    mixed = DOMAIN.run(Batch(thetas, courses, places, seeds), episode_limit=80)
    for row in range(11):
        alone = DOMAIN.run(
            Batch.of(thetas[row : row + 1], courses[places[row]], seeds[row : row + 1]), episode_limit=80
        )
        assert alone.returns[0] == mixed.returns[row]
        assert alone.lengths[0] == mixed.lengths[row]
        assert alone.outcomes[0] == mixed.outcomes[row]


def test_threads_share_a_queue_and_change_nothing():
    lanes = native.proven_lanes(BODY)
    thetas, seeds = crowd(20)
    course = lanes.core.course(terrain_of(task(3, **ROUGH)).heights)
    found = [
        lanes.core.rollout([course], np.zeros(20, np.int32), thetas, starts(seeds), 40, True, threads=threads)[:3]
        for threads in (1, 3)
    ]
    for one, many in zip(*found, strict=True):
        np.testing.assert_array_equal(one, many)


@pytest.mark.slow
@pytest.mark.parametrize("domain", [DOMAIN, JOINTS], ids=["gait", "joints"])
@pytest.mark.parametrize("encoding", ["parametric", "cppn"])
def test_whole_episodes_are_bullets(domain, encoding):
    rng = np.random.default_rng(8)
    genome = HARD
    if encoding == "cppn":
        networks = domain.encoding("cppn", {})
        genome = networks.initial()
        for _ in range(20):
            genome = networks.mutate(genome, rng)
    environment = Environment(domain=domain.name, encoding=encoding, genome=genome, seed=8)
    spreads = np.repeat([0.0, 0.02, 0.1, 0.5], 4)[:, None]
    thetas = (spreads * rng.standard_normal((16, CONTROLLER.parameters))).astype(np.float32)
    batch = Batch.of(thetas, environment, np.arange(16, dtype=np.uint64) + np.uint64(2**62))
    found, expected = (play(batch, 700, domain.body, domain.gait) for play in (native.run_native, native.run_bullet))
    np.testing.assert_array_equal(found.returns, expected.returns)
    np.testing.assert_array_equal(found.lengths, expected.lengths)
    np.testing.assert_array_equal(found.outcomes, expected.outcomes)


def clearance(states, terrain):
    """Say how high the middles of feet lie over the ground, (n, 6) in m."""
    feet = states[:, None, :3] + np.einsum("nij,nlj->nli", rotation(states), BODY.feet(states[:, ANGLES]))
    return feet[..., 2] - terrain.height_at(feet[..., 0], feet[..., 1])


def test_of_240_violent_episodes_none_earns_by_a_foot_in_the_ground():
    """A foot thrown down at 7 m/s moves by more than its radius in a step of physics, and may get through."""
    through = {}
    for number in range(6):
        seeds = [seed for seed in range(240) if seed % 3 == number % 3 and bool(seed % 4) == (number < 3)]
        terrain = terrain_of(task(number % 3, **(HARD if number < 3 else {})))
        begun = np.tile(np.array([0.0, 0.0, 1.0]), (len(seeds), 1))
        paths = native.proven_lanes(BODY).follow(terrain, begun, np.stack([violent(seed) for seed in seeds]))
        judge = Judge(BODY, len(seeds), 700)
        over, deep = np.full(len(seeds), NO_OUTCOME), np.zeros(len(seeds), dtype=bool)
        for row in range(len(seeds)):
            judge.start(row, float(paths[row, 0, 0]))
        for step in range(paths.shape[1]):
            lasting = over == NO_OUTCOME
            deep |= lasting & (clearance(paths[:, step], terrain).min(axis=1) < 0)
            _, outcomes = judge.judge(paths[:, step], terrain)
            for row in np.flatnonzero(lasting & (outcomes != NO_OUTCOME)):
                over[row] = outcomes[row]
                if deep[row]:
                    through[seeds[row]] = int(outcomes[row]), float(judge.returns[row])
        assert not (deep & (over == NO_OUTCOME)).any()
    assert through == {seed: (int(Outcome.DIVERGED), pytest.approx(FALL_REWARD)) for seed in (80, 93)}


def test_a_foot_that_is_through_and_pulled_up_again_is_lost_before_it_can_be_used():
    """Bullet keeps it below, by which a robot could hold itself down: of the kept episodes one of two that can."""
    terrain, body, rows = terrain_of(task(2)), BODY, 200
    rng = np.random.default_rng(68)
    targets = np.tile(violent(80), (rows, 1, 1))
    targets[:, 68:] = body.stance + rng.uniform(
        -0.4, 0.4, (rows, 1, body.joints)
    )  # all but still, the foot at the ground
    paths = native.proven_lanes(body).follow(terrain, np.tile(np.array([0.0, 0.0, 1.0]), (rows, 1)), targets)
    judge, over, below = Judge(body, rows, 700), np.full(rows, NO_OUTCOME), np.zeros(rows, dtype=int)
    longest, returns = np.zeros(rows, dtype=int), np.zeros(rows)
    for row in range(rows):
        judge.start(row, float(paths[row, 0, 0]))
    for step in range(paths.shape[1]):
        lasting = over == NO_OUTCOME
        _, outcomes = judge.judge(paths[:, step], terrain)
        over, returns = np.where(lasting, outcomes, over), np.where(lasting, judge.returns, returns)
        below = np.where(clearance(paths[:, step], terrain).min(axis=1) < 0, below + 1, 0)
        longest = np.where(over == NO_OUTCOME, np.maximum(longest, below), longest)
    assert longest.max() == UNDER
    held = over == Outcome.DIVERGED
    assert held.sum() > rows / 4
    np.testing.assert_allclose(returns[held], FALL_REWARD)


def lanes_of(**changes):
    world = World()
    world.lay(terrain_of(task(0)))
    made = native.Lanes(BODY)
    made.core = native.core_of(BODY).Lanes(native.constants(BODY), world.description() | changes)
    world.close()
    return made


def test_lanes_that_differ_from_bullet_are_found_out():
    assert native.agrees(BODY, lanes_of(), steps=20)
    assert not native.agrees(BODY, lanes_of(friction=[0.4999]), steps=20)
    assert not native.agrees(BODY, lanes_of(foot_along=[0.16 + 1e-12]), steps=20)


def test_the_lanes_refuse_what_they_do_not_know():
    lanes = native.proven_lanes(BODY).core
    with pytest.raises(ValueError, match="does not know"):
        lanes_of(tail=[1.0])
    with pytest.raises(ValueError, match="another length"):
        lanes_of(sign=[1.0])
    with pytest.raises(ValueError, match="another shape"):
        lanes.course(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="kernel is 'abacus'; this build has "):
        lanes.follow(lanes.course(np.zeros((109, 49))), np.zeros((1, 3)), np.zeros((1, 1, 18)), kernel="abacus")
