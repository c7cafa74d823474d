"""The hexapod's cores in C++: whole episodes without coming back to Python.

`Lanes` is Bullet's algorithm for this one robot with a world in each SIMD lane,
and gives Bullet's numbers to the last bit: some fifteen times Bullet's speed.
`Robot` drives the Bullet inside the installed pybullet, which exports its C
interface, by the commands that `engine.World` gives. Observation, controller,
gait and judgement are the Python modules' to the last bit. Their constants are
handed over from here, so that each is written down once; what the lanes know of
the robot is read from one that Bullet has loaded.

Before the lanes are used, they walk some steps beside Bullet. Where the two
differ, as they would with a Bullet that was compiled to contract products and
sums into one operation, Bullet itself plays the episodes.
"""

from __future__ import annotations

from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from environments import portable
from environments.batch import Batch, by_environment
from environments.environment import Environment
from environments.hexapod3d import engine, episode, gait, task, terrain
from environments.hexapod3d.body import BODY, URDF
from environments.hexapod3d.expression import terrain_of
from environments.hexapod3d.gait import Gait
from environments.hexapod3d.terrain import Terrain
from environments.native_cores import missing
from environments.rollouts import Rollouts

Floats = NDArray[np.float64]
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
    """A hexapod in Bullet, and the course that it stands on."""

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


class Lanes:
    """Hexapods in SIMD lanes; any threads may use it at once."""

    def __init__(self) -> None:
        world = engine.World()
        try:
            world.lay(terrain.flat())
            self.core = core.Lanes(constants(), world.description())
        finally:
            world.close()

    def follow(self, course: Terrain, starts: Floats, targets: Floats, *, kernel: str = "") -> NDArray[np.float64]:
        """Follow joint targets (n, steps, joints) from starts (n, 3) on; gives the states (n, steps, STATE_SIZE)."""
        states, _ = self.core.follow(self.core.course(course.heights), starts, targets, kernel=kernel)
        return states


def kernel() -> str:
    """Name the kernel that runs here: instruction set and lanes, such as "avx2-4"."""
    return next(name for name, _, usable in core.kernels() if usable)


_one_at_a_time = Lock()  # Bullet lets other threads run, and they would find the same robot; a second check is wasted


@lru_cache(maxsize=1)
def shared_robot() -> Robot:
    """Give the one robot of the process: making one takes longer than laying a course."""
    return Robot()


def agrees(lanes: Lanes, steps: int = 60) -> bool:
    """Say whether lanes give Bullet's states, to the last bit, through so many violent steps on rough ground."""
    rng = np.random.default_rng(0)
    course = Terrain(0.03 * rng.standard_normal((terrain.ROWS, terrain.COLUMNS)))
    targets = rng.uniform(gait.LOW, gait.HIGH, (-(-steps // 5), BODY.joints)).repeat(5, axis=0)[:steps]
    start = episode.starts(np.zeros(1, dtype=np.uint64))
    robot = shared_robot()
    robot.lay(course)
    expected = robot.core.follow(start[0], targets)
    return np.array_equal(lanes.follow(course, start, targets[None])[0], expected)


@lru_cache(maxsize=1)
def _proven_lanes() -> Lanes | None:
    try:
        lanes = Lanes()
    except ValueError:  # of a robot of another make
        return None
    return lanes if agrees(lanes) else None


def proven_lanes() -> Lanes | None:
    """Give the lanes of the process, made once; None where they would not give Bullet's numbers."""
    with _one_at_a_time:
        return _proven_lanes()


@lru_cache(maxsize=64)  # of 300 KiB each
def _course_of(environment: Environment) -> Any:
    lanes = proven_lanes()
    return None if lanes is None else lanes.core.course(terrain_of(environment).heights)


def run_native(batch: Batch, episode_limit: int, gait: Gait) -> Rollouts:
    """Run the episodes side by side, a world a SIMD lane, each on the course of its row."""
    lanes = proven_lanes()
    if lanes is None:
        return by_environment(batch, lambda rows: run_bullet(rows, episode_limit, gait))
    starts = np.ascontiguousarray(episode.starts(batch.seeds))
    courses = [_course_of(environment) for environment in batch.environments]
    returns, lengths, outcomes, _ = lanes.core.rollout(
        courses, batch.places.astype(np.int32), batch.thetas, starts, episode_limit, gait is Gait.TRIPOD
    )
    return Rollouts(returns, lengths, outcomes)


def film(environment: Environment, thetas: NDArray[np.float32], seeds: NDArray[np.uint64], limit: int, gait: Gait) -> Any:
    """Begin episodes of agents (n, P) side by side on one course, to be looked at; None where there are no lanes.

    What it gives has `advance(steps)`: states (n, STATE_SIZE), returns, lengths and outcomes (n,) so many steps later.
    """
    lanes = proven_lanes()
    if lanes is None:
        return None
    starts = np.ascontiguousarray(episode.starts(seeds))
    return lanes.core.film(_course_of(environment), thetas, starts, limit, gait is Gait.TRIPOD)


def run_bullet(batch: Batch, episode_limit: int, gait: Gait) -> Rollouts:
    """Run the episodes of one environment in Bullet itself, one after another."""
    starts = np.ascontiguousarray(episode.starts(batch.seeds))
    with _one_at_a_time:
        robot = shared_robot()
        robot.lay(terrain_of(batch.environments[0]))
        found = robot.core.rollout(batch.thetas, starts, episode_limit, gait is Gait.TRIPOD)
    return Rollouts(*found)
