"""CartPole as a domain: what evolution, reports and learners ask of a body and its worlds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartpole_domain.encoding import GENES, CartPoleEncoding
from cartpole_domain.env import EPISODE_LIMIT, FALL_RETURN, SECONDS, CartPoleEnv
from environments.controller import Controller
from environments.difficulty import Difficulty
from environments.domain import NO_OUTCOME, Batch, Capabilities, Encoding, Environment, Outcome, Rollouts
from environments.sketch import Gauge, Recording, Sketch
from environments.stepped import play_one_by_one
from environments.suites import Level, Suite, Suites

CART = np.array([[-0.25, 0.0], [0.25, 0.0], [0.25, 0.3], [-0.25, 0.3]])  # m
PIVOT = np.array([0.0, 0.3])  # m, of the pole on the cart
POLE_WIDTH = 0.08  # m


class CartPole:
    """A pole on a cart; meets `environments.domain.Domain`, `Drawable` and `Graded`."""

    name = "cartpole"
    controller = Controller((4, 16, 1))
    episode_limit = EPISODE_LIMIT
    fall_return = FALL_RETURN
    solved_return = 475.0  # as Gymnasium says of CartPole-v1
    engines = ("gymnasium",)
    suites: Suites = MappingProxyType({"short-poles": lambda: SHORT_POLES})

    def encoding(self, name: str, options: Mapping[str, Any]) -> Encoding:
        """Make the encoding called `name`; ValueError names what is valid."""
        if name != CartPoleEncoding.name:
            raise ValueError(f"encoding is {name!r}; {self.name} has {CartPoleEncoding.name}")
        return CartPoleEncoding.from_options(options)

    def make_env(
        self, environment: Environment, *, render_mode: str | None = None, episode_limit: int | None = None
    ) -> CartPoleEnv:
        """Make the environment of one task."""
        limit = EPISODE_LIMIT if episode_limit is None else episode_limit
        return CartPoleEnv(environment, render_mode=render_mode, episode_limit=limit)

    def capabilities(self, engine: str | None = None) -> Capabilities:
        """Say what an engine is good at: here it plays one episode after another."""
        self._check(engine)
        return Capabilities(lanes=1)

    def run(
        self, batch: Batch, *, episode_limit: int | None = None, engine: str | None = None, trajectory: bool = False
    ) -> Rollouts:
        """Run one episode for each row of a batch, one after another."""
        self._check(engine)
        batch.check(self.controller)
        return play_one_by_one(partial(self.make_env, episode_limit=episode_limit), self.controller, batch, trajectory)

    def sketch(self, environment: Environment) -> Sketch:
        """Draw a task from the side: the track, and the cart with its pole upright."""
        track = np.array([[-2.4, 0.0], [2.4, 0.0]])
        return Sketch(track, np.stack([CART, _pole(environment) + PIVOT]))

    def record(self, environment: Environment, theta: NDArray[np.float32], seed: int, episode_limit: int) -> Recording:
        """Play one episode of an agent and keep every place of cart and pole."""
        env = self.make_env(environment, episode_limit=episode_limit)
        total, length, outcome, places = self._episode(env, theta, seed)
        x, lean = np.array(places).T
        still = np.zeros_like(x)
        poses = np.stack([np.stack([x, still, still], 1), np.stack([x, still + PIVOT[1], -lean], 1)], 1)
        gauge = Gauge(np.append(np.arange(length), total), np.abs(x), env.course)
        told = Outcome(outcome).name.lower().replace("_", " ")
        return Recording([CART, _pole(environment)], poses, gauge, total, told, round(1 / SECONDS))

    def difficulty(self, environment: Environment) -> Difficulty:
        """Measure a task: short poles fall fast, weak carts cannot follow them; 0.2 s to fall is easy."""
        length, force = (environment.genome[name] for name in GENES)
        score = float(np.sqrt(GENES["length"].initial / length) * np.sqrt(GENES["force"].initial / force))
        return Difficulty(sum(score >= bound for bound in (1.5, 2.0, 3.0)), score)

    def _check(self, engine: str | None) -> None:
        if engine not in (None, *self.engines):
            raise ValueError(f"engine is {engine!r}; it must be {', '.join(self.engines)}")

    def _episode(
        self, env: CartPoleEnv, theta: NDArray[np.float32], seed: int
    ) -> tuple[float, int, int, list[tuple[float, float]]]:
        act = self.controller.policy(theta)
        observation, info = env.reset(seed=seed)
        total, length, places = 0.0, 0, [env.place]
        while info["outcome"] == NO_OUTCOME:
            observation, reward, _, _, info = env.step(act(observation))
            total, length = total + reward, length + 1
            places.append(env.place)
        return total, length, info["outcome"], places


SHORT_POLES = Suite(
    levels=tuple(
        Level(
            f"{2 * length:g} m",
            Environment(
                domain=CartPole.name, encoding=CartPoleEncoding.name, genome={"length": length, "force": 10.0}, seed=0
            ),
        )
        for length in (0.5, 0.25, 0.125)
    ),
    episode_limit=EPISODE_LIMIT,
    solved_above=CartPole.solved_return,
)
"""Gymnasium's pole and shorter ones, on which agents of any run can be compared."""


def _pole(environment: Environment) -> NDArray[np.float64]:
    half, height = POLE_WIDTH / 2, 2 * environment.genome["length"]
    return np.array([[-half, 0.0], [half, 0.0], [half, height], [-half, height]])


DOMAIN = CartPole()
