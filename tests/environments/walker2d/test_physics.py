"""Hidden physics of the walker: native engine and reference by the bit for any body, and what each gene means."""

import copy
import pickle

import gymnasium
import numpy as np
import pytest
from walkers import COURSES, GAITS, course, push_of, resynchronised_steps

import environments
from environments.domain import Batch, Environment, Outcome, find_domain
from environments.tasks.env import TaskEnv, TaskSource
from environments.walker2d import native
from environments.walker2d.env import WalkerEnv
from environments.walker2d.physics import GENES, ORDINARY, Physics, hidden
from environments.walker2d.simulator import CONTROLLER
from environments.walker2d.vector import WalkerVectorEnv

WALKER = find_domain("walker2d")
needs_native = pytest.mark.skipif(native.problem() is not None, reason=str(native.problem()))


def drawn(seed):
    """A body drawn from all that the engines bear, some of it ordinary."""
    rng = np.random.default_rng(seed)
    physics = {}
    for name, gene in GENES.items():
        if rng.random() < 0.6:
            low, high = max(gene.least, 0.5 * gene.low), min(gene.most, 1.5 * gene.high)
            numbers = rng.uniform(low, high, gene.parts)
            physics[name] = gene.written(tuple(rng.integers(low, high + 1, 1) if gene.whole else numbers))
    return physics


def task(genome, physics, domain="walker2d", seed=3):
    section = {"physics": physics} if physics else {}
    return Environment(domain=domain, encoding="parametric", genome={**genome, **section}, seed=seed)


def mixed_batch(rows, bodies, first=0, domain="walker2d"):
    """Controllers of some skill, each on a course and with a body of its own."""
    rng = np.random.default_rng(first)
    names = list(COURSES)
    tasks = tuple(
        task(COURSES[names[i % len(names)]].to_json(), drawn(first + i) if i else {}, domain) for i in range(bodies)
    )
    scales = rng.choice([0.1, 0.3, 0.6], rows)
    thetas = np.stack([CONTROLLER.initial_theta(rng, scale=scale) for scale in scales]).astype(np.float32)
    return Batch(thetas, tasks, np.arange(rows) % bodies, np.arange(rows, dtype=np.uint64))


def same(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("returns", "lengths", "outcomes"))


@needs_native
@pytest.mark.parametrize("seed", range(6))
def test_resynchronised_steps_of_any_body_are_equal_to_the_last_bit(seed):
    physics = Physics.of(task({}, drawn(seed)))
    name, gait = list(COURSES)[seed % len(COURSES)], list(GAITS)[seed % len(GAITS)]
    steps = 0
    for _, difference, same_contacts in resynchronised_steps(
        course(name, seed), GAITS[gait](seed), push_of(seed), 60, physics
    ):
        assert difference == 0.0
        assert same_contacts
        steps += 1
    assert steps > 5


@needs_native
@pytest.mark.parametrize("domain", ["walker2d", "walker2d-published"])
def test_whole_episodes_of_bodies_side_by_side_are_the_references(domain):
    batch = mixed_batch(20, 10, domain=domain)
    expected = WALKER.run(batch, engine="reference", episode_limit=150)
    assert same(WALKER.run(batch, engine="native", episode_limit=150), expected)
    assert len(set(expected.returns)) == len(batch)


@needs_native
def test_every_kernel_gives_the_same_for_bodies_side_by_side():
    batch = mixed_batch(40, 12, first=50)
    courses = [native.course_of(each) for each in batch.environments]
    pushes = np.linspace(-5, 5, len(batch))
    found = {
        name: native.core.rollout(courses, batch.places.astype(np.int32), batch.thetas, pushes, 200, name)[:3]
        for name, _, usable in native.core.kernels()
        if usable
    }
    first = next(iter(found.values()))
    for name, arrays in found.items():
        for array, expected in zip(arrays, first, strict=True):
            np.testing.assert_array_equal(array, expected, err_msg=name)


@needs_native
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_many_steps_and_episodes_of_every_kind_of_body_are_equal():
    count = unequal = 0
    for seed in range(100, 130):
        physics = Physics.of(task({}, drawn(seed)))
        name, gait = list(COURSES)[seed % len(COURSES)], list(GAITS)[seed // 2 % len(GAITS)]
        for _, difference, same_contacts in resynchronised_steps(
            course(name, seed), GAITS[gait](seed), push_of(seed), 150, physics
        ):
            count += 1
            unequal += difference != 0.0 or not same_contacts
    assert unequal == 0
    assert count > 1000
    batch = mixed_batch(30, 30, first=1000)
    assert same(WALKER.run(batch, engine="native"), WALKER.run(batch, engine="reference"))


def test_what_is_ordinary_is_gymnasiums_walker():
    written = {name: gene.written(gene.numbers(gene.ordinary)) for name, gene in GENES.items()}
    assert Physics.of(task({}, written)) == Physics.of(task({}, {})) == Physics.of(None) == ORDINARY == Physics()
    assert ORDINARY.direct
    np.testing.assert_array_equal(hidden(None), np.zeros(10))


def test_environments_without_hidden_physics_have_the_hashes_they_had():
    assert task({}, {}, seed=0).id == "f99141667d71b2cf"
    assert task({"roughness": 1.2}, {}, seed=7).id == "1451969be394b7f4"


@pytest.mark.parametrize(("motors", "delay"), [((0.7,) * 4, 0), ((1.0,) * 4, 2), ((1.0, 0.3, 0.6, 1.0), 1)])
def test_weak_motors_and_late_actions_are_other_actions_of_the_ordinary_walker(motors, delay):
    act = GAITS["heuristic"](1)
    late, plain = WalkerEnv(physics=Physics(motors=motors, delay=delay)), WalkerEnv()
    observation, _ = late.reset(seed=4)
    np.testing.assert_array_equal(plain.reset(seed=4)[0], observation)
    given = [np.zeros(4, dtype=np.float32)] * delay
    for _ in range(120):
        given.append(act(observation))
        observation, *rest = late.step(given[-1])
        applied = np.float32(motors) * np.clip(given.pop(0), -1, 1)
        expected, *others = plain.step(applied)
        np.testing.assert_array_equal(observation, expected)
        assert rest == others
        if rest[1]:
            break


def test_a_lidar_that_is_off_reports_nothing_and_changes_nothing_else():
    blind, seeing = (
        WalkerEnv(terrain=course("rough", 2), physics=Physics(lidar=False)),
        WalkerEnv(terrain=course("rough", 2)),
    )
    act = GAITS["heuristic"](1)
    first, _ = blind.reset(seed=1)
    other, _ = seeing.reset(seed=1)
    for _ in range(60):
        np.testing.assert_array_equal(first[:14], other[:14])
        assert not first[14:].any()
        assert other[14:].any()
        action = act(other)
        first, other = blind.step(action)[0], seeing.step(action)[0]


@needs_native
@pytest.mark.parametrize("seed", range(4))
def test_segments_have_box2ds_masses_and_frictions(seed):
    physics = Physics.of(task({}, drawn(seed + 20)))
    env = WalkerEnv(physics=physics)
    env.reset(seed=0)
    ground = env._world.bodies[0].fixtures[0].friction
    segments = native.body_of(physics).segments()
    for body, (inverse_mass, _, x, y, friction) in zip([env._hull, *env._legs], segments, strict=True):
        assert np.float32(1 / np.float32(body.mass)) == inverse_mass
        assert tuple(body.localCenter) == (x, y)
        assert np.sqrt(np.float32(ground) * np.float32(body.fixtures[0].friction)) == np.float32(friction)


@needs_native
@pytest.mark.parametrize("again", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_copies_go_on_with_the_actions_that_are_under_way(again):
    tasks = [task({}, {"delay": 2, "motors": 0.8}), task({"roughness": 1.0}, {"legs": 1.2})]
    reference, worlds = TaskEnv("walker2d", task=tasks[0]), WalkerVectorEnv(tasks)
    reference.reset(seed=3)
    worlds.reset(seed=3)
    rng = np.random.default_rng(0)
    for _ in range(7):
        actions = rng.uniform(-1, 1, (2, 4)).astype(np.float32)
        reference.step(actions[0])
        worlds.step(actions)
    one, other = again(reference), again(worlds)
    for _ in range(5):
        actions = rng.uniform(-1, 1, (2, 4)).astype(np.float32)
        expected = reference.step(actions[0])[0]
        np.testing.assert_array_equal(one.step(actions[0])[0], expected)
        found = worlds.step(actions)[0]
        np.testing.assert_array_equal(other.step(actions)[0], found)
        np.testing.assert_array_equal(found[0], expected)


@needs_native
def test_who_is_told_sees_the_hidden_beside_the_same_observations():
    body = {"motors": [1, 0.7, 1, 1], "delay": 1}
    tasks = [task({}, body), task({}, {})]
    told = gymnasium.make("poet/Walker2D-v0", task=tasks[0], told=True)
    blind = gymnasium.make("poet/Walker2D-v0", task=tasks[0])
    worlds = gymnasium.make_vec("poet/Walker2D-v0", 2, tasks=tasks, told=True, autoreset_mode="SameStep")
    seen, _ = told.reset(seed=2)
    unseen, _ = blind.reset(seed=2)
    both, _ = worlds.reset(seed=[2, 2])
    assert told.observation_space.contains(seen)
    assert worlds.observation_space.contains(both)
    np.testing.assert_array_equal(seen, np.concatenate([unseen, hidden(tasks[0])]))
    np.testing.assert_array_equal(both[0], seen)
    assert not both[1, 24:].any()
    np.testing.assert_allclose(hidden(tasks[0])[:5], [0, -0.6, 0, 0, 0.5])
    worlds.unwrapped.set_tasks([tasks[1], tasks[0]])
    stuck = np.zeros((2, 4), dtype=np.float32)
    stuck[0, 0] = np.nan  # ends that world's episode, and its next is of the other task
    both, _, _, _, infos = worlds.step(stuck)
    np.testing.assert_array_equal(infos["final_obs"][0][24:], hidden(tasks[0]))
    assert infos["final_info"]["outcome"][0] == Outcome.DIVERGED
    assert not both[:, 24:].any()


@needs_native
def test_pictures_and_poses_show_the_body_that_walks():
    tall = task({}, {"legs": 1.25, "load": 1.5})
    worlds = WalkerVectorEnv([tall, task({}, {})], source=TaskSource("walker2d"), render_mode="rgb_array")
    env = WALKER.make_env(tall, render_mode="rgb_array")
    env.reset(seed=1)
    worlds.reset(seed=[1, 1])
    np.testing.assert_allclose(worlds.poses()[0], env.poses(), atol=1e-5)
    pictures = worlds.render()
    assert np.mean(np.any(pictures[0] != env.render(), axis=-1)) < 0.01
    leg, ordinary = (np.ptp(WALKER.figure(each).shapes[0][:, 1]) for each in (tall, task({}, {})))
    assert leg == pytest.approx(1.25 * ordinary)


def test_a_domain_that_hides_nothing_tells_nothing():
    with pytest.raises(ValueError, match=r"told is True, but .* has no hidden physics"):
        TaskEnv(
            "toy",
            task=environments.Environment(domain="toy", encoding="target", genome={"target": [0, 0, 0]}, seed=0),
            told=True,
        )
