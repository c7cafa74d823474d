"""What may differ from one walker's world to the next, and is not seen: motors, delay, lidar, gravity, and so on.

A weak motor gives a share of its torque and is charged for what it gives; a late action is charged when it reaches the
motors, which stand still until the first one does. A lidar that is off reports 0 for every ray.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment
from environments.encodings.physics import SECTION, PhysicsGene, physics_of, scaled, scaled_size, table_of

MOST_DELAY = 2  # control steps; as in native/constants.hpp
GENES = table_of(
    PhysicsGene(
        name="motors", ordinary=1.0, low=0.5, high=1.0, step=0.1, least=0.0, most=1.0, parts=4, unit="of the torque"
    ),
    PhysicsGene(
        name="delay", ordinary=0, low=0, high=2, step=1, least=0, most=MOST_DELAY, whole=True, unit="control steps"
    ),
    PhysicsGene(
        name="lidar",
        ordinary=1,
        low=0,
        high=1,
        step=1,
        least=0,
        most=1,
        whole=True,
        unit="1 on, 0 off",
        words={0: "off", 1: "on"},
    ),
    PhysicsGene(name="gravity", ordinary=10.0, low=7.0, high=13.0, step=0.5, least=1.0, most=30.0, unit="m/s²"),
    PhysicsGene(name="friction", ordinary=2.5, low=0.5, high=4.0, step=0.25, least=0.0, most=10.0, unit="1"),
    PhysicsGene(
        name="load", ordinary=1.0, low=0.5, high=2.0, step=0.1, least=0.1, most=10.0, unit="of the hull's mass"
    ),
    PhysicsGene(name="legs", ordinary=1.0, low=0.75, high=1.25, step=0.05, least=0.5, most=2.0, unit="of their length"),
)
HIDDEN_SIZE = scaled_size(GENES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Physics:
    """A walker's body and what it walks in; the ordinary ones unless told otherwise."""

    motors: tuple[float, ...] = (1.0,) * 4  # hip, knee, hip, knee: the share of its torque that each gives
    delay: int = 0  # control steps from an action to the motors
    lidar: bool = True  # whether it reports
    gravity: float = 10.0  # m/s²
    friction: float = 2.5  # of the ground
    load: float = 1.0  # of the hull's mass
    legs: float = 1.0  # of their length

    @staticmethod
    def of(environment: Environment | None) -> Physics:
        """Read a task's; flat ground's is the ordinary.

        Raises:
            ValueError: a gene is unknown, or a value is out of range.
        """
        return ORDINARY if environment is None or SECTION not in environment.genome else _read(environment)

    @property
    def direct(self) -> bool:
        """Whether actions reach the motors at once and whole."""
        return self.delay == 0 and set(self.motors) == {1.0}

    def scaled(self) -> NDArray[np.float32]:
        """Give what agents do not see, for who is told: (10,), by gene, 0 where it is ordinary."""
        return scaled(self, GENES)


ORDINARY = Physics()


@lru_cache(maxsize=1024)
def _read(environment: Environment) -> Physics:
    found = physics_of(environment.genome, GENES)
    (delay,), (lidar,) = found["delay"], found["lidar"]
    rest = {name: float(found[name][0]) for name in ("gravity", "friction", "load", "legs")}
    return Physics(motors=tuple(map(float, found["motors"])), delay=int(delay), lidar=bool(lidar), **rest)


def hidden(environment: Environment | None) -> NDArray[np.float32]:
    """Give what agents do not see of a task, as `Physics.scaled`; raises as `Physics.of`."""
    return Physics.of(environment).scaled()
