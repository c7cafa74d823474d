"""The hexapod's body as a short description, and the URDF that PyBullet reads.

About the size and mass of HEBI Robotics' Daisy (20 kg, legs some 0.6 m long),
with joints as quick as a small quadruped's. Change a number or the number of
legs below and run ``python -m environments.hexapod3d.body`` to write
`hexapod.urdf` again.

Frame of the body: x forward, y left, z up. Each leg is a chain of three
revolute joints: the coxa swings the leg forward, the femur raises it, the
tibia bends down from the femur's line. Positive angles mean the same on
either side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from environments import portable

URDF = Path(__file__).with_name("hexapod.urdf")
JOINTS_PER_LEG = 3


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
    beat: int  # 0 or 1: the tripod that it belongs to

    @property
    def side(self) -> int:
        """1 on the left, -1 on the right."""
        return 1 if self.y > 0 else -1


@dataclass(frozen=True, kw_only=True)
class Body:
    """A trunk with legs of equal make."""

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

    @cached_property
    def legs(self) -> tuple[Leg, ...]:
        """The left legs from front to rear, then the right ones; neighbours belong to different tripods."""
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


BODY = Body()
COLOURS = {
    "trunk": (0.93, 0.49, 0.13),
    "left": (0.24, 0.29, 0.36),
    "right": (0.38, 0.44, 0.52),
    "foot": (0.1, 0.1, 0.1),
}


def urdf(body: Body) -> str:
    """Write a body as URDF. Only the feet, spheres, collide; the rest has mass and is there to be seen."""
    robot = ET.Element("robot", name="hexapod")
    for name, colour in COLOURS.items():
        ET.SubElement(ET.SubElement(robot, "material", name=name), "color", rgba=_text(*colour, 1))
    middle = (0.0, 0.0, 0.0)
    trunk = _link(robot, "trunk", body.mass, middle, body.size)
    _shape(trunk, "visual", middle, "box", "trunk", size=_text(*body.size))
    for number, leg in enumerate(body.legs):
        parent, place, yaw = "trunk", (leg.x, leg.y, 0.0), leg.yaw
        for segment in body.segments:
            name, middle = f"{segment.name}_{number}", (segment.length / 2, 0.0, 0.0)
            size = (segment.length, segment.thickness, segment.thickness)
            link = _link(robot, name, segment.mass, middle, size, segment)
            _shape(link, "visual", middle, "box", "left" if leg.side > 0 else "right", size=_text(*size))
            joint = ET.SubElement(robot, "joint", name=name, type="revolute")
            ET.SubElement(joint, "parent", link=parent)
            ET.SubElement(joint, "child", link=name)
            ET.SubElement(joint, "origin", xyz=_text(*place), rpy=_text(0.0, 0.0, yaw))
            x, y, z = segment.axis
            ET.SubElement(joint, "axis", xyz=_text(x, y, z * leg.side))
            limit = {"lower": segment.low, "upper": segment.high, "effort": body.torque, "velocity": body.speed}
            ET.SubElement(joint, "limit", {key: _text(value) for key, value in limit.items()})
            parent, place, yaw = name, (segment.length, 0.0, 0.0), 0.0
        _shape(link, "visual", place, "sphere", "foot", radius=_text(body.foot_radius))
        _shape(link, "collision", place, "sphere", radius=_text(body.foot_radius))
    ET.indent(robot)
    return ET.tostring(robot, encoding="unicode") + "\n"


def _link(
    robot: ET.Element,
    name: str,
    mass: float,
    middle: tuple[float, float, float],
    size: tuple[float, float, float],
    drive: Segment | None = None,
) -> ET.Element:
    """Add a link with the inertia of a solid box and of the rotor that drives it.

    PyBullet has no inertia of a joint apart from its links', so the link carries the rotor's.
    """
    link = ET.SubElement(robot, "link", name=name)
    inertial = ET.SubElement(link, "inertial")
    ET.SubElement(inertial, "origin", xyz=_text(*middle))
    ET.SubElement(inertial, "mass", value=_text(mass))
    x, y, z = (side * side * mass / 12 for side in size)
    about = [y + z, x + z, x + y]
    if drive is not None:
        axis = int(np.flatnonzero(drive.axis)[0])
        # Equal shares about two axes: no solid has a moment greater than the sum of its other two.
        for number in (axis, 0 if axis == 2 else 2):
            about[number] += drive.rotor
    moments = dict(zip(("ixx", "iyy", "izz"), about, strict=True)) | {"ixy": 0.0, "ixz": 0.0, "iyz": 0.0}
    ET.SubElement(inertial, "inertia", {key: _text(value) for key, value in moments.items()})
    return link


def _shape(
    link: ET.Element,
    purpose: str,
    place: tuple[float, float, float],
    shape: str,
    material: str | None = None,
    **measures: str,
) -> None:
    part = ET.SubElement(link, purpose)
    ET.SubElement(part, "origin", xyz=_text(*place))
    ET.SubElement(ET.SubElement(part, "geometry"), shape, measures)
    if material is not None:
        ET.SubElement(part, "material", name=material)


def _text(*numbers: float) -> str:
    return " ".join(f"{number:.9g}" for number in numbers)


if __name__ == "__main__":
    URDF.write_text(urdf(BODY), encoding="utf-8")
