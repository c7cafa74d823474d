"""The hexapod in MuJoCo, for `benchmarks.hexapod_speed`: how fast another engine is with the same robot and field.

Masses, inertias, joints with their limits, the drives as actuators, the feet as
spheres and the height field are those that Bullet gets; so are the time step
and the gravity. Contacts are MuJoCo's own. Not part of any result but speeds.
"""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from environments.hexapod3d.body import HEXAPOD as BODY
from environments.hexapod3d.engine import GRAVITY, SUBSTEPS, TIME_STEP
from environments.hexapod3d.episode import start_height
from environments.hexapod3d.physics import FRICTION
from environments.hexapod3d.terrain import COLUMNS, END, HALF_WIDTH, ROWS, START, Terrain
from environments.hexapod3d.urdf import urdf


def model_xml(rise: float, floor: float) -> str:
    """Write the robot on a field whose heights span `rise` m from `floor` m on, as MJCF."""
    robot = ET.fromstring(urdf(BODY))
    links = {link.get("name"): link for link in robot.findall("link")}
    top = ET.Element("mujoco")
    ET.SubElement(top, "option", timestep=str(TIME_STEP), gravity=f"0 0 {-GRAVITY}")
    size = f"{(END - START) / 2} {HALF_WIDTH} {max(rise, 1e-6)} 0.1"
    ET.SubElement(ET.SubElement(top, "asset"), "hfield", name="field", nrow=str(COLUMNS), ncol=str(ROWS), size=size)
    world, actuators = ET.SubElement(top, "worldbody"), ET.SubElement(top, "actuator")
    ET.SubElement(world, "geom", type="hfield", hfield="field", pos=f"{(START + END) / 2} 0 {floor}")
    bodies = {"trunk": ET.SubElement(world, "body", name="trunk", pos=f"0 0 {start_height(BODY)}")}
    ET.SubElement(bodies["trunk"], "freejoint")
    _fill(bodies["trunk"], links["trunk"])
    for joint in robot.findall("joint"):
        name, origin = str(joint.get("name")), _child(joint, "origin")
        at = {"pos": str(origin.get("xyz")), "euler": str(origin.get("rpy"))}
        body = bodies[name] = ET.SubElement(bodies[str(_child(joint, "parent").get("link"))], "body", name=name, **at)
        limit = _child(joint, "limit")
        axis, reach = str(_child(joint, "axis").get("xyz")), f"{limit.get('lower')} {limit.get('upper')}"
        ET.SubElement(body, "joint", name=name, axis=axis, range=reach, limited="true")
        _fill(body, links[name])
        pull = {"kp": str(BODY.stiffness), "kv": str(BODY.damping), "forcerange": f"{-BODY.torque} {BODY.torque}"}
        ET.SubElement(actuators, "position", joint=name, **pull)
    ET.SubElement(top, "compiler", angle="radian", eulerseq="XYZ")
    return ET.tostring(top, encoding="unicode")


def mujoco_alone(terrain: Terrain, targets: NDArray[np.float64]) -> Callable[[], int] | None:
    """Give a turn of a walk by joint targets (n, 18), or None where MuJoCo is not installed."""
    try:
        import mujoco  # noqa: PLC0415 - an engine that nothing else needs
    except ModuleNotFoundError:
        return None
    low, high = float(terrain.heights.min()), float(terrain.heights.max())
    model = mujoco.MjModel.from_xml_string(model_xml(high - low, low))
    model.hfield_data[:] = ((terrain.heights.T - low) / max(high - low, 1e-6)).reshape(-1)
    model.geom_friction[:, 0] = FRICTION
    data = mujoco.MjData(model)

    def turn() -> int:
        mujoco.mj_resetData(model, data)
        data.qpos[7:] = BODY.stance
        for wanted in targets:
            data.ctrl[:] = wanted
            mujoco.mj_step(model, data, SUBSTEPS)
        return len(targets)

    return turn


def _fill(body: ET.Element, link: ET.Element) -> None:
    inertial = _child(link, "inertial")
    about = _child(inertial, "inertia")
    ET.SubElement(
        body,
        "inertial",
        pos=str(_child(inertial, "origin").get("xyz", "0 0 0")),
        mass=str(_child(inertial, "mass").get("value")),
        diaginertia=" ".join(str(about.get(name)) for name in ("ixx", "iyy", "izz")),
    )
    collision = link.find("collision")
    if collision is not None:
        place, sphere = _child(collision, "origin"), _child(_child(collision, "geometry"), "sphere")
        ET.SubElement(body, "geom", type="sphere", size=str(sphere.get("radius")), pos=str(place.get("xyz")))


def _child(of: ET.Element, name: str) -> ET.Element:
    found = of.find(name)
    if found is None:
        raise ValueError(f"{of.tag} {of.get('name', '')} of the robot's URDF has no {name}")
    return found
