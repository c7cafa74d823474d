"""One hexapod on one course in PyBullet: the only file that knows the engine.

A `World` owns a physics client, so any number live in one process. PyBullet
keeps contacts, their impulses and the order of its pairs from one episode to
the next; `place` empties them all by lifting the robot off the ground before
it is put down, which the tests prove to leave no trace.
"""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from environments.hexapod3d.body import HEXAPOD, Body
from environments.hexapod3d.physics import FRICTION, ORDINARY, Physics
from environments.hexapod3d.terrain import CELL, COLUMNS, END, ROWS, START, Terrain
from environments.hexapod3d.urdf import urdf_file


@contextmanager
def _without_greeting() -> Iterator[None]:
    """Keep C code from writing to standard error, where it would tear a display of progress."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


with _without_greeting():
    try:
        import pybullet
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "the hexapod needs PyBullet, which is not installed: pip install 'poet-trailblazer[hexapod]' "
            "(its wheels are for Python 3.11 and older; for newer ones pip compiles it from source)",
            name="pybullet",
        ) from error

bullet = pybullet

CONTROL_RATE = 50  # Hz, of the controller
SUBSTEPS = 2  # of physics in a control step, each with the drives' torques renewed: 100 Hz
ITERATIONS = 4  # of the solver, whose rows are the feet's contacts alone; more change no walk
TIME_STEP = 1 / (CONTROL_RATE * SUBSTEPS)  # s
GRAVITY = 9.81  # m/s²
CONTACT_MARGIN = 0.03  # m, from which on a foot that nears the ground is held back
CONTACT_ERP = 0.2  # of a contact's depth, mended in a step of physics
ALOFT = 1000.0  # m

# The trunk's columns of a state; `body.Columns` has the legs'.
POSITION, QUATERNION = slice(0, 3), slice(3, 7)
VELOCITY, SPIN = slice(7, 10), slice(10, 13)

State = NDArray[np.float64]


def torque(
    body: Body, targets: NDArray[np.float64], angles: NDArray[np.float64], speeds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Say how hard the drives pull, N m: stiff towards their targets, damped, and bounded."""
    lead = np.minimum(np.maximum(targets - angles, -body.lead), body.lead)
    pull = body.stiffness * lead - body.damping * speeds
    bounded: NDArray[np.float64] = np.minimum(np.maximum(pull, -body.torque), body.torque)
    return bounded


def uncopied(handle: object, protocol: object) -> NoReturn:
    """Refuse to copy or pickle what stands for an engine's memory: both would then drive the same physics."""
    raise TypeError(f"a {type(handle).__name__} stands for PyBullet's memory and cannot be copied or pickled")


class Client:
    """A physics client, freed by `close` or with its owner; neither it nor what holds one can be copied.

    It has PyBullet's functions, which speak to this client, and its constants.

    Raises:
        RuntimeError: PyBullet has no more.
    """

    def __init__(self) -> None:
        number = bullet.connect(bullet.DIRECT)
        if number < 0:
            raise RuntimeError("PyBullet has no more physics clients; close some environments")
        self.on = {"physicsClientId": number}
        # Some 30 MB, which forgotten environments would keep for good.
        self._free = weakref.finalize(self, bullet.disconnect, number)

    __reduce_ex__ = uncopied

    def __getattr__(self, name: str) -> Any:
        found = getattr(bullet, name)
        return partial(found, **self.on) if callable(found) else found

    @property
    def closed(self) -> bool:
        """Whether it has been freed."""
        return not self._free.alive

    def close(self) -> None:
        """Free it; a second time does nothing."""
        self._free()
        self.on["physicsClientId"] = -1  # PyBullet gives the number to the next client


class World:
    """A robot and a course.

    Between `place` and `advance` nothing is random: equal calls give equal states.
    """

    __reduce_ex__ = uncopied

    def __init__(self, body: Body = HEXAPOD) -> None:
        self.body = body
        self._joints = list(range(body.joints))
        self._feet = {3 * leg + 2: body.columns.feet.start + leg for leg in range(len(body.legs))}
        self._connect()

    def _connect(self) -> None:
        self._client = Client()
        self._on = self._client.on
        self._torques = np.zeros(self.body.joints)
        self._seen: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None  # until the engine's next step
        self.terrain: Terrain | None = None
        self.physics = ORDINARY
        self._gains = self.physics.gains(self.body)

    def renew(self) -> None:
        """Start over with an engine that has not seen what broke the last episode down."""
        self.close()
        self._connect()

    def lay(self, terrain: Terrain, physics: Physics = ORDINARY) -> None:
        """Put robot and course in the place of those before, with what is hidden of them; to be called before `place`.

        Raises:
            RuntimeError: the world has been closed.
        """
        if self._client.closed:
            raise RuntimeError("the environment has been closed; make another")
        if self.terrain is terrain and self.physics == physics:
            return
        bullet.resetSimulation(**self._on)  # PyBullet frees a heightfield in no other way
        bullet.setGravity(0, 0, -GRAVITY, **self._on)
        bullet.setPhysicsEngineParameter(
            fixedTimeStep=TIME_STEP,
            numSolverIterations=ITERATIONS,
            contactBreakingThreshold=CONTACT_MARGIN,
            contactERP=CONTACT_ERP,
            deterministicOverlappingPairs=1,
            **self._on,
        )
        self._lay_ground(terrain, physics.friction)
        # Left to itself PyBullet takes inertias from the shapes that collide, and legs have none.
        with urdf_file(self.body) as path:
            self.robot = bullet.loadURDF(path, flags=bullet.URDF_USE_INERTIA_FROM_FILE, **self._on)
        for link in range(-1, self.body.joints):
            bullet.changeDynamics(
                self.robot, link, lateralFriction=FRICTION, linearDamping=0, angularDamping=0, **self._on
            )
        if physics.load != 1:
            mass, _, inertia, *_ = bullet.getDynamicsInfo(self.robot, -1, **self._on)
            heavier = {"mass": mass * physics.load, "localInertiaDiagonal": [each * physics.load for each in inertia]}
            bullet.changeDynamics(self.robot, -1, **heavier, **self._on)
        for link in set(range(-1, self.body.joints)) - set(self._feet):
            bullet.setCollisionFilterGroupMask(self.robot, link, 0, 0, **self._on)  # nothing there to collide
        # PyBullet's own motors hold every joint at rest until told not to.
        bullet.setJointMotorControlArray(
            self.robot, self._joints, bullet.VELOCITY_CONTROL, forces=[0.0] * self.body.joints, **self._on
        )
        self.terrain, self.physics, self._gains = terrain, physics, physics.gains(self.body)

    def _lay_ground(self, terrain: Terrain, friction: float) -> None:
        shape = bullet.createCollisionShape(
            bullet.GEOM_HEIGHTFIELD,
            meshScale=[CELL, CELL, 1.0],
            heightfieldData=terrain.heights.T.reshape(-1).tolist(),
            numHeightfieldRows=ROWS,
            numHeightfieldColumns=COLUMNS,
            **self._on,
        )
        ground = self._ground = bullet.createMultiBody(0, shape, **self._on)
        # Bullet centres a heightfield on the middle of its extent, also upwards.
        low, high = float(terrain.heights.min()), float(terrain.heights.max())
        middle = [(START + END) / 2, 0.0, (low + high) / 2]
        bullet.resetBasePositionAndOrientation(ground, middle, [0, 0, 0, 1], **self._on)
        bullet.changeDynamics(ground, -1, lateralFriction=friction, **self._on)

    def description(self) -> dict[str, list[float]]:
        """Say what the engine made of the robot, in the names and the order of the C++ core's `model.hpp`.

        Raises:
            ValueError: a link does not lie along its x axis, or a joint turns about another axis than the core knows.
        """
        joints = [bullet.getJointInfo(self.robot, joint, **self._on) for joint in self._joints]
        links = [bullet.getDynamicsInfo(self.robot, link, **self._on) for link in self._joints]
        mass, _, inertia, *_ = bullet.getDynamicsInfo(self.robot, -1, **self._on)
        ground = bullet.getDynamicsInfo(self._ground, -1, **self._on)
        axes, offsets, turns = (np.array([joint[column] for joint in joints]) for column in (13, 14, 15))
        middles = np.array([link[3] for link in links])
        upper, lower = np.arange(0, self.body.joints, 3), np.flatnonzero(np.arange(self.body.joints) % 3)
        nought = (axes[upper, :2], axes[lower][:, ::2], middles[:, 1:], offsets[upper, 2], offsets[lower, 1:])
        straight = all(not part.any() for part in (*nought, turns[upper, :2], turns[lower, :3]))
        if not straight or not np.array_equal(np.abs(axes.sum(axis=1)), np.ones(self.body.joints)):
            raise ValueError("the robot's joints or links do not lie as the C++ core has them")
        # Bullet has a tibia's sphere in its frame of inertia, and a box about it with a margin.
        radius, margin = self.body.foot_radius, 0.001
        along = self.body.segments[-1].length - float(middles[2, 0])
        low, high = [along - radius, -radius, -radius], [along + radius, radius, radius]
        half = [0.5 * (b - a) + margin for a, b in zip(low, high, strict=True)]
        middle = [0.5 * (a + b) for a, b in zip(low, high, strict=True)]
        low, high = ([m + sign * h for m, h in zip(middle, half, strict=True)] for sign in (-1, 1))
        reach = 0.5 * math.sqrt(sum((b - a) ** 2 for a, b in zip(low, high, strict=True)))
        reach += math.sqrt(sum((0.5 * (a + b)) ** 2 for a, b in zip(low, high, strict=True)))
        return {
            "mass": [mass],
            "inertia": list(inertia),
            "link_mass": [link[0] for link in links],
            "link_inertia": [value for link in links for value in link[2]],
            "sign": axes.sum(axis=1).tolist(),
            "middle": middles[:, 0].tolist(),
            "hip_x": offsets[upper, 0].tolist(),
            "hip_y": offsets[upper, 1].tolist(),
            "hip_turn_z": turns[upper, 2].tolist(),
            "hip_turn_w": turns[upper, 3].tolist(),
            "reach": offsets[:, 0].tolist(),
            "low": [joint[8] for joint in joints],
            "high": [joint[9] for joint in joints],
            "foot_radius": [radius],
            "foot_along": [along],
            "breaking": [reach * CONTACT_MARGIN],  # a contact's, which Bullet takes in proportion to the link's size
            "friction": [links[2][1] * ground[1]],
        }

    def place(self, position: Sequence[float], quaternion: Sequence[float], joints: Sequence[float]) -> None:
        """Set the robot down, at rest, with nothing left of what it did before."""
        bullet.resetBasePositionAndOrientation(self.robot, [0, 0, ALOFT], [0, 0, 0, 1], **self._on)
        bullet.performCollisionDetection(**self._on)
        bullet.resetBasePositionAndOrientation(self.robot, position, quaternion, **self._on)
        bullet.resetBaseVelocity(self.robot, [0, 0, 0], [0, 0, 0], **self._on)
        for joint, angle in zip(self._joints, joints, strict=True):
            bullet.resetJointState(self.robot, joint, angle, 0.0, **self._on)
        self._torques = np.zeros(self.body.joints)
        self._seen = None

    def advance(self, targets: NDArray[np.float64]) -> None:
        """Drive every joint towards its target angle, rad, for one control step."""
        squares = np.zeros(self.body.joints)
        for _ in range(SUBSTEPS):
            angles, speeds = self._joint_states()
            torques = torque(self.body, targets, angles, speeds) * self._gains
            bullet.setJointMotorControlArray(
                self.robot, self._joints, bullet.TORQUE_CONTROL, forces=torques.tolist(), **self._on
            )
            bullet.stepSimulation(**self._on)
            self._seen = None
            squares += torques * torques
        self._torques = np.sqrt(squares / SUBSTEPS)

    def read(self, state: State) -> None:
        """Write position, orientation, velocities, joints and contacts into a state, of `Body.columns` size."""
        on, robot, columns = self._on, self.robot, self.body.columns
        state[POSITION], state[QUATERNION] = bullet.getBasePositionAndOrientation(robot, **on)
        state[VELOCITY], state[SPIN] = bullet.getBaseVelocity(robot, **on)
        state[columns.angles], state[columns.speeds] = self._joint_states()
        state[columns.torques] = self._torques
        state[columns.feet] = 0.0
        for contact in bullet.getContactPoints(bodyA=robot, **on):
            if contact[9] > 0:  # the normal force
                state[self._feet[contact[3]]] = 1.0

    def _joint_states(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if self._seen is None:
            angles, speeds, _, _ = zip(*bullet.getJointStates(self.robot, self._joints, **self._on), strict=True)
            self._seen = np.array(angles), np.array(speeds)
        return self._seen

    def close(self) -> None:
        """Free the physics client."""
        self._client.close()
