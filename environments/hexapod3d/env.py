"""The hexapod as a Gymnasium environment on PyBullet, one physics client each."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.domain import NO_OUTCOME, Environment, Outcome
from environments.hexapod3d.body import HEXAPOD, Body
from environments.hexapod3d.drawing import Camera
from environments.hexapod3d.engine import CONTROL_RATE, POSITION, World
from environments.hexapod3d.episode import advance, begin
from environments.hexapod3d.expression import terrain_of
from environments.hexapod3d.gait import Gait
from environments.hexapod3d.physics import Late, Physics, hidden_size
from environments.hexapod3d.task import EPISODE_LIMIT, Judge, bounds, calmed, observe
from environments.hexapod3d.terrain import FINISH, Terrain
from environments.history import History, UnlikeError, without
from environments.plain import whole_seed
from environments.tasks.resets import checked_action, checked_limit, episode_seed

HANDLES = frozenset({"_world", "_camera"})  # of PyBullet


class HexapodEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """A legged robot on one course.

    Observation, float32, every entry clipped to its range; (70,) with the hexapod's six legs and 18 joints, whose
    places are given:

    | index | what | in units of | range |
    |---|---|---|---|
    | 0-17 | joint angles, leg by leg: coxa, femur, tibia | half of the joint's travel about its middle | ±2 |
    | 18-35 | joint speeds | the drives' highest: 6.5 rad/s | ±2 |
    | 36-38 | up, in the trunk's frame | 1 | ±1 |
    | 39-41 | velocity, in the trunk's frame | 2 m/s | ±2 |
    | 42-44 | angular velocity, in the trunk's frame | 5 rad/s | ±2 |
    | 45 | sine of the heading; left is positive | 1 | ±1 |
    | 46 | place across the course; left is positive | 1.6 m | ±2 |
    | 47-52 | feet that bear on the ground | 1 | 0 or 1 |
    | 53-54 | sine and cosine of the gait's clock | 1 | ±1 |
    | 55-69 | ground from 0 to 1.2 m ahead, left to right, over where the robot would stand | 0.5 m | ±1 |

    Action, float32, a number in [-1, 1] for each joint, leg by leg: the left legs from front to rear, then the right
    ones. With the alternating gait stroke, shift and height (`gait.py`); with none targets for coxa, femur and tibia,
    0 being the stance and ±1 the joint's limits.

    Reward: 300 for the course's 8 m, less the effort; see `task.Judge`, which also says when an
    episode ends. `info["outcome"]` holds the `Outcome` of an episode that is over, and NO_OUTCOME, -1, until then.

    Copies and pickles go on from where the original stood, to the last bit; nothing is shared with it.

    Args:
        environment: the task; level ground when None.
        terrain: a course used in place of the task's own.
        body: the robot.
        gait: what an action means.
        physics: what is hidden of the robot, in place of the task's own.
        told: append it to every observation, which has `physics.hidden_size` numbers more then, as
            `physics.Physics.scaled` says.
        episode_limit: control steps before truncation, 50 to the second.
        render_mode: "rgb_array" or None.

    Raises:
        ValueError: the task is not the hexapod's, its genome is not valid, or an argument is out of range.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": CONTROL_RATE}  # noqa: RUF012 - as Gymnasium declares it

    def __init__(
        self,
        environment: Environment | None = None,
        *,
        terrain: Terrain | None = None,
        body: Body = HEXAPOD,
        gait: Gait = Gait.ALTERNATING,
        physics: Physics | None = None,
        told: bool = False,
        episode_limit: int = EPISODE_LIMIT,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(
                f"render_mode is {render_mode!r}; it must be None or 'rgb_array', of which "
                "gymnasium.wrappers.HumanRendering makes a window"
            )
        limit = checked_limit(episode_limit)
        self.terrain = terrain_of(environment) if terrain is None else terrain
        self.body = body
        self.gait = gait
        self.physics = Physics.of(body, environment) if physics is None else physics
        self._hidden = self.physics.scaled(body) if told else None
        self.render_mode = render_mode
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (body.joints,), np.float32)
        self.observation_space = observation_space(body, told)
        self._world = World(body)
        self._camera: Camera | None = None
        self._judge = Judge(body, 1, limit)
        self._state = np.zeros((1, body.columns.size))
        self._late = self._not_yet()
        self._history: History | None = None  # of the episode, from its seed on
        self._over = True
        self._closed = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Put the robot on the start pad, turned and moved a little as the seed says."""
        if self._closed:
            raise RuntimeError("the environment has been closed; make another")
        seed = None if seed is None else whole_seed(seed)
        super().reset(seed=seed)
        episode = episode_seed(seed, self.np_random)
        begin(self._world, self.terrain, episode, self._state[0], self.physics)
        self._judge.start(0, float(self._state[0, POSITION.start]))
        self._late = self._not_yet()
        self._history = History(episode, np.zeros(self.body.joints, dtype=np.float32))
        self._over = False
        return self._observe(), {"outcome": NO_OUTCOME}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Drive the joints for 1/50 s; see the class for what comes back."""
        if self._over or self._history is None:
            raise gymnasium.error.ResetNeeded("call reset before step: no episode is under way")
        done = checked_action(action, self.body.joints).astype(np.float32)
        self._history.add(done)
        advance(self._world, self._late.reaching(done), int(self._judge.steps[0]), self.gait, self._state[0])
        rewards, outcomes = self._judge.judge(self._state, self.terrain)
        outcome = int(outcomes[0])
        self._over = outcome != NO_OUTCOME
        if outcome == Outcome.DIVERGED:
            self._state[:] = calmed(self._state)  # what is seen and drawn of it
            self._world.renew()
        truncated = outcome == Outcome.TIMED_OUT
        return self._observe(), float(rewards[0]), self._over and not truncated, truncated, {"outcome": outcome}

    def render(self) -> NDArray[np.uint8] | None:
        """Draw the robot from behind its left side: (360, 540, 3)."""
        if self.render_mode is None:
            return None
        if self._history is None or self._closed:
            raise gymnasium.error.ResetNeeded("call reset before render: there is nothing to draw")
        self._camera = self._camera or Camera(self.body, self.terrain)
        return self._camera.shoot(self.state)

    def close(self) -> None:
        """Free the physics clients."""
        self._over = self._closed = True
        self._world.close()
        if self._camera is not None:
            self._camera.close()
            self._camera = None

    def __copy__(self) -> HexapodEnv:
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        return without(self, HANDLES)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._world = World(self.body)
        self._camera = None
        if self._closed:
            self._world.close()
        elif self._history is not None and not self._over:
            self._replay(self._history)

    def _replay(self, history: History) -> None:
        """Bring the new world to where the old one stands; the judge knows already."""
        state = np.zeros(self.body.columns.size)
        begin(self._world, self.terrain, history.start, state, self.physics)
        self._late = self._not_yet()
        for step, action in enumerate(history.actions()):
            advance(self._world, self._late.reaching(action), step, self.gait, state)
        if not np.array_equal(state, self._state[0]):
            raise UnlikeError

    @property
    def state(self) -> NDArray[np.float64]:
        """The state, whose numbers lie as `engine` and `Body.columns` say."""
        (state,) = self._state
        return state

    @property
    def distance(self) -> float:
        """Metres that the trunk has come along the course, which starts at x = 0."""
        return float(self.state[POSITION][0])

    @property
    def course(self) -> float:
        """Metres from the start to the end of the course."""
        return FINISH

    def _not_yet(self) -> Late:
        """Give the actions under way as an episode begins."""
        return Late(self.physics.delay, self.body.joints)

    def _observe(self) -> NDArray[np.float32]:
        (observation,) = observe(self.body, self._state, self._judge.steps, self.terrain)
        return observation if self._hidden is None else np.concatenate([observation, self._hidden])


def observation_space(body: Body, told: bool = False) -> gymnasium.Space[NDArray[np.float32]]:
    """Give the space of what a robot sees, with what is hidden of it where it is told."""
    unbounded = np.full(hidden_size(body) if told else 0, np.inf, dtype=np.float32)
    low, high = (np.concatenate(parts) for parts in zip(bounds(body), (-unbounded, unbounded), strict=True))
    return gymnasium.spaces.Box(low, high, dtype=np.float32)
