"""What may differ from one legged robot's world to the next, and is not seen: drives, delay, friction, load, a leg.

A weak drive gives a share of its torque, holding and damping alike, and is charged for what it gives. The drives of a
lost leg give none: it hangs, and drags. A late action is charged when it reaches the drives; until the first one does,
the robot does what action 0 means. A load is spread through the trunk as its own mass is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment
from environments.encodings.physics import SECTION, Genes, PhysicsGene, physics_of, scaled, scaled_size, table_of
from environments.hexapod3d.body import JOINTS_PER_LEG, Body

# Of the ground, ordinarily. What counts is its product with the feet's, which is Bullet's own 0.5: PyBullet forgets a
# link's friction that is set together with its damping.
FRICTION = 1.0
MOST_DELAY = 2  # control steps; as in native/constants.hpp


@lru_cache(maxsize=8)
def genes_of(legs: int) -> Genes:
    """List the genes of a body with so many legs.

    Drives have a number for each kind of joint: one each would be 18 axes with six legs, of which hardly one matters by
    itself, and these mean the same with any number of legs. A leg that fails by itself is a gene of its own.
    """
    return table_of(
        PhysicsGene(
            name="motors",
            ordinary=1.0,
            low=0.5,
            high=1.0,
            step=0.1,
            least=0.0,
            most=1.0,
            parts=JOINTS_PER_LEG,
            unit="of the torque",
        ),
        PhysicsGene(
            name="delay", ordinary=0, low=0, high=2, step=1, least=0, most=MOST_DELAY, whole=True, unit="control steps"
        ),
        PhysicsGene(name="friction", ordinary=FRICTION, low=0.3, high=1.5, step=0.1, least=0.0, most=10.0, unit="1"),
        PhysicsGene(
            name="load", ordinary=1.0, low=1.0, high=2.5, step=0.1, least=0.1, most=10.0, unit="of the trunk's mass"
        ),
        PhysicsGene(
            name="lost",
            ordinary=0,
            low=0,
            high=legs,
            step=legs,
            least=0,
            most=legs,
            whole=True,
            choice=True,
            unit="the leg, or 0",
            words={0: "none", **{leg: f"leg {leg}" for leg in range(1, legs + 1)}},
        ),
    )


def hidden_size(body: Body) -> int:
    """Say how many numbers `Physics.scaled` gives of a body: 12 with six legs."""
    return scaled_size(genes_of(len(body.legs)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Physics:
    """How a body behaves, and what it stands on; as it is ordinarily unless told otherwise."""

    motors: tuple[float, ...] = (1.0,) * JOINTS_PER_LEG  # coxa, femur, tibia: the share of its torque that each gives
    delay: int = 0  # control steps from an action to the drives
    friction: float = FRICTION  # of the ground
    load: float = 1.0  # of the trunk's mass
    lost: int = 0  # the leg whose drives are dead, from 1 on

    @staticmethod
    def of(body: Body, environment: Environment | None) -> Physics:
        """Read a task's, for a body; flat ground's is the ordinary.

        Raises:
            ValueError: a gene is unknown, or a value is out of range.
        """
        if environment is None or SECTION not in environment.genome:
            return ORDINARY
        return _read(len(body.legs), environment)

    def gains(self, body: Body) -> NDArray[np.float64]:
        """Give the share of its torque that each joint's drive gives: (joints,)."""
        shares = np.tile(np.array(self.motors, dtype=np.float64), (len(body.legs), 1))
        if self.lost:
            shares[self.lost - 1] = 0.0
        return shares.reshape(-1)

    def scaled(self, body: Body) -> NDArray[np.float32]:
        """Give what agents do not see, for who is told, 0 where it is ordinary: `hidden_size` numbers, by gene."""
        return scaled(self, genes_of(len(body.legs)))


ORDINARY = Physics()


@lru_cache(maxsize=1024)
def _read(legs: int, environment: Environment) -> Physics:
    found: Mapping[str, tuple[float, ...]] = physics_of(environment.genome, genes_of(legs))
    (delay,), (friction,), (load,), (lost,) = (found[name] for name in ("delay", "friction", "load", "lost"))
    motors = tuple(map(float, found["motors"]))
    return Physics(motors=motors, delay=int(delay), friction=float(friction), load=float(load), lost=int(lost))


class Late:
    """Actions on their way to the drives, which get the one of so many control steps before."""

    def __init__(self, delay: int, joints: int) -> None:
        self._waiting = [np.zeros(joints, dtype=np.float32) for _ in range(delay)]

    def reaching(self, action: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take an action, and give the one that reaches the drives; what is not finite does at once."""
        if not self._waiting or not np.isfinite(action).all():
            return action
        given, *self._waiting = *self._waiting, action.copy()
        return given
