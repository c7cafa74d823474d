"""Gymnasium's CartPole-v1 with a pole and a force of one's own, and actions as controllers give them."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from cartpole_domain.encoding import CartPoleEncoding
from environments.domain import NO_OUTCOME, Environment, Outcome

EPISODE_LIMIT = 500  # control steps, as in CartPole-v1; who balances so long has finished
FALL_RETURN = 0.0
SECONDS = 0.02  # a step


class CartPoleEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """One task. An action is one number in [-1, 1]: pushed to the right where it is above 0, else to the left."""

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": 50}  # noqa: RUF012 - as Gymnasium declares it

    def __init__(
        self, environment: Environment, *, render_mode: str | None = None, episode_limit: int = EPISODE_LIMIT
    ) -> None:
        if environment.encoding != CartPoleEncoding.name:
            raise ValueError(f"encoding is {environment.encoding!r}; cartpole has {CartPoleEncoding.name}")
        CartPoleEncoding().check(environment.genome)
        self._limit = episode_limit
        self._cart: Any = gymnasium.make("CartPole-v1", render_mode=render_mode).unwrapped
        self._cart.length = environment.genome["length"]
        self._cart.polemass_length = self._cart.masspole * self._cart.length
        self._cart.force_mag = environment.genome["force"]
        self.render_mode = render_mode
        self.observation_space = self._cart.observation_space
        self.action_space = Box(-1.0, 1.0, (1,), dtype=np.float32)
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode; the seed decides how the pole leans."""
        super().reset(seed=seed)
        self._steps = 0
        observation, _ = self._cart.reset(seed=seed, options=options)
        return observation, {"outcome": NO_OUTCOME}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Push the cart; a step upright earns 1."""
        push = np.asarray(action)
        if push.shape != (1,):
            raise ValueError(f"the action has shape {push.shape}; it must be (1,)")
        self._steps += 1
        if not np.isfinite(push[0]):  # a diverged episode scores FALL_RETURN: what was earned is taken back
            earned = float(self._steps - 1)
            return self._observation(), FALL_RETURN - earned, True, False, {"outcome": int(Outcome.DIVERGED)}
        observation, reward, fell, _, _ = self._cart.step(int(push[0] > 0))
        outcome = self._outcome(fell)
        over = outcome in (Outcome.FELL, Outcome.FINISHED)
        return observation, float(reward), over, outcome == Outcome.TIMED_OUT, {"outcome": int(outcome)}

    def _outcome(self, fell: bool) -> int:
        if fell:
            return Outcome.FELL
        if self._steps == EPISODE_LIMIT:
            return Outcome.FINISHED
        return Outcome.TIMED_OUT if self._steps >= self._limit else NO_OUTCOME

    def _observation(self) -> NDArray[np.float32]:
        return np.array(self._cart.state, dtype=np.float32)

    @property
    def place(self) -> tuple[float, float]:
        """Where the cart is, in m, and how far the pole leans, in rad."""
        return float(self._cart.state[0]), float(self._cart.state[2])

    @property
    def distance(self) -> float:
        """How far the cart is from where it began, in m."""
        return abs(self.place[0])

    @property
    def course(self) -> float:
        """How far it may go, in m."""
        return float(self._cart.x_threshold)

    def render(self) -> Any:
        """Draw the cart and its pole."""
        return self._cart.render()

    def close(self) -> None:
        """Close the window, if there is one."""
        self._cart.close()
