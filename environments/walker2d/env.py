"""The reference walker: POET's modified BipedalWalker as a Gymnasium environment on Box2D.

Bodies, joints, observations, lidar and reward are those of Gymnasium's
BipedalWalker-v3; courses are `Terrain`s (arXiv:1901.01753, section 3). Given
the same ground, push and actions the two agree to the last bit. Every reset
builds a fresh world, so an episode depends on nothing that ran before it.
"""

from __future__ import annotations

import copy
import math
from enum import Enum
from itertools import pairwise
from typing import Any

import Box2D
import gymnasium
import numpy as np
from Box2D.b2 import contactListener, edgeShape, fixtureDef, polygonShape, rayCastCallback, revoluteJointDef
from numpy.typing import NDArray

from environments.domain import NO_OUTCOME, Environment, Outcome
from environments.history import History, UnlikeError, without
from environments.plain import whole_seed
from environments.tasks.resets import checked_action, checked_limit, episode_seed
from environments.walker2d.drawing import FPS, Scene, Screen, draw
from environments.walker2d.physics import HIDDEN_SIZE, Physics
from environments.walker2d.terrain import DOMAINS, FINISH, SCALE, START_HEIGHT, START_PAD, STEP, Terrain, terrain_of

EPISODE_LIMIT = 2000  # control steps
FALL_REWARD = -100.0

MOTOR_TORQUE = 80.0  # N m at full action
SPEED_HIP = 4.0  # rad/s
SPEED_KNEE = 6.0  # rad/s
LIDAR_RANGE = 160 / SCALE  # m
LIDAR_RAYS = 10
NO_REPORT = 0.0  # of a lidar that is off
PUSH = 5.0  # N, the largest force on the hull at the start
VELOCITY_ITERATIONS, POSITION_ITERATIONS = 180, 60
START = STEP * START_PAD / 2  # m, of the hull at first
VIEW_WIDTH, VIEW_HEIGHT = 600 / SCALE, 400 / SCALE  # m; they scale the observed velocities
LEG_DOWN = -8 / SCALE
LEG_WIDTH, LEG_HEIGHT = 8 / SCALE, 34 / SCALE
HULL_CORNERS = [(-30, 9), (6, 9), (34, 1), (34, -8), (-30, -8)]  # pixels
GROUND_BIT, WALKER_BIT = 0x0001, 0x0020


def hull(load: float = 1.0) -> fixtureDef:
    """Give the hull, with so many times its mass."""
    return fixtureDef(
        shape=polygonShape(vertices=[(x / SCALE, y / SCALE) for x, y in HULL_CORNERS]),
        density=5.0 * load,
        friction=0.1,
        categoryBits=WALKER_BIT,
        maskBits=GROUND_BIT,
        restitution=0.0,
    )


def leg_parts(length: float = 1.0) -> tuple[fixtureDef, fixtureDef]:
    """Give thigh and shin, so many times as long as they are ordinarily."""
    thigh, shin = (
        fixtureDef(
            shape=polygonShape(box=(width / 2, LEG_HEIGHT * length / 2)),
            density=1.0,
            restitution=0.0,
            categoryBits=WALKER_BIT,
            maskBits=GROUND_BIT,
        )
        for width in (LEG_WIDTH, 0.8 * LEG_WIDTH)
    )
    return thigh, shin


RAY_DIRECTIONS = [
    (math.sin(1.5 * i / 10.0) * LIDAR_RANGE, -math.cos(1.5 * i / 10.0) * LIDAR_RANGE) for i in range(LIDAR_RAYS)
]

HANDLES = frozenset({"_world", "_hull", "_legs", "_joints", "_contacts", "_rays", "_screen"})  # of Box2D and the window

_PI = math.pi
# Joint speeds may pass 1: five times the rated speed covers impulses from the ground.
_HIGH = np.array([_PI, 5, 5, 5, *[_PI, 5, _PI, 5, 5] * 2, *[1] * LIDAR_RAYS], dtype=np.float32)
_LOW = np.array([-_PI, -5, -5, -5, *[-_PI, -5, -_PI, -5, 0] * 2, *[-1] * LIDAR_RAYS], dtype=np.float32)


def observation_space(told: bool = False) -> gymnasium.Space[NDArray[np.float32]]:
    """Give the space of what a walker sees, with what is hidden of its body where it is told."""
    unbounded = np.full(HIDDEN_SIZE if told else 0, np.inf, dtype=np.float32)
    low, high = np.concatenate([_LOW, -unbounded]), np.concatenate([_HIGH, unbounded])
    return gymnasium.spaces.Box(low, high, dtype=np.float32)


class Lidar(Enum):
    """What a ray of the lidar reports."""

    NEAREST = DOMAINS[0]  # the nearest ground, as in Gymnasium today
    # The first shape that the tree of boxes hands it, as in the code of Wang et al. 2019: its callback ends the ray.
    PUBLISHED = DOMAINS[1]

    @staticmethod
    def of(environment: Environment | None) -> Lidar:
        """Say which lidar a task's domain has; flat ground's is the nearest."""
        return Lidar.NEAREST if environment is None else Lidar(environment.domain)


def start_pushes(seeds: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Give the horizontal force on the hull, in N within ±5, that each episode's seed means.

    SplitMix64's finaliser, so that engines in any language agree exactly.
    """
    with np.errstate(over="ignore"):
        z = seeds.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return PUSH * (2.0 * (z >> np.uint64(11)) / 2**53 - 1.0)


class _Contacts(contactListener):  # type: ignore[misc]
    """Notes when the hull touches anything, and which feet stand on the ground."""

    def __init__(self, hull: Any, feet: list[Any]) -> None:
        super().__init__()
        self.hull = hull
        self.feet = feet
        self.standing = [False, False]
        self.hull_touched = False

    def BeginContact(self, contact: Any) -> None:  # noqa: N802
        bodies = (contact.fixtureA.body, contact.fixtureB.body)
        if self.hull in bodies:
            self.hull_touched = True
        self._note(bodies, True)

    def EndContact(self, contact: Any) -> None:  # noqa: N802
        # One contact ending clears the flag though another may last: so does Gymnasium's.
        self._note((contact.fixtureA.body, contact.fixtureB.body), False)

    def _note(self, bodies: tuple[Any, Any], standing: bool) -> None:
        for i, foot in enumerate(self.feet):
            if foot in bodies:
                self.standing[i] = standing


class _Ray(rayCastCallback):  # type: ignore[misc]
    """Keeps the nearest hit of ground along one lidar ray, or the first that is found."""

    def __init__(self, lidar: Lidar) -> None:
        super().__init__()
        self.ends_at_first = lidar is Lidar.PUBLISHED
        self.fraction = 1.0
        self.end = (0.0, 0.0)

    def ReportFixture(self, fixture: Any, point: Any, normal: Any, fraction: float) -> float:  # noqa: N802
        if not fixture.filterData.categoryBits & GROUND_BIT:
            return -1.0
        self.end = (point[0], point[1])
        self.fraction = fraction
        return 0.0 if self.ends_at_first else fraction


class WalkerEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """POET's walker on one course.

    Observation, float32 (24,): hull angle (rad), its rate and velocity (scaled), then for each leg
    hip angle and speed, knee angle and speed, foot contact, then ten lidar fractions.
    Action, float32 (4,) in [-1, 1]: hip, knee, hip, knee; the sign drives, the size limits the torque.
    Reward: 130/30 a metre, less 5 a radian of hull tilt and 0.028 a unit of torque; -100 for a fall.
    `info["outcome"]` holds the `Outcome` of an episode that is over, and NO_OUTCOME, -1, until then.

    Copies and pickles go on from where the original stood, to the last bit; nothing is shared with it.

    Args:
        environment: the task; flat ground when None.
        terrain: a course used in place of the task's own.
        lidar: what its rays report; as the task's domain has it when None.
        physics: a body used in place of the task's own.
        told: append what is hidden of the body to every observation; see `environments.walker2d.physics.hidden`.
        episode_limit: control steps before truncation.
        render_mode: "rgb_array", "human" or None.

    Raises:
        ValueError: the task is not the walker's, its genome is not valid, or an argument is out of range.
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": FPS}  # noqa: RUF012 - as Gymnasium declares it

    def __init__(
        self,
        environment: Environment | None = None,
        *,
        terrain: Terrain | None = None,
        lidar: Lidar | None = None,
        physics: Physics | None = None,
        told: bool = False,
        episode_limit: int = EPISODE_LIMIT,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode is {render_mode!r}; it must be None, 'human' or 'rgb_array'")
        self.terrain = terrain_of(environment) if terrain is None else terrain
        self.lidar = Lidar.of(environment) if lidar is None else lidar
        self.physics = Physics.of(environment) if physics is None else physics
        self._hidden = self.physics.scaled() if told else None
        self.episode_limit = checked_limit(episode_limit)
        self.render_mode = render_mode
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (4,), np.float32)
        self.observation_space = observation_space(told)
        self._screen: Screen | None = None
        self._history: History | None = None  # of the episode, from its push on
        self._over = True
        self._closed = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Put the walker on the start pad; `options["push"]` sets the starting force in N."""
        if self._closed:
            raise RuntimeError("the environment has been closed; make another")
        seed = None if seed is None else whole_seed(seed)
        super().reset(seed=seed)
        episode = np.array([episode_seed(seed, self.np_random)], dtype=np.uint64)
        push = (options or {}).get("push")
        observation = self._begin(float(start_pushes(episode)[0]) if push is None else push)
        if self.render_mode == "human":
            self.render()
        return self._told(observation), {"outcome": NO_OUTCOME}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Apply one action for 1/50 s; see the class for what comes back."""
        if self._over or self._history is None:
            raise gymnasium.error.ResetNeeded("call reset before step: no episode is under way")
        drives = checked_action(action, 4)
        self._history.add(drives)
        observation, reward, outcome = self._act(drives)
        if self.render_mode == "human" and outcome != Outcome.DIVERGED:
            self.render()
        truncated = outcome == Outcome.TIMED_OUT
        return self._told(observation), reward, self._over and not truncated, truncated, {"outcome": outcome}

    def _told(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        return observation if self._hidden is None else np.concatenate([observation, self._hidden])

    def _begin(self, push: float) -> NDArray[np.float32]:
        self._waiting = [np.zeros(4)] * self.physics.delay  # actions that have not reached the motors, the oldest first
        self._build(push)
        observation = self._advance(np.zeros(4))
        self._shaping = self._potential()
        self._steps = 0
        self._over = False
        self._history = History(push, np.zeros(4))
        return observation

    def _act(self, drives: NDArray[np.float64]) -> tuple[NDArray[np.float32], float, int]:
        """Take one step of an episode: observation, reward, and outcome or NO_OUTCOME."""
        self._steps += 1
        drives = self._reaching(drives)
        try:
            observation = self._advance(drives)
        except FloatingPointError:
            self._over = True
            return np.zeros(len(_LOW), dtype=np.float32), FALL_REWARD, int(Outcome.DIVERGED)
        potential = self._potential()
        reward = potential - self._shaping - float(np.sum(0.00035 * MOTOR_TORQUE * np.clip(np.abs(drives), 0, 1)))
        self._shaping = potential
        outcome = self._outcome()
        if outcome is Outcome.FELL:
            reward = FALL_REWARD
        self._over = outcome is not None
        return observation, reward, NO_OUTCOME if outcome is None else int(outcome)

    def _reaching(self, drives: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give what the motors get for an action: an older one where it is late, and less where they are weak."""
        if self.physics.direct or not np.isfinite(drives).all():
            return drives
        given, *self._waiting = *self._waiting, drives
        # In the native engine's single precision.
        strength = np.array(self.physics.motors, dtype=np.float32)
        return (strength * np.clip(given.astype(np.float32), -1, 1)).astype(np.float64)

    def render(self) -> NDArray[np.uint8] | None:
        """Draw the walker: (250, 600, 3) for "rgb_array", a window for "human"."""
        if self.render_mode is not None and (self._history is None or self._closed):
            raise gymnasium.error.ResetNeeded("call reset before render: there is nothing to draw")
        if self.render_mode == "rgb_array":
            return draw(self.scene())
        if self.render_mode == "human":
            self._screen = self._screen or Screen()
            self._screen.show(draw(self.scene()))
        return None

    def close(self) -> None:
        """Close the window, if there is one; no episode can begin after."""
        self._over = self._closed = True
        if self._screen is not None:
            self._screen.close()
            self._screen = None

    def __copy__(self) -> WalkerEnv:
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        return without(self, HANDLES)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._screen = None
        if self._history is not None and not self._closed:
            self._replay(self._history)

    def _replay(self, history: History) -> None:
        before = (self._shaping, self._steps, self._over)
        self._begin(history.start)
        for action in history.actions():
            self._act(action)
        self._history = history
        if (self._shaping, self._steps, self._over) != before:
            raise UnlikeError

    @property
    def distance(self) -> float:
        """Metres that the hull has come from where it started."""
        return float(self._hull.position.x) - START

    @property
    def course(self) -> float:
        """Metres from where the hull starts to the end of the course."""
        return FINISH - START

    def scene(self) -> Scene:
        """Say what there is to draw, as plain numbers."""
        return Scene(
            terrain=self.terrain,
            bodies=[np.array([body.transform * v for v in body.fixtures[0].shape.vertices]) for body in self._bodies()],
            position=(self._hull.position.x, self._hull.position.y),
            rays=[ray.end for ray in self._rays],
            step=self._steps,
        )

    def poses(self) -> NDArray[np.float64]:
        """Say where the bodies of a scene are: (5, 3) of x and y in m and angle in rad."""
        return np.array([(*body.position, body.angle) for body in self._bodies()])

    def shapes(self) -> list[NDArray[np.float64]]:
        """Give the corners of the bodies of a scene in their own frames, in m."""
        return [np.array(body.fixtures[0].shape.vertices) for body in self._bodies()]

    def _bodies(self) -> list[Any]:
        """Far thigh and shin, hull, near thigh and shin: the order to draw them in."""
        return [self._legs[2], self._legs[3], self._hull, self._legs[0], self._legs[1]]

    def _build(self, push: float) -> None:
        # The order of creation decides the order of contacts; it is Gymnasium's.
        physics = self.physics
        self._world = Box2D.b2World(gravity=(0, -physics.gravity))
        for corners in self.terrain.boxes.tolist():
            shape = polygonShape(vertices=corners)
            self._world.CreateStaticBody(fixtures=fixtureDef(shape=shape, friction=physics.friction))
        ground = self.terrain.ground.tolist()
        for left, right in pairwise(ground):
            edge = edgeShape(vertices=[left, right])
            self._world.CreateStaticBody(
                fixtures=fixtureDef(shape=edge, friction=physics.friction, categoryBits=GROUND_BIT)
            )
        x, y = START, START_HEIGHT + 2 * LEG_HEIGHT * physics.legs
        self._hull = self._world.CreateDynamicBody(position=(x, y), fixtures=hull(physics.load))
        self._hull.ApplyForceToCenter((push, 0), True)
        self._legs: list[Any] = []
        self._joints: list[Any] = []
        for side in (-1, 1):
            self._add_leg(side, x, y)
        self._contacts = _Contacts(self._hull, [self._legs[1], self._legs[3]])
        self._world.contactListener = self._contacts
        self._rays = [_Ray(self.lidar) for _ in range(LIDAR_RAYS)]

    def _add_leg(self, side: int, x: float, y: float) -> None:
        height = LEG_HEIGHT * self.physics.legs
        thigh_part, shin_part = leg_parts(self.physics.legs)
        motor = {"enableMotor": True, "enableLimit": True, "maxMotorTorque": MOTOR_TORQUE}
        thigh = self._world.CreateDynamicBody(
            position=(x, y - height / 2 - LEG_DOWN), angle=side * 0.05, fixtures=thigh_part
        )
        hip = revoluteJointDef(
            bodyA=self._hull,
            bodyB=thigh,
            localAnchorA=(0, LEG_DOWN),
            localAnchorB=(0, height / 2),
            motorSpeed=side,
            lowerAngle=-0.8,
            upperAngle=1.1,
            **motor,
        )
        self._joints.append(self._world.CreateJoint(hip))
        shin = self._world.CreateDynamicBody(
            position=(x, y - height * 3 / 2 - LEG_DOWN), angle=side * 0.05, fixtures=shin_part
        )
        knee = revoluteJointDef(
            bodyA=thigh,
            bodyB=shin,
            localAnchorA=(0, -height / 2),
            localAnchorB=(0, height / 2),
            motorSpeed=1,
            lowerAngle=-1.6,
            upperAngle=-0.1,
            **motor,
        )
        self._joints.append(self._world.CreateJoint(knee))
        self._legs += [thigh, shin]

    def _advance(self, action: NDArray[np.float64]) -> NDArray[np.float32]:
        """Drive the motors for one step and observe; FloatingPointError where the numbers broke down."""
        if not np.isfinite(action).all():
            raise FloatingPointError("the action is not finite")
        for joint, speed, drive in zip(self._joints, (SPEED_HIP, SPEED_KNEE) * 2, action.tolist(), strict=True):
            joint.motorSpeed = math.copysign(speed, drive) if drive else 0.0
            joint.maxMotorTorque = MOTOR_TORQUE * min(abs(drive), 1.0)
        try:
            self._world.Step(1.0 / FPS, VELOCITY_ITERATIONS, POSITION_ITERATIONS)
            observation = self._observe()
        except AssertionError as error:
            raise FloatingPointError("Box2D refused the state") from error
        if not np.isfinite(observation).all():
            raise FloatingPointError("the state is not finite")
        return observation

    def _observe(self) -> NDArray[np.float32]:
        x, y = self._hull.position
        velocity = self._hull.linearVelocity
        for ray, (dx, dy) in zip(self._rays, RAY_DIRECTIONS, strict=True):
            ray.fraction = 1.0
            ray.end = (x + dx, y + dy)
            if self.physics.lidar:
                self._world.RayCast(ray, (x, y), ray.end)
            else:
                ray.fraction, ray.end = NO_REPORT, (x, y)
        state = [
            self._hull.angle,
            2.0 * self._hull.angularVelocity / FPS,
            0.3 * velocity.x * VIEW_WIDTH / FPS,
            0.3 * velocity.y * VIEW_HEIGHT / FPS,
        ]
        for side in (0, 1):
            hip, knee = self._joints[2 * side : 2 * side + 2]
            state += [hip.angle, hip.speed / SPEED_HIP, knee.angle + 1.0, knee.speed / SPEED_KNEE]
            state.append(float(self._contacts.standing[side]))
        state += [ray.fraction for ray in self._rays]
        return np.array(state, dtype=np.float32)

    def _potential(self) -> float:
        """Progress less tilt; its differences are the reward."""
        return float(130 * self._hull.position[0] / SCALE - 5.0 * abs(self._hull.angle))

    def _outcome(self) -> Outcome | None:
        x = self._hull.position[0]
        if self._contacts.hull_touched or x < 0:
            return Outcome.FELL
        if x > FINISH:
            return Outcome.FINISHED
        return Outcome.TIMED_OUT if self._steps >= self.episode_limit else None
