"""Hidden physics of legged robots: the lanes, Bullet from C++ and from Python by the bit, and what each gene means."""

import copy
import pickle

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv
from hexapods import BODY, HARD, ROUGH, STANCE, TORQUES, crowd, hidden_body, needs_lanes, task, violent

from environments.domain import Batch, Environment, Outcome, find_domain
from environments.hexapod3d import DOMAIN, native
from environments.hexapod3d.engine import SUBSTEPS, World, bullet, torque
from environments.hexapod3d.env import HexapodEnv
from environments.hexapod3d.episode import starts
from environments.hexapod3d.expression import terrain_of
from environments.hexapod3d.gait import Gait, targets
from environments.hexapod3d.physics import FRICTION, ORDINARY, Physics, genes_of
from environments.hexapod3d.vector import HexapodVectorEnv
from environments.tasks.env import TaskEnv

KERNELS = native.kernels() if native.problem() is None else []
STRANGE = {"motors": [0.8, 0.6, 0.7], "delay": 2, "friction": 0.4, "load": 1.7, "lost": 2}


def with_body(physics, genome=None, seed=3, domain="hexapod3d"):
    """Give a task of a body, a genome's section, on a course."""
    section = {"physics": physics} if physics else {}
    return Environment(domain=domain, encoding="parametric", genome={**(genome or {}), **section}, seed=seed)


def walks(count, steps, seed, body):
    """Give joint targets (count, steps, joints): walks from calm to wild, and every third one violent."""
    rng = np.random.default_rng(seed)
    drawn = []
    for number in range(count):
        actions = rng.uniform(-1, 1, (steps, body.joints)).astype(np.float32) * (number % 7) / 6
        walk = targets(body, actions, np.arange(steps), Gait.ALTERNATING)
        drawn.append(violent(seed + number, steps, body) if number % 3 == 2 else walk)
    return np.stack(drawn)


def assert_bullets_states(terrain, physics, wanted, seed, body, kernel=""):
    begun = starts(np.arange(seed, seed + len(wanted), dtype=np.uint64))
    found = native.proven_lanes(body).follow(terrain, begun, wanted, physics=physics, kernel=kernel)
    robot = native.shared_robot(body)
    robot.lay(terrain, physics)
    for start, path, states in zip(begun, wanted, found, strict=True):
        np.testing.assert_array_equal(states, robot.core.follow(start, path))
    return found


@needs_lanes
@pytest.mark.parametrize("name", ["hexapod3d", "quadruped3d", "octopod3d", "hexapod3d[tibia=0.42]"])
def test_every_kernel_gives_bullets_states_of_bodies_drawn_from_all_that_engines_bear(name):
    body = find_domain(name).body
    for seed, genome in ((1, {}), (2, HARD), (5, ROUGH)):
        section = hidden_body(seed, len(body.legs))
        physics = Physics.of(body, with_body(section, domain=name.partition("[")[0]))
        assert physics != ORDINARY
        terrain, wanted = terrain_of(task(2, **genome)), walks(3, 40, seed, body)
        found = [assert_bullets_states(terrain, physics, wanted, seed, body, kernel) for kernel in KERNELS]
        plain = native.proven_lanes(body).follow(terrain, starts(np.arange(seed, seed + 3, dtype=np.uint64)), wanted)
        assert not np.array_equal(found[0], plain)


@needs_lanes
@pytest.mark.slow
@pytest.mark.parametrize("name", ["hexapod3d", "quadruped3d", "octopod3d"])
def test_many_free_running_steps_of_hidden_bodies_are_bullets(name):
    """Four bodies, 3 walks each, 250 control steps of two steps of physics: 6,000 for each number of legs."""
    body = find_domain(name).body
    for seed, genome in zip(range(100, 104), [{}, ROUGH, HARD, ROUGH], strict=True):
        physics = Physics.of(body, with_body(hidden_body(seed, len(body.legs)), domain=name))
        assert_bullets_states(terrain_of(task(seed, **genome)), physics, walks(3, 250, seed, body), seed, body)


@needs_lanes
@pytest.mark.parametrize("name", ["hexapod3d", "hexapod3d-joints", "quadruped3d"])
def test_whole_episodes_of_bodies_side_by_side_are_the_references(name):
    domain, rows = find_domain(name), 8
    bodies = [{}, STRANGE | {"lost": 4}, *(hidden_body(seed, len(domain.body.legs)) for seed in range(4))]
    tasks = tuple(with_body(each, (HARD, {})[i % 2], domain=name) for i, each in enumerate(bodies))
    rng = np.random.default_rng(2)
    scales = np.tile([0.05, 0.3], rows // 2)[:, None]
    thetas = (scales * rng.standard_normal((rows, domain.controller.parameters))).astype(np.float32)
    thetas[3, 7] = np.nan
    batch = Batch(thetas, tasks, np.arange(rows) % len(tasks), np.arange(rows, dtype=np.uint64))
    found, expected = (domain.run(batch, engine=engine, episode_limit=60) for engine in ("native", "pybullet"))
    for part in ("returns", "lengths", "outcomes"):
        np.testing.assert_array_equal(getattr(found, part), getattr(expected, part))
    assert found.outcomes[3] == Outcome.DIVERGED
    # Bullet driven from C++ plays where the lanes cannot.
    for row in (1, 4):
        alone = native.run_bullet(
            Batch.of(thetas[row : row + 1], tasks[row], batch.seeds[row : row + 1]), 60, domain.body, domain.gait
        )
        assert alone.returns[0] == expected.returns[row]


@needs_lanes
def test_every_kernel_and_films_play_bodies_side_by_side_alike():
    thetas, seeds = crowd(19)
    tasks = [with_body(hidden_body(seed), ROUGH) for seed in range(5)] + [task(3, **ROUGH)]
    places = (np.arange(19) % len(tasks)).astype(np.int32)
    courses = [native.course_of(BODY, each) for each in tasks]
    lanes = native.proven_lanes(BODY)
    found = [lanes.core.rollout(courses, places, thetas, starts(seeds), 60, True, kernel=each)[:3] for each in KERNELS]
    for each in found[1:]:
        for one, other in zip(each, found[0], strict=True):
            np.testing.assert_array_equal(one, other)
    rows = np.flatnonzero(places == 1)
    (*_, last) = DOMAIN.stream(tasks[1], thetas[rows], seeds[rows], episode_limit=60)
    assert last.returns[-1].tolist() == found[0][0][rows].tolist()
    recorded = DOMAIN.record(tasks[1], thetas[rows[1]], int(seeds[rows[1]]), 60)
    assert recorded.score == pytest.approx(found[0][0][rows[1]])


def test_what_is_ordinary_is_the_robot_that_was():
    genes = genes_of(6)
    written = {name: gene.written(gene.numbers(gene.ordinary)) for name, gene in genes.items()}
    assert Physics.of(BODY, with_body(written)) == Physics.of(BODY, with_body({})) == Physics.of(BODY, None) == ORDINARY
    assert not DOMAIN.hidden(None).any()
    assert task(0).id == "9cb914e80ad6f0f8"  # what it was before there was any
    assert task(7, **ROUGH).id == "9c428d66f24206f4"


def test_a_late_action_is_another_action_of_the_ordinary_robot():
    late, plain = HexapodEnv(physics=Physics(delay=2)), HexapodEnv()
    observation, _ = late.reset(seed=4)
    np.testing.assert_array_equal(plain.reset(seed=4)[0], observation)
    rng, given = np.random.default_rng(0), [np.zeros(18, dtype=np.float32)] * 2
    for _ in range(25):
        given.append(rng.uniform(-0.5, 0.5, 18).astype(np.float32))
        observation, *rest = late.step(given[-1])
        expected, *others = plain.step(given.pop(0))
        np.testing.assert_array_equal(observation, expected)
        assert rest == others
    assert late.step(np.full(18, np.nan, dtype=np.float32))[-1]["outcome"] == Outcome.DIVERGED
    late.close()
    plain.close()


def test_drives_give_their_share_and_those_of_a_lost_leg_nothing():
    physics = Physics(motors=(0.5, 0.8, 1.0), lost=3)
    shares = np.tile([0.5, 0.8, 1.0], 6)
    shares[6:9] = 0.0
    world, state = World(), np.zeros(BODY.columns.size)
    world.lay(terrain_of(None), physics)
    world.place((0, 0, BODY.height), (0, 0, 0, 1), STANCE.tolist())
    wanted, squares = STANCE + 0.2, np.zeros(18)
    given = []
    asked, world._client.on = bullet.setJointMotorControlArray, world._on
    for _ in range(3):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                bullet, "setJointMotorControlArray", lambda *a, **k: (given.append(k["forces"]), asked(*a, **k))
            )
            angles, speeds = world._joint_states()
            first = shares * torque(BODY, wanted, angles, speeds)
            world.advance(wanted)
        np.testing.assert_array_equal(given[-SUBSTEPS], first)
        squares = np.square(given[-SUBSTEPS:]).sum(axis=0)
        world.read(state)
        np.testing.assert_array_equal(state[TORQUES], np.sqrt(squares / SUBSTEPS))
    assert not state[TORQUES][6:9].any()
    assert state[TORQUES][[0, 1, 2]].all()
    world.close()


def test_bullet_has_the_friction_and_the_trunk_that_are_asked_for_and_forgets_them():
    world, ordinary = World(), World()
    ordinary.lay(terrain_of(None))
    heavy = Physics(friction=0.35, load=1.6)
    for physics in (heavy, ORDINARY, heavy):
        world.lay(terrain_of(None), physics)
        (mass, _, inertia), (was, _, had) = (
            bullet.getDynamicsInfo(each.robot, -1, **each._on)[:3] for each in (world, ordinary)
        )
        assert mass == physics.load * was
        assert inertia == tuple(physics.load * each for each in had)
        assert bullet.getDynamicsInfo(world._ground, -1, **world._on)[1] == physics.friction
        assert world.description()["friction"] == [physics.friction / FRICTION * ordinary.description()["friction"][0]]
    world.close()
    ordinary.close()


@needs_lanes
@pytest.mark.parametrize("told", [False, True])
def test_worlds_of_hidden_bodies_equal_gymnasiums_of_reference_ones(told):
    tasks = [with_body(hidden_body(seed), (ROUGH, HARD)[seed % 2]) for seed in range(4)]
    ours = HexapodVectorEnv([*tasks, task(1)], told=told, episode_limit=20)
    make = [lambda each=each: HexapodEnv(each, told=told, episode_limit=20) for each in (*tasks, task(1))]
    theirs = SyncVectorEnv(make)
    np.testing.assert_array_equal(ours.reset(seed=3)[0], theirs.reset(seed=3)[0])
    rng = np.random.default_rng(0)
    for _ in range(30):
        actions = rng.uniform(-1, 1, (5, 18)).astype(np.float32)
        for one, other in zip(ours.step(actions)[:4], theirs.step(actions)[:4], strict=True):
            np.testing.assert_array_equal(one, other)
    theirs.close()


@needs_lanes
@pytest.mark.parametrize("again", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_copies_go_on_with_the_actions_that_are_under_way(again):
    tasks = [with_body(STRANGE), task(1, **ROUGH)]
    reference, worlds = TaskEnv("hexapod3d", task=tasks[0]), HexapodVectorEnv(tasks)
    reference.reset(seed=3)
    worlds.reset(seed=3)
    rng = np.random.default_rng(0)
    for _ in range(7):
        actions = rng.uniform(-1, 1, (2, 18)).astype(np.float32)
        reference.step(actions[0])
        worlds.step(actions)
    one, other = again(reference), again(worlds)
    for _ in range(5):
        actions = rng.uniform(-1, 1, (2, 18)).astype(np.float32)
        expected = reference.step(actions[0])[0]
        np.testing.assert_array_equal(one.step(actions[0])[0], expected)
        found = worlds.step(actions)[0]
        np.testing.assert_array_equal(other.step(actions)[0], found)
        np.testing.assert_array_equal(found[0], expected)
    one.close()
    reference.close()


@needs_lanes
def test_who_is_told_sees_the_hidden_beside_the_same_observations():
    tasks = [with_body({"motors": [1, 0.75, 1], "delay": 1, "lost": 5}), task(3)]
    told = gymnasium.make("poet/Hexapod3D-v0", task=tasks[0], told=True)
    blind = gymnasium.make("poet/Hexapod3D-v0", task=tasks[0])
    worlds = gymnasium.make_vec("poet/Hexapod3D-v0", 2, tasks=tasks, told=True, autoreset_mode="SameStep")
    seen, _ = told.reset(seed=2)
    unseen, _ = blind.reset(seed=2)
    both, _ = worlds.reset(seed=[2, 2])
    assert told.observation_space.contains(seen)
    assert worlds.observation_space.contains(both)
    np.testing.assert_array_equal(seen, np.concatenate([unseen, DOMAIN.hidden(tasks[0])]))
    np.testing.assert_array_equal(both[0], seen)
    assert not both[1, 70:].any()
    assert DOMAIN.hidden(tasks[0]).tolist() == [0, -0.5, 0, 0.5, 0, 0, 0, 0, 0, 0, 1, 0]
    worlds.unwrapped.set_tasks([tasks[1], tasks[0]])
    stuck = np.zeros((2, 18), dtype=np.float32)
    stuck[0, 0] = np.nan  # ends that world's episode, and its next is of the other task
    both, _, _, _, infos = worlds.step(stuck)
    np.testing.assert_array_equal(infos["final_obs"][0][70:], DOMAIN.hidden(tasks[0]))
    assert not both[:, 70:].any()
    for each in (told, blind):
        each.close()


def test_ground_is_what_it_was_and_a_drawn_copy_keeps_its_body():
    environment, plain = with_body(STRANGE, HARD), task(3, **HARD)
    assert environment.id != plain.id
    np.testing.assert_array_equal(terrain_of(environment).heights, terrain_of(plain).heights)
    assert DOMAIN.difficulty(environment) == DOMAIN.difficulty(plain)
    drawn = DOMAIN.drawn_from(environment)
    assert drawn.genome["physics"] == STRANGE
    DOMAIN.encoding("drawn", {}).check(drawn.genome)
    assert terrain_of(drawn) is terrain_of(DOMAIN.drawn_from(plain))
    assert DOMAIN.sketch(environment).note == "motors 0.8/0.6/0.7, delay 2, friction 0.4, load 1.7, lost leg 2"


@pytest.mark.parametrize(
    ("domain", "section", "said"),
    [
        ("hexapod3d", {"lost": 7}, r"physics.lost is 7; it must be a whole number in \[0, 6\]"),
        ("quadruped3d", {"lost": 5}, r"physics.lost is 5; it must be a whole number in \[0, 4\]"),
        ("octopod3d", {"motors": [1, 1]}, "physics.motors is .1, 1.; it must be a number, or 3 of them"),
        ("hexapod3d-joints", {"lidar": 0}, "physics has a gene 'lidar'; genes are motors, delay, friction, load, lost"),
        ("hexapod3d", {"friction": 11}, r"physics.friction is 11; it must be a number in \[0, 10\]"),
    ],
)
def test_bodies_that_are_none_are_refused_wherever_they_are_met(domain, section, said):
    found, environment = find_domain(domain), with_body(section, domain=domain)
    with pytest.raises(ValueError, match=said):
        found.encoding("parametric", {}).check(environment.genome)
    with pytest.raises(ValueError, match=said):
        found.make_env(environment)
    theta = np.zeros((1, found.controller.parameters), dtype=np.float32)
    with pytest.raises(ValueError, match=said):
        found.run(Batch.of(theta, environment, np.zeros(1, dtype=np.uint64)))
