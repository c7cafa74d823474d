"""The legged robots' cores in C++, one for each number of legs: whole episodes without coming back to Python.

`Lanes` is Bullet's algorithm for these robots alone with a world in each SIMD lane,
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
from environments.hexapod3d.body import LEG_COUNTS, Body
from environments.hexapod3d.expression import terrain_of
from environments.hexapod3d.gait import Gait
from environments.hexapod3d.physics import FRICTION, ORDINARY, Physics
from environments.hexapod3d.terrain import Terrain
from environments.hexapod3d.urdf import urdf
from environments.native_cores import missing
from environments.rollouts import Rollouts

if TYPE_CHECKING:
    from environments.hexapod3d.native import _core

Floats = NDArray[np.float64]
_cores: dict[int, Any] = {}
_problem: str | None = None
try:
    from environments.hexapod3d.native import _core4 as core4
    from environments.hexapod3d.native import _core6 as core6
    from environments.hexapod3d.native import _core8 as core8

    _cores = {4: core4, 6: core6, 8: core8}
    _found, _meant = engine.bullet.getAPIVersion(), core6.VERSION
    if _found != _meant:
        _problem = f"the hexapod's C++ core is written for Bullet's interface {_meant}, pybullet has {_found}"
except ImportError as error:
    _problem = missing("hexapod", f"{__name__}._core4", error)


def problem() -> str | None:
    """Say in a sentence why the core cannot be used; None when it can."""
    return _problem


def lanes_problem(body: Body) -> str | None:
    """Say in a sentence why the core's lanes cannot be used; None when they can."""
    if _problem is None and proven_lanes(body) is None:
        return "the core's lanes do not give the numbers of the Bullet that is installed here"
    return _problem


def core_of(body: Body) -> Any:
    """Give the module of the cores for so many legs; `_core.pyi` says what is in it."""
    return _cores[len(body.legs)]


def constants(body: Body) -> dict[str, Any]:
    """Gather every number that the core needs."""
    legs = {f"hip_{axis}": [float(getattr(leg, axis)) for leg in body.legs] for axis in "xy"}
    legs |= {name: [float(getattr(leg, name)) for leg in body.legs] for name in ("yaw", "side", "beat")}
    return {
        "urdf": urdf(body),
        "time_step": engine.TIME_STEP,
        "gravity": engine.GRAVITY,
        "friction": FRICTION,
        "margin": engine.CONTACT_MARGIN,
        "contact_erp": engine.CONTACT_ERP,
        "aloft": engine.ALOFT,
        "substeps": engine.SUBSTEPS,
        "iterations": engine.ITERATIONS,
        "lead": body.lead,
        **{name: getattr(body, name) for name in ("stiffness", "damping", "torque", "height", "speed")},
        "rows": terrain.ROWS,
        "columns": terrain.COLUMNS,
        "cell": terrain.CELL,
        "ground_start": terrain.START,
        "ground_end": terrain.END,
        "half_width": terrain.HALF_WIDTH,
        "segments": [segment.length for segment in body.segments],
        **legs,
        "low": body.low.tolist(),
        "high": body.high.tolist(),
        "stance": body.stance.tolist(),
        "sine": list(portable.SINE),
        "clock": gait.clock(np.arange(gait.PERIOD)).reshape(-1).tolist(),
        "stroke": gait.STROKE,
        "stroke_range": gait.STROKE_RANGE,
        "shift_range": gait.SHIFT_RANGE,
        "lift": gait.LIFT,
        "tuck": gait.TUCK,
        "hold_range": gait.HOLD_RANGE,
        "start_height": episode.start_height(body),
        "scan": task.SCAN.reshape(-1).tolist(),
        "underside": task.underside(body).reshape(-1).tolist(),
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
        "under": task.UNDER,
        "patience": task.PATIENCE,
    }


def hidden_of(body: Body, physics: Physics) -> dict[str, Any]:
    """Gather what the core needs to know of what is hidden; nothing where all is ordinary."""
    if physics == ORDINARY:
        return {}
    rate = physics.friction / FRICTION
    gains = physics.gains(body).tolist()
    return {"gains": gains, "friction_rate": rate, "load": physics.load, "delay": physics.delay}


class Robot:
    """A robot in Bullet, and the course that it stands on."""

    def __init__(self, body: Body) -> None:
        self.core: _core.Robot = core_of(body).Robot(engine.bullet.__file__, constants(body))
        self._terrain: Terrain | None = None
        self._body, self._physics = body, ORDINARY

    __reduce_ex__ = engine.uncopied

    def lay(self, terrain: Terrain, physics: Physics = ORDINARY) -> None:
        """Put a course in the place of that before, and what is hidden of the robot."""
        if self._terrain is not terrain or self._physics != physics:
            self._terrain = None  # should Bullet refuse this course, that before is gone too
            self.core.lay(terrain.heights, hidden_of(self._body, physics))
            self._terrain, self._physics = terrain, physics


class Lanes:
    """Robots in SIMD lanes; any threads may use it at once."""

    def __init__(self, body: Body) -> None:
        self._body = body
        world = engine.World(body)
        try:
            world.lay(terrain.flat())
            self.core: _core.Lanes = core_of(body).Lanes(constants(body), world.description())
        finally:
            world.close()

    def course(self, ground: Terrain, physics: Physics = ORDINARY) -> _core.Course:
        """Give the core a course, and what is hidden of who walks it."""
        return self.core.course(ground.heights, hidden_of(self._body, physics))

    def follow(
        self, ground: Terrain, starts: Floats, targets: Floats, *, physics: Physics = ORDINARY, kernel: str = ""
    ) -> NDArray[np.float64]:
        """Follow joint targets (n, steps, joints) from starts (n, 3) on; gives the states (n, steps, STATE_SIZE)."""
        states, _ = self.core.follow(self.course(ground, physics), starts, targets, kernel=kernel)
        return states


def kernels() -> list[str]:
    """Name the kernels that run here, the one that is used first: instruction set and lanes, such as "avx2-4"."""
    core: Any = _cores[LEG_COUNTS[0]]
    return [name for name, _, usable in core.kernels() if usable]


def kernel() -> str:
    """Name the kernel that is used here."""
    return kernels()[0]


_one_at_a_time = Lock()  # Bullet lets other threads run, and they would find the same robot; a second check is wasted


@lru_cache(maxsize=4)
def shared_robot(body: Body) -> Robot:
    """Give the one robot of its kind in the process: making one takes longer than laying a course."""
    return Robot(body)


def agrees(body: Body, lanes: Lanes, steps: int = 60) -> bool:
    """Say whether lanes give Bullet's states, to the last bit, through so many violent steps on rough ground."""
    rng = np.random.default_rng(0)
    course = Terrain(0.03 * rng.standard_normal((terrain.ROWS, terrain.COLUMNS)))
    targets = rng.uniform(body.low, body.high, (-(-steps // 5), body.joints)).repeat(5, axis=0)[:steps]
    start = episode.starts(np.zeros(1, dtype=np.uint64))
    robot = shared_robot(body)
    robot.lay(course)
    expected = robot.core.follow(start[0], targets)
    return np.array_equal(lanes.follow(course, start, targets[None])[0], expected)


@lru_cache(maxsize=16)
def _proven_lanes(body: Body) -> Lanes | None:
    try:
        lanes = Lanes(body)
    except ValueError:  # of a robot of another make
        return None
    return lanes if agrees(body, lanes) else None


def proven_lanes(body: Body) -> Lanes | None:
    """Give the lanes of a body in the process, made once; None where they would not give Bullet's numbers."""
    with _one_at_a_time:
        return _proven_lanes(body)


def build_course(body: Body, terrain: Terrain, physics: Physics = ORDINARY) -> _core.Course:
    """Give the lanes a course, and what is hidden of who walks it.

    Raises:
        RuntimeError: they cannot be used.
    """
    return usable_lanes(body).course(terrain, physics)


@lru_cache(maxsize=256)  # of 300 KiB each: a curriculum's tasks come again and again
def course_of(body: Body, environment: Environment) -> _core.Course:
    """Give the lanes a task's course; raises as `terrain_of`, `Physics.of` and `build_course` do."""
    return build_course(body, terrain_of(environment), Physics.of(body, environment))


def usable_lanes(body: Body) -> Lanes:
    """Give the lanes of a body in the process.

    Raises:
        RuntimeError: they cannot be used; the message says why.
    """
    if (reason := lanes_problem(body)) is not None:
        raise RuntimeError(reason)
    lanes = proven_lanes(body)
    assert lanes is not None
    return lanes


def run_native(batch: Batch, episode_limit: int, body: Body, gait: Gait) -> Rollouts:
    """Run the episodes side by side, a world a SIMD lane, each on the course of its row."""
    lanes = proven_lanes(body)
    if lanes is None:  # Bullet itself plays them
        return by_environment(batch, lambda rows: run_bullet(rows, episode_limit, body, gait))
    starts = np.ascontiguousarray(episode.starts(batch.seeds))
    courses = [course_of(body, environment) for environment in batch.environments]
    returns, lengths, outcomes, _ = lanes.core.rollout(
        courses, batch.places.astype(np.int32), batch.thetas, starts, episode_limit, gait is Gait.ALTERNATING
    )
    return Rollouts(returns, lengths, outcomes)


def film(
    environment: Environment, thetas: NDArray[np.float32], seeds: NDArray[np.uint64], limit: int, body: Body, gait: Gait
) -> Any:
    """Begin episodes of agents (n, P) side by side on one course, to be looked at; None where there are no lanes.

    What it gives has `advance(steps)`: states (n, k), returns, lengths and outcomes (n,) so many steps later.
    """
    lanes = proven_lanes(body)
    if lanes is None:
        return None
    starts = np.ascontiguousarray(episode.starts(seeds))
    return lanes.core.film(course_of(body, environment), thetas, starts, limit, gait is Gait.ALTERNATING)


def run_bullet(batch: Batch, episode_limit: int, body: Body, gait: Gait) -> Rollouts:
    """Run the episodes of one environment in Bullet itself, one after another."""
    starts = np.ascontiguousarray(episode.starts(batch.seeds))
    with _one_at_a_time:
        robot = shared_robot(body)
        (environment,) = batch.environments
        robot.lay(terrain_of(environment), Physics.of(body, environment))
        found = robot.core.rollout(batch.thetas, starts, episode_limit, gait is Gait.ALTERNATING)
    return Rollouts(*found)
