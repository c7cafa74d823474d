"""The hexapod's core in C++: whole episodes without coming back to Python, on PyBullet's own Bullet.

The C++ beside this file opens the installed pybullet, which exports Bullet's C
interface, and gives it the commands that `engine.World` gives; observation,
controller, gait and judgement are the Python modules' to the last bit. Their
constants are handed over from here, so that each is written down once.
"""

from __future__ import annotations

from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from environments import portable
from environments.domain import Rollouts
from environments.hexapod3d import engine, episode, gait, task, terrain
from environments.hexapod3d.body import BODY, URDF
from environments.hexapod3d.gait import Gait
from environments.hexapod3d.terrain import Terrain
from environments.native_cores import missing

_problem: str | None = None
try:
    from environments.hexapod3d.native import _core as core

    _found = engine.bullet.getAPIVersion()
    if _found != core.VERSION:
        _problem = f"the hexapod's C++ core is written for Bullet's interface {core.VERSION}, pybullet has {_found}"
except ImportError as error:
    if TYPE_CHECKING:
        raise
    core = None
    _problem = missing("hexapod", __name__, error)


def problem() -> str | None:
    """Say in a sentence why the core cannot be used; None when it can."""
    return _problem


def constants() -> dict[str, Any]:
    """Gather every number that the core needs."""
    legs = {f"hip_{axis}": [float(getattr(leg, axis)) for leg in BODY.legs] for axis in "xy"}
    legs |= {name: [float(getattr(leg, name)) for leg in BODY.legs] for name in ("yaw", "side", "beat")}
    return {
        "urdf": str(URDF),
        "time_step": engine.TIME_STEP,
        "gravity": engine.GRAVITY,
        "friction": engine.FRICTION,
        "margin": engine.CONTACT_MARGIN,
        "contact_erp": engine.CONTACT_ERP,
        "aloft": engine.ALOFT,
        "substeps": engine.SUBSTEPS,
        "iterations": engine.ITERATIONS,
        "lead": engine.LEAD,
        **{name: getattr(BODY, name) for name in ("stiffness", "damping", "torque", "height", "speed")},
        "rows": terrain.ROWS,
        "columns": terrain.COLUMNS,
        "cell": terrain.CELL,
        "ground_start": terrain.START,
        "ground_end": terrain.END,
        "half_width": terrain.HALF_WIDTH,
        "segments": [segment.length for segment in BODY.segments],
        **legs,
        "low": gait.LOW.tolist(),
        "high": gait.HIGH.tolist(),
        "stance": gait.STANCE.tolist(),
        "sine": list(portable.SINE),
        "clock": gait.clock(np.arange(gait.PERIOD)).reshape(-1).tolist(),
        "stroke": gait.STROKE,
        "stroke_range": gait.STROKE_RANGE,
        "shift_range": gait.SHIFT_RANGE,
        "lift": gait.LIFT,
        "tuck": gait.TUCK,
        "hold_range": gait.HOLD_RANGE,
        "start_height": episode.START_HEIGHT,
        "scan": task.SCAN.reshape(-1).tolist(),
        "underside": task.UNDERSIDE.reshape(-1).tolist(),
        "most_motion": task.MOST_MOTION.tolist(),
        "scan_range": task.SCAN_RANGE,
        "speed_range": task.SPEED_RANGE,
        "spin_range": task.SPIN_RANGE,
        "most": task.MOST,
        "side_limit": terrain.SIDE_LIMIT,
        "back_limit": terrain.BACK_LIMIT,
        "finish": terrain.FINISH,
        "metre_reward": task.COURSE_REWARD / terrain.FINISH,
        "most_headway": task.FASTEST / engine.CONTROL_RATE,
        "effort_cost": task.EFFORT_COST,
        "fall_reward": task.FALL_REWARD,
        "upright": task.UPRIGHT,
        "headway": task.HEADWAY,
        "deepest": task.DEEPEST,
        "patience": task.PATIENCE,
    }


class Robot:
    """A hexapod in the core, and the course that it stands on."""

    def __init__(self) -> None:
        self.core = core.Robot(engine.bullet.__file__, constants())
        self._terrain: Terrain | None = None

    __reduce_ex__ = engine.uncopied

    def lay(self, terrain: Terrain) -> None:
        """Put a course in the place of that before."""
        if self._terrain is not terrain:
            self._terrain = None  # should Bullet refuse this course, that before is gone too
            self.core.lay(terrain.heights)
            self._terrain = terrain


_one_at_a_time = Lock()  # the core lets other threads run, and they would find the same robot


@lru_cache(maxsize=1)
def shared_robot() -> Robot:
    """Give the one robot of the process: making one takes longer than laying a course."""
    return Robot()


def rollout_native(
    thetas: NDArray[np.float32], terrain: Terrain, seeds: NDArray[np.uint64], episode_limit: int, gait: Gait
) -> Rollouts:
    """Run the episodes one after another."""
    starts = np.ascontiguousarray(episode.starts(seeds))
    with _one_at_a_time:
        robot = shared_robot()
        robot.lay(terrain)
        found = robot.core.rollout(np.ascontiguousarray(thetas), starts, episode_limit, gait is Gait.TRIPOD)
    return Rollouts(*found)
