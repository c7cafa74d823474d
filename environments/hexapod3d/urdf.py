"""A body as URDF, which PyBullet and other engines read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from environments.hexapod3d.body import Body, Segment

COLOURS = {
    "trunk": (0.93, 0.49, 0.13),
    "left": (0.24, 0.29, 0.36),
    "right": (0.38, 0.44, 0.52),
    "foot": (0.1, 0.1, 0.1),
}


@lru_cache(maxsize=32)
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


@contextmanager
def urdf_file(body: Body) -> Iterator[str]:
    """Give the path of a file with a body's URDF, which is there no longer than it takes to read."""
    with tempfile.TemporaryDirectory(prefix="poet-") as folder:
        path = Path(folder, "robot.urdf")
        path.write_text(urdf(body), encoding="utf-8")
        yield str(path)
