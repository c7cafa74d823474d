"""The robots: everything about a body and its drives, in one place.

About the size and mass of HEBI Robotics' Daisy (20 kg, legs some 0.6 m long),
with joints as quick as a small quadruped's. PyBullet's multibody (`urdf.py`),
the numbers of the C++ core, observation, action, gait and pictures all follow
from what stands here. `HEXAPOD`, `QUADRUPED` and `OCTOPOD` are at the end.

Frame of the body: x forward, y left, z up. Each leg is a chain of three
revolute joints: the coxa swings the leg forward, the femur raises it, the
tibia bends down from the femur's line. Positive angles mean the same on
either side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from environments import portable
from environments.hexapod3d.terrain import START_PAD

JOINTS_PER_LEG = 3
LEAST_CLEARANCE = 0.05  # m, of the trunk's underside in standing
LEG_COUNTS = (4, 6, 8)  # that the C++ core is compiled for, in native/CMakeLists.txt


@dataclass(frozen=True)
class Columns:
    """Where the numbers of a state lie: what `World.read` writes. The first 13 are the trunk's, of any body."""

    angles: slice
    speeds: slice
    torques: slice  # root mean square over the control step
    feet: slice
    size: int


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One link of a leg, a rod along its x axis, and the joint at its near end."""

    name: str
    length: float  # m
    mass: float  # kg
    thickness: float  # m, of the rod; for its inertia alone
    rotor: float  # kg m², of the drive at its near end, seen through the gears
    axis: tuple[int, int, int]  # of the joint, for a leg on the left
    low: float  # rad
    high: float  # rad
    stance: float  # rad, standing


@dataclass(frozen=True, kw_only=True)
class Leg:
    """Where a leg is fixed and which way it points at coxa angle 0."""

    x: float  # m
    y: float  # m
    yaw: float  # rad, from straight ahead
    beat: int  # 0 or 1: of the two groups that swing in turn, its own

    @property
    def side(self) -> int:
        """1 on the left, -1 on the right."""
        return 1 if self.y > 0 else -1


@dataclass(frozen=True, kw_only=True)
class Body:
    """A trunk with legs of equal make.

    Raises:
        ValueError: no such robot can be built, or it could not stand on a course's start pad.
    """

    size: tuple[float, float, float] = (0.56, 0.28, 0.10)  # m, of the trunk
    mass: float = 8.0  # kg, of the trunk
    foot_radius: float = 0.05  # m; more than a foot moves in a step of physics, or it could pass through the ground
    torque: float = 20.0  # N m, the most of any joint
    speed: float = 6.5  # rad/s, at which a joint's drive has no torque left
    stiffness: float = 100.0  # N m/rad, of a drive towards its target
    segments: tuple[Segment, ...] = (
        Segment(
            name="coxa",
            length=0.07,
            mass=0.6,
            thickness=0.07,
            rotor=0.04,
            axis=(0, 0, -1),
            low=-0.7,
            high=0.7,
            stance=0.0,
        ),
        Segment(
            name="femur",
            length=0.22,
            mass=0.9,
            thickness=0.06,
            rotor=0.04,
            axis=(0, -1, 0),
            low=-0.7,
            high=1.3,
            stance=0.35,
        ),
        Segment(
            name="tibia",
            length=0.32,
            mass=0.4,
            thickness=0.04,
            rotor=0.04,
            axis=(0, 1, 0),
            low=0.4,
            high=2.6,
            stance=1.75,
        ),
    )
    pairs_of_legs: int = 3
    splay: float = 0.6  # rad, that the foremost and hindmost legs point away from the middle

    def __post_init__(self) -> None:
        check(self)

    @cached_property
    def legs(self) -> tuple[Leg, ...]:
        """The left legs from front to rear, then the right ones.

        Neighbours, and legs opposite each other, belong to different groups: pairs across the body with four legs (a
        trot), tripods with six, tetrapods with eight.
        """
        along = np.linspace(1, -1, self.pairs_of_legs).tolist()
        return tuple(
            Leg(
                x=0.5 * self.size[0] * place,
                y=0.5 * side * self.size[1],
                yaw=side * (math.pi / 2 - self.splay * place),
                beat=(number + (side < 0)) % 2,
            )
            for side in (1, -1)
            for number, place in enumerate(along)
        )

    @property
    def damping(self) -> float:
        """How much torque a drive loses with speed, N m s/rad: all of it at its highest."""
        return self.torque / self.speed

    @property
    def joints(self) -> int:
        """How many joints there are, leg by leg."""
        return JOINTS_PER_LEG * len(self.legs)

    @cached_property
    def columns(self) -> Columns:
        """Where angles, speeds, torques and feet lie in a state."""
        angles, speeds, torques, feet = (13 + number * self.joints for number in range(4))
        size = feet + len(self.legs)
        return Columns(slice(angles, speeds), slice(speeds, torques), slice(torques, feet), slice(feet, size), size)

    @cached_property
    def low(self) -> NDArray[np.float64]:
        """The joints' lowest angles, rad: (joints,)."""
        return self.of_joints("low")

    @cached_property
    def high(self) -> NDArray[np.float64]:
        """The joints' highest angles, rad: (joints,)."""
        return self.of_joints("high")

    @cached_property
    def stance(self) -> NDArray[np.float64]:
        """The joints' angles in standing, rad: (joints,)."""
        return self.of_joints("stance")

    @cached_property
    def beats(self) -> NDArray[np.int64]:
        """The group that each leg swings with: (legs,)."""
        return np.array([leg.beat for leg in self.legs])

    @property
    def lead(self) -> float:
        """Between a joint and its target, the angle from which on a drive gives all that it has, rad."""
        return self.torque / self.stiffness

    def of_joints(self, name: str) -> NDArray[np.float64]:
        """Give a number of every segment, such as "low", for each joint: (joints,)."""
        return np.tile([float(getattr(segment, name)) for segment in self.segments], len(self.legs))

    @cached_property
    def height(self) -> float:
        """How high the middle of the trunk stands over level ground, m."""
        _, femur, tibia = self.segments
        drop = tibia.length * math.sin(tibia.stance - femur.stance) - femur.length * math.sin(femur.stance)
        return drop + self.foot_radius

    def feet(self, joints: NDArray[np.float64]) -> NDArray[np.float64]:
        """Place the feet: (n, legs, 3) in the trunk's frame, m, from joint angles (n, joints) in rad."""
        return self.chain(joints)[:, :, -1]

    def chain(self, joints: NDArray[np.float64]) -> NDArray[np.float64]:
        """Place hips, both ends of the femurs, and feet: (n, legs, 4, 3) in the trunk's frame, m."""
        angles = joints.reshape(len(joints), len(self.legs), JOINTS_PER_LEG)
        coxa, femur, tibia = (segment.length for segment in self.segments)
        raised, bent = angles[..., 1], angles[..., 1] - angles[..., 2]
        yaw = self._of_legs["yaw"] - self._of_legs["side"] * angles[..., 0]
        turned = np.stack([raised, bent, yaw])
        up_femur, up_tibia, aside, out_femur, out_tibia, ahead = portable.sin(
            np.concatenate([turned, turned + math.pi / 2])
        )
        knee = coxa + femur * out_femur, femur * up_femur
        foot = knee[0] + tibia * out_tibia, knee[1] + tibia * up_tibia
        still = np.zeros_like(raised)
        reach = np.stack([still, still + coxa, knee[0], foot[0]], axis=-1)
        height = np.stack([still, still, knee[1], foot[1]], axis=-1)
        x, y = (self._of_legs[name][:, None] for name in "xy")
        return np.stack([x + reach * ahead[..., None], y + reach * aside[..., None], height], axis=-1)

    @cached_property
    def _of_legs(self) -> dict[str, NDArray[np.float64]]:
        names = ("x", "y", "yaw", "side")
        return {name: np.array([getattr(leg, name) for leg in self.legs], dtype=np.float64) for name in names}


def check(body: Body) -> None:
    """Raise ValueError, naming the number and what is valid, unless a body can be built and can stand."""
    check_legs(2 * body.pairs_of_legs)
    for name, value in _above_zero(body).items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name} is {value:g}; it must be above 0")
    if not 0 <= body.splay <= math.pi / 2:
        raise ValueError(f"splay is {body.splay:g} rad; it must be within 0 and pi/2")
    for each in body.segments:
        if not -math.pi <= each.low < each.stance < each.high <= math.pi:
            raise ValueError(
                f"{each.name}_low, {each.name}_stance and {each.name}_high are {each.low:g}, {each.stance:g} and "
                f"{each.high:g} rad; they must rise, within -pi and pi"
            )
    clearance = body.height - body.size[2] / 2
    if clearance < LEAST_CLEARANCE:
        raise ValueError(
            f"the trunk stands {clearance:.3g} m over the ground; for these legs and their stance it must be "
            f"{LEAST_CLEARANCE} m or more"
        )
    feet = body.feet(body.stance[None])[0]
    ahead = float(feet[:, 0].max()) + body.foot_radius
    if ahead > START_PAD:
        raise ValueError(
            f"the foremost feet stand {ahead:.3g} m ahead of the trunk's middle; it must be at most {START_PAD} m, "
            "where a course's start pad ends"
        )


def check_legs(legs: float) -> None:
    """Raise ValueError unless there is a core for so many legs."""
    if legs not in LEG_COUNTS:
        raise ValueError(f"legs is {legs:g}; it must be {', '.join(map(str, LEG_COUNTS[:-1]))} or {LEG_COUNTS[-1]}")


def _above_zero(body: Body) -> dict[str, float]:
    names = ("mass", "foot_radius", "torque", "speed", "stiffness")
    sides = zip(("trunk_length", "trunk_width", "trunk_thickness"), body.size, strict=True)
    return {
        **dict(sides),
        **{name: getattr(body, name) for name in names},
        **{
            each.name if name == "length" else f"{each.name}_{name}": getattr(each, name)
            for each in body.segments
            for name in ("length", "mass", "thickness", "rotor")
        },
    }


HEXAPOD = Body()
# A trunk of as much mass for each pair of legs: with half of the legs in the air, each of the rest bears the same.
# A trotting quadruped has two legs on the ground, whose strokes turn and slow it unless they are along its way.
QUADRUPED = Body(pairs_of_legs=2, size=(0.50, 0.28, 0.10), mass=5.3, splay=0.1)
OCTOPOD = Body(pairs_of_legs=4, size=(0.84, 0.28, 0.10), mass=10.7)
