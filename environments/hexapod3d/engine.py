"""One hexapod on one course in PyBullet: the only file that knows the engine.

A `World` owns a physics client, so any number live in one process. PyBullet
keeps contacts, their impulses and the order of its pairs from one episode to
the next; `place` empties them all by lifting the robot off the ground before
it is put down, which the tests prove to leave no trace.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.hexapod3d.body import BODY, URDF
from environments.hexapod3d.terrain import CELL, COLUMNS, END, ROWS, START, Terrain


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
    import pybullet

bullet = pybullet

CONTROL_RATE = 50  # Hz, of the controller
SUBSTEPS = 2  # of physics in a control step: 100 Hz; at 80 Hz feet passed through the ground
ITERATIONS = 10  # of the solver; with 50 a walk is a tenth slower and the price 1.6 times as high
SERVO_GAIN = 0.25  # of the remaining angle, closed in one substep
FRICTION = 1.0
# m; Bullet's own 0.02 keeps contacts with every triangle near a foot, each of which costs three rows to solve.
CONTACT_MARGIN = 0.001
ALOFT = 1000.0  # m

# Columns of a state: what `World.read` writes.
POSITION, QUATERNION = slice(0, 3), slice(3, 7)
VELOCITY, SPIN = slice(7, 10), slice(10, 13)
ANGLES = slice(13, 13 + BODY.joints)
SPEEDS = slice(ANGLES.stop, ANGLES.stop + BODY.joints)
TORQUES = slice(SPEEDS.stop, SPEEDS.stop + BODY.joints)
FEET = slice(TORQUES.stop, TORQUES.stop + len(BODY.legs))
TRUNK = FEET.stop
STATE_SIZE = TRUNK + 1

State = NDArray[np.float64]


class Client:
    """A physics client, freed by `close` or with its owner.

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

    @property
    def closed(self) -> bool:
        """Whether it has been freed."""
        return not self._free.alive

    def close(self) -> None:
        """Free it; a second time does nothing."""
        self._free()
        self.on["physicsClientId"] = -1  # PyBullet gives the number to the next client


class World:
    """A hexapod and a course.

    Between `place` and `advance` nothing is random: equal calls give equal states.
    """

    def __init__(self) -> None:
        self._joints = list(range(BODY.joints))
        self._feet = {3 * leg + 2: FEET.start + leg for leg in range(len(BODY.legs))} | {-1: TRUNK}
        self._connect()

    def _connect(self) -> None:
        self._client = Client()
        self._on = self._client.on
        self._servo: dict[str, Any] = {
            # PyBullet bounds the impulse of a substep by force times the whole control step.
            "forces": [BODY.torque / SUBSTEPS] * BODY.joints,
            "positionGains": [SERVO_GAIN] * BODY.joints,
            "velocityGains": [1.0] * BODY.joints,
        }
        self.terrain: Terrain | None = None

    def renew(self) -> None:
        """Start over with an engine that has not seen what broke the last episode down."""
        self.close()
        self._connect()

    def lay(self, terrain: Terrain) -> None:
        """Put robot and course in the place of those before; to be called before `place`.

        Raises:
            RuntimeError: the world has been closed.
        """
        if self._client.closed:
            raise RuntimeError("the environment has been closed; make another")
        if self.terrain is terrain:
            return
        bullet.resetSimulation(**self._on)  # PyBullet frees a heightfield in no other way
        bullet.setGravity(0, 0, -9.81, **self._on)
        bullet.setPhysicsEngineParameter(
            fixedTimeStep=1 / CONTROL_RATE,
            numSubSteps=SUBSTEPS,
            numSolverIterations=ITERATIONS,
            contactBreakingThreshold=CONTACT_MARGIN,
            deterministicOverlappingPairs=1,
            **self._on,
        )
        self._lay_ground(terrain)
        self.robot = bullet.loadURDF(str(URDF), **self._on)
        for link in range(-1, BODY.joints):
            bullet.changeDynamics(
                self.robot, link, lateralFriction=FRICTION, linearDamping=0, angularDamping=0, **self._on
            )
        self.terrain = terrain

    def _lay_ground(self, terrain: Terrain) -> None:
        shape = bullet.createCollisionShape(
            bullet.GEOM_HEIGHTFIELD,
            meshScale=[CELL, CELL, 1.0],
            heightfieldData=terrain.heights.T.reshape(-1).tolist(),
            numHeightfieldRows=ROWS,
            numHeightfieldColumns=COLUMNS,
            **self._on,
        )
        ground = bullet.createMultiBody(0, shape, **self._on)
        # Bullet centres a heightfield on the middle of its extent, also upwards.
        low, high = float(terrain.heights.min()), float(terrain.heights.max())
        middle = [(START + END) / 2, 0.0, (low + high) / 2]
        bullet.resetBasePositionAndOrientation(ground, middle, [0, 0, 0, 1], **self._on)
        bullet.changeDynamics(ground, -1, lateralFriction=FRICTION, **self._on)

    def place(self, position: Sequence[float], quaternion: Sequence[float], joints: Sequence[float]) -> None:
        """Set the robot down, at rest, with nothing left of what it did before."""
        bullet.resetBasePositionAndOrientation(self.robot, [0, 0, ALOFT], [0, 0, 0, 1], **self._on)
        bullet.performCollisionDetection(**self._on)
        bullet.resetBasePositionAndOrientation(self.robot, position, quaternion, **self._on)
        bullet.resetBaseVelocity(self.robot, [0, 0, 0], [0, 0, 0], **self._on)
        for joint, angle in zip(self._joints, joints, strict=True):
            bullet.resetJointState(self.robot, joint, angle, 0.0, **self._on)

    def advance(self, targets: list[float]) -> None:
        """Drive every joint towards its target angle, rad, for one control step."""
        bullet.setJointMotorControlArray(
            self.robot, self._joints, bullet.POSITION_CONTROL, targetPositions=targets, **self._servo, **self._on
        )
        bullet.stepSimulation(**self._on)

    def read(self, state: State) -> None:
        """Write position, orientation, velocities, joints and contacts into a state (STATE_SIZE,)."""
        on, robot = self._on, self.robot
        position, quaternion = bullet.getBasePositionAndOrientation(robot, **on)
        velocity, spin = bullet.getBaseVelocity(robot, **on)
        angles, speeds, _, torques = zip(*bullet.getJointStates(robot, self._joints, **on), strict=True)
        state[: FEET.start] = (*position, *quaternion, *velocity, *spin, *angles, *speeds, *torques)
        state[TORQUES] *= SUBSTEPS  # reported as a substep's impulse over the whole control step
        state[FEET.start :] = 0.0
        for contact in bullet.getContactPoints(bodyA=robot, **on):
            if contact[9] > 0:  # the normal force
                state[self._feet[contact[3]]] = 1.0

    def close(self) -> None:
        """Free the physics client."""
        self._client.close()
