import gc
import subprocess
import sys
import xml.etree.ElementTree as ET

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hexapods import ANGLES, BODY, FEET, HIGH, LOW, STANCE, STATE_SIZE, TORQUES, stroll, task

from environments.domain import Environment, Outcome, find_domain
from environments.hexapod3d.body import Body
from environments.hexapod3d.drawing import _Meshes
from environments.hexapod3d.engine import (
    CONTROL_RATE,
    POSITION,
    QUATERNION,
    SPIN,
    SUBSTEPS,
    VELOCITY,
    Client,
    World,
    bullet,
)
from environments.hexapod3d.env import HexapodEnv
from environments.hexapod3d.gait import PERIOD, Gait, targets
from environments.hexapod3d.task import EPISODE_LIMIT, FALL_REWARD, PATIENCE, Judge, observe, rotation
from environments.hexapod3d.terrain import COLUMNS, FINISH, ROWS, SIDE_LIMIT, Terrain, grid
from environments.hexapod3d.urdf import urdf

NOTHING = np.zeros(18, dtype=np.float32)


@pytest.fixture
def env():
    made = HexapodEnv()
    made.reset(seed=0)
    yield made
    made.close()


def put(env, position, quaternion=(0, 0, 0, 1), velocity=(0, 0, 0)):
    """Move the robot behind the environment's back."""
    bullet.resetBasePositionAndOrientation(env._world.robot, position, quaternion, **env._world._on)
    bullet.resetBaseVelocity(env._world.robot, velocity, [0, 0, 0], **env._world._on)


@pytest.mark.filterwarnings("ignore:.*:UserWarning")  # advice on the range of observations
@pytest.mark.parametrize("name", ["poet/Hexapod3D-v0", "poet/Hexapod3DJoints-v0"])
def test_registered_environments_pass_gymnasiums_checker(name):
    made = gymnasium.make(name, render_mode="rgb_array").unwrapped
    check_env(made)
    made.close()


def test_a_description_with_more_legs_gives_a_body_that_pybullet_reads(tmp_path):
    path = tmp_path / "body.urdf"
    path.write_text(urdf(Body(pairs_of_legs=4)))
    assert len(ET.parse(path).findall("joint")) == 24
    client = bullet.connect(bullet.DIRECT)
    robot = bullet.loadURDF(str(path), physicsClientId=client)
    assert bullet.getNumJoints(robot, physicsClientId=client) == 24
    bullet.disconnect(physicsClientId=client)


def test_feet_are_where_pybullet_has_them(env):
    angles = np.random.default_rng(0).uniform(LOW, HIGH)
    env._world.place((0, 0, 5), (0, 0, 0, 1), angles.tolist())
    links = bullet.getLinkStates(env._world.robot, [2, 5, 8, 11, 14, 17], **env._world._on)
    # URDF frames (entries 4 and 5) lie at the knees; feet a tibia further along their x axes.
    knees, turns = np.array([link[4] for link in links]), [link[5] for link in links]
    tibias = np.array([np.reshape(bullet.getMatrixFromQuaternion(turn), (3, 3))[:, 0] for turn in turns])
    expected = knees + BODY.segments[2].length * tibias - [0, 0, 5]
    np.testing.assert_allclose(BODY.feet(angles[None])[0], expected, atol=1e-6)  # the URDF is read in single precision


def test_rotation_is_pybullets():
    turns = np.random.default_rng(0).normal(size=(5, 4))
    turns /= np.linalg.norm(turns, axis=1, keepdims=True)
    state = np.zeros((5, 100))
    state[:, QUATERNION] = turns
    expected = [np.reshape(bullet.getMatrixFromQuaternion(turn), (3, 3)) for turn in turns.tolist()]
    np.testing.assert_allclose(rotation(state), expected, atol=1e-12)


def test_a_standing_robot_bears_its_weight_on_six_feet(env):
    for _ in range(60):
        env._world.advance(STANCE)
    env._world.read(env._state[0])
    assert env.state[FEET].tolist() == [1] * 6
    assert abs(env.state[2] - BODY.height) < 0.02
    contacts = bullet.getContactPoints(bodyA=env._world.robot, **env._world._on)
    weight = 9.81 * (BODY.mass + 6 * sum(segment.mass for segment in BODY.segments))
    assert sum(contact[9] for contact in contacts) == pytest.approx(weight, rel=0.05)
    assert 1 < np.abs(env.state[TORQUES]).max() < 0.5 * BODY.torque


def test_links_have_the_inertia_that_the_urdf_says(env):
    # Without a flag PyBullet would take it from the shapes that collide, of which legs have none.
    for link, element in enumerate(ET.fromstring(urdf(BODY)).findall("link"), start=-1):
        said = [float(element.find("inertial/inertia").get(axis)) for axis in ("ixx", "iyy", "izz")]
        mass, _, inertia = bullet.getDynamicsInfo(env._world.robot, link, **env._world._on)[:3]
        assert mass == float(element.find("inertial/mass").get("value"))
        np.testing.assert_allclose(inertia, said)
        assert 2 * max(said) < sum(said) + 1e-9  # no solid has a moment greater than the sum of its other two


def test_a_drive_is_a_bounded_spring_and_damper_renewed_in_every_substep(env):
    world, plain = env._world, World()
    plain.lay(env.terrain)
    wanted = STANCE + np.tile([0.6, -0.1, -0.02], 6)
    for each in (world, plain):
        each.place((0, 0, 2), (0, 0, 0, 1), STANCE.tolist())
    world.advance(wanted)
    squares = np.zeros(18)
    for _ in range(SUBSTEPS):
        joints = bullet.getJointStates(plain.robot, range(18), **plain._on)
        for joint, (angle, speed, _, _) in enumerate(joints):
            lead = min(max(wanted[joint] - angle, -20 / 100), 20 / 100)
            pull = min(max(100 * lead - 20 / 6.5 * speed, -20), 20)
            bullet.setJointMotorControl2(plain.robot, joint, bullet.TORQUE_CONTROL, force=pull, **plain._on)
            squares[joint] += pull * pull
        bullet.stepSimulation(**plain._on)
    states = np.zeros((2, STATE_SIZE))
    world.read(states[0])
    plain.read(states[1])
    states[1, TORQUES] = np.sqrt(squares / SUBSTEPS)
    np.testing.assert_allclose(states[0], states[1], rtol=1e-12, atol=1e-12)
    assert states[0, TORQUES].max() > 10
    plain.close()


def test_the_robot_walks_the_course_and_earns_its_length(env):
    env.reset(seed=1)
    start, earned = env.state[0], 0.0
    for _ in range(EPISODE_LIMIT):
        # Steering: the side to which the robot turns strokes further.
        turn = 1.2 * env.state[QUATERNION][2] * 2 + 0.5 * env.state[1]
        action = stroll().reshape(2, 3, 3)
        action[0, :, 0] += turn
        action[1, :, 0] -= turn
        _, reward, terminated, truncated, info = env.step(action.reshape(-1))
        earned += reward
        if terminated or truncated:
            break
    assert info["outcome"] == Outcome.FINISHED
    way = 300 * (env.state[0] - start) / FINISH
    assert way > earned > way - 30
    assert earned > 230


def test_standing_still_ends_as_a_fall():
    env = HexapodEnv(gait=Gait.NONE)
    env.reset(seed=0)
    steps = [env.step(NOTHING) for _ in range(PATIENCE)]
    assert [step[2] for step in steps] == [False] * (PATIENCE - 1) + [True]
    assert steps[-1][1] == FALL_REWARD
    assert steps[-1][4]["outcome"] == Outcome.FELL
    env.close()


@pytest.mark.parametrize(
    ("position", "quaternion"),
    [((2, SIDE_LIMIT + 0.1, 0.3), (0, 0, 0, 1)), ((-1.0, 0, 0.3), (0, 0, 0, 1)), ((2, 0, 0.3), (1, 0, 0, 0))],
    ids=["beside the course", "behind the start", "on its back"],
)
def test_leaving_the_course_and_turning_over_are_falls(env, position, quaternion):
    put(env, position, quaternion)
    _, reward, terminated, _, info = env.step(NOTHING)
    assert (reward, terminated, info["outcome"]) == (FALL_REWARD, True, Outcome.FELL)


def test_the_trunk_on_the_ground_is_a_fall(env):
    env._world.place((2, 0, 0.06), (0, 0, 0, 1), [0.0, 1.3, 0.4] * 6)
    for _ in range(5):
        env._world.advance(np.array([0.0, 1.3, 0.4] * 6))  # legs in the air
    env._world.read(env._state[0])
    raised = np.tile(np.array([0, 0, 1], dtype=np.float32), 6)
    assert env.step(raised)[4].get("outcome") == Outcome.FELL


def test_the_finish_ends_the_episode(env):
    put(env, (FINISH - 0.01, 0, BODY.height), velocity=(1.5, 0, 0))
    assert env.step(NOTHING)[4]["outcome"] == Outcome.FINISHED


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_action_that_is_not_finite_ends_as_diverged(env, bad):
    action = NOTHING.copy()
    action[4] = bad
    observation, _, terminated, _, info = env.step(action)
    assert terminated
    assert info["outcome"] == Outcome.DIVERGED
    assert np.isfinite(observation).all()


@pytest.mark.parametrize("breakdown", ["not finite", "too fast", "sunk", "foot sunk"])
def test_a_state_that_breaks_down_takes_back_what_was_earned(env, breakdown):
    earned = sum(env.step(stroll())[1] for _ in range(40))
    assert earned > 5
    if breakdown == "not finite":
        env._world.read = lambda state: state.fill(np.nan)
    elif breakdown == "too fast":
        put(env, (0.5, 0, 1.0), velocity=(300.0, 0, 0))
    elif breakdown == "sunk":
        put(env, (0.5, 0, -0.5))
    else:
        put(env, (0.5, 0, 0.02), (0, 0.5, 0, 0.866))
    observation, reward, terminated, _, info = env.step(NOTHING)
    assert terminated
    assert info["outcome"] == Outcome.DIVERGED
    assert earned + reward == pytest.approx(FALL_REWARD)
    assert env.observation_space.contains(observation)


def test_headway_faster_than_a_robot_can_walk_earns_no_more(env):
    before = env.state[0]
    put(env, (2.0, 0, BODY.height))
    _, reward, _, _, _ = env.step(NOTHING)
    assert env.state[0] - before > 1.9
    assert reward <= 300 / FINISH * 2.0 / CONTROL_RATE


def test_the_course_is_felt_where_it_is_seen():
    x, _ = grid()
    rise = Terrain(np.broadcast_to(np.where(x > 3, 0.5, 0.0), (ROWS, COLUMNS)).copy())
    env = HexapodEnv(terrain=rise)
    env.reset(seed=0)
    for position, expected in (((1.0, 0, 0.35), 0.0), ((5.0, 0.7, 0.85), 0.5)):
        env._world.place(position, (0, 0, 0, 1), STANCE.tolist())
        for _ in range(60):
            env._world.advance(STANCE)
        env._world.read(env._state[0])
        assert env.state[POSITION][2] - BODY.height == pytest.approx(expected, abs=0.02)
    env._world.place((2.5, 0, BODY.height), (0, 0, 0, 1), STANCE.tolist())
    env._world.read(env._state[0])
    scan = env._observe()[55:].reshape(5, 3)
    np.testing.assert_allclose(scan[:2], 0, atol=1e-6)  # 0 and 0.3 m ahead
    np.testing.assert_allclose(scan[2:], 1, atol=1e-6)  # from 0.6 m ahead, half a metre up
    env.close()


def test_the_height_scan_turns_with_the_robot():
    _, y = grid()
    tilted = Terrain(np.broadcast_to(0.3 * y, (ROWS, COLUMNS)).copy())
    env = HexapodEnv(terrain=tilted)
    env.reset(seed=0)
    half = np.sqrt(0.5)
    env._world.place((4, 0, BODY.height), (0, 0, half, half), STANCE.tolist())  # facing left, uphill
    env._world.read(env._state[0])
    scan = env._observe()[55:].reshape(5, 3)[:, 1] * 0.5
    np.testing.assert_allclose(scan, 0.3 * np.array([0, 0.3, 0.6, 0.9, 1.2]), atol=1e-6)
    env.close()


def test_velocities_are_observed_in_the_trunks_frame(env):
    half = np.sqrt(0.5)
    put(env, (4, 0, 3.0), (0, 0, half, half), velocity=(0.0, 1.0, 0.0))  # facing left, moving left
    env._world.read(env._state[0])
    env._state[0, VELOCITY], env._state[0, SPIN] = (0, 1, 0), (0, 0, 2.5)
    observation = env._observe()
    np.testing.assert_allclose(observation[39:45], [0.5, 0, 0, 0, 0, 0.5], atol=1e-6)
    assert observation[45] == pytest.approx(1.0)


def test_the_tripods_take_turns_and_zero_keeps_the_pace():
    steps = np.arange(PERIOD)
    wanted = targets(BODY, np.zeros((PERIOD, 18), dtype=np.float32), steps, Gait.ALTERNATING).reshape(PERIOD, 6, 3)
    np.testing.assert_allclose(wanted[:, 0], wanted[:, 2])
    np.testing.assert_allclose(wanted[:, 0], wanted[:, 4])
    np.testing.assert_allclose(wanted[:, 1], np.roll(wanted[:, 0], PERIOD // 2, axis=0), atol=1e-12)


def test_targets_keep_within_the_joints_limits():
    actions = np.random.default_rng(0).uniform(-3, 3, (200, 18)).astype(np.float32)
    for gait in Gait:
        wanted = targets(BODY, actions, np.arange(200), gait)
        assert (wanted >= LOW - 1e-12).all()
        assert (wanted <= HIGH + 1e-12).all()
    np.testing.assert_array_equal(
        targets(BODY, np.zeros((1, 18), dtype=np.float32), np.array([5]), Gait.NONE)[0], STANCE
    )


def test_joints_keep_within_their_limits_and_speed(env):
    rng = np.random.default_rng(0)
    for _ in range(150):
        if env._over:
            env.reset(seed=1)
        before = env.state[ANGLES].copy()
        env.step(rng.uniform(-1, 1, 18).astype(np.float32))
        assert (env.state[ANGLES] > LOW - 0.1).all()
        assert (env.state[ANGLES] < HIGH + 0.1).all()
        assert np.abs(env.state[ANGLES] - before).max() * CONTROL_RATE < 1.5 * BODY.speed


def test_pictures_show_robot_ground_and_sky_and_follow_the_robot():
    env = HexapodEnv(task(2, hills=0.5), render_mode="rgb_array")
    env.reset(seed=0)
    first = env.render()
    assert first.shape == (360, 540, 3)
    red, green, blue = (first[..., channel].astype(int) for channel in range(3))
    assert ((red > 150) & (red > green + 40) & (green > blue + 20)).sum() > 500  # the orange trunk
    assert (blue[:30] > 200).mean() > 0.5
    for _ in range(40):
        env.step(stroll())
    assert (env.render() != first).mean() > 0.05
    env.close()


def test_a_closed_environment_leaves_alone_the_one_that_got_its_client():
    closed = HexapodEnv()
    closed.reset(seed=0)
    closed.close()
    closed.close()
    heir, alone = HexapodEnv(), HexapodEnv()
    for each in (heir, alone):
        each.reset(seed=1)
    with pytest.raises(gymnasium.error.ResetNeeded):
        closed.step(NOTHING)
    with pytest.raises(RuntimeError, match="has been closed; make another"):
        closed.reset(seed=0)
    np.testing.assert_array_equal(heir.step(NOTHING)[0], alone.step(NOTHING)[0])
    for each in (heir, alone):
        each.close()


def test_a_forgotten_environment_gives_its_clients_back():
    env = HexapodEnv(render_mode="rgb_array")
    env.reset(seed=0)
    env.render()
    clients = [env._world._on["physicsClientId"], env._camera._client.on["physicsClientId"]]
    assert all(bullet.isConnected(each) for each in clients)
    del env
    gc.collect()
    assert not any(bullet.isConnected(each) for each in clients)


def test_importing_the_domain_prints_nothing():
    code = "from environments.domain import find_domain; find_domain('hexapod3d').run"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


def test_a_genome_out_of_bounds_is_refused_by_name():
    domain = find_domain("hexapod3d")
    with pytest.raises(ValueError, match=r"gap_width is \(0, 9\)"):
        domain.make_env(task(0, gap_width=[0, 9]))
    with pytest.raises(ValueError, match="must be hexapod3d with parametric, cppn or drawn"):
        domain.make_env(Environment(domain="walker2d", encoding="parametric", genome={}, seed=0))


GROWTH = """
import gc
import numpy as np
from environments.domain import Environment
from environments.tasks.env import TaskEnv

def resident():
    with open("/proc/self/statm") as statistics:
        return int(statistics.read().split()[1]) * 4096 / 2**20

tasks = [Environment(domain="hexapod3d", encoding="parametric", genome={"hills": 0.4}, seed=seed) for seed in (1, 2)]
env = TaskEnv("hexapod3d", task=tasks[0], render_mode="rgb_array")

def change(number):
    env.reset(seed=number, options={"task": tasks[number % 2]})
    env.step(np.zeros(18, dtype=np.float32))
    env.render()

for number in range(3):
    change(number)
gc.collect()
before = resident()
for number in range(8):
    change(number)
gc.collect()
print(resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads memory from /proc")
def test_filming_course_after_course_keeps_no_memory():
    done = subprocess.run([sys.executable, "-c", GROWTH], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 5  # MB; PyBullet kept 2 MB a course


def test_pybullet_gives_back_what_it_is_handed():
    # It keeps two references to every list that a mesh comes in; ours are always the same ones.
    meshes = _Meshes()
    client = Client()
    corners = np.array([[0, 1, 2]])
    for size in (3, 300, 30):
        meshes.shape(np.random.default_rng(size).normal(size=(size, 3)), corners, np.ones(3), client)
    lists = {id(each) for each in (meshes._vertices, meshes._corners, *meshes._points)}
    for size in (300, 3, 200):
        meshes.shape(np.random.default_rng(size).normal(size=(size, 3)), corners, np.ones(3), client)
    assert {id(each) for each in (meshes._vertices, meshes._corners, *meshes._points)} == lists
    assert len(meshes._vertices) == 200
    client.close()


@pytest.mark.parametrize("name", ["forces", "position", "heights"])
def test_other_lists_that_pybullet_is_handed_come_back(env, name):
    world, robot = env._world, env._world.robot
    handed = {"forces": [0.0] * 18, "position": [0.0, 0.0, 1.0], "heights": [0.0] * (ROWS * COLUMNS)}[name]
    calls = {
        "forces": lambda: bullet.setJointMotorControlArray(
            robot, world._joints, bullet.TORQUE_CONTROL, forces=handed, **world._on
        ),
        "position": lambda: bullet.resetBasePositionAndOrientation(robot, handed, [0, 0, 0, 1], **world._on),
        "heights": lambda: bullet.createCollisionShape(
            bullet.GEOM_HEIGHTFIELD,
            meshScale=[0.1, 0.1, 1.0],
            heightfieldData=handed,
            numHeightfieldRows=ROWS,
            numHeightfieldColumns=COLUMNS,
            **world._on,
        ),
    }
    before = sys.getrefcount(handed)
    for _ in range(5):
        calls[name]()
    assert sys.getrefcount(handed) == before


def test_judging_and_observing_a_broken_state_leave_it_as_it_is():
    state = np.zeros((2, STATE_SIZE))
    state[:, QUATERNION.stop - 1] = 1.0
    state[:, 2] = BODY.height
    state[1, VELOCITY] = np.nan
    before = state.copy()
    judge, level = Judge(BODY, 2, EPISODE_LIMIT), Terrain(np.zeros((ROWS, COLUMNS)))
    for row in range(2):
        judge.start(row, 0.0)
    rewards, outcomes = judge.judge(state, level)
    assert outcomes.tolist()[1] == Outcome.DIVERGED
    assert rewards[1] == FALL_REWARD
    assert np.isfinite(observe(BODY, state, judge.steps, level)).all()
    np.testing.assert_array_equal(state, before)
