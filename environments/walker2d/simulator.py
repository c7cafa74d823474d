"""Episodes of many walkers at once, over whichever engine is asked for.

The reference engine steps `WalkerEnv`; it is the ground truth that the native
engine answers to. The native engine is the default where it is built.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from environments.controller import Controller
from environments.domain import NO_OUTCOME, Environment, Rollouts
from environments.walker2d import native
from environments.walker2d.env import EPISODE_LIMIT, WalkerEnv

CONTROLLER = Controller((24, 40, 40, 4))

Engine: TypeAlias = Callable[[NDArray[np.float32], Environment, NDArray[np.uint64], int], Rollouts]


def rollout_reference(
    thetas: NDArray[np.float32], environment: Environment, seeds: NDArray[np.uint64], episode_limit: int
) -> Rollouts:
    """Run the episodes one after another in the Box2D environment."""
    env = WalkerEnv(environment, episode_limit=episode_limit)
    episodes = [_episode(env, theta, int(seed)) for theta, seed in zip(thetas, seeds, strict=True)]
    returns, lengths, outcomes = zip(*episodes, strict=True) if episodes else ((), (), ())
    return Rollouts(
        np.array(returns, dtype=np.float64), np.array(lengths, dtype=np.int32), np.array(outcomes, dtype=np.int8)
    )


def _episode(env: WalkerEnv, theta: NDArray[np.float32], seed: int) -> tuple[float, int, int]:
    act = CONTROLLER.policy(theta)
    observation, info = env.reset(seed=seed)
    total, length = 0.0, 0
    while info["outcome"] == NO_OUTCOME:
        observation, reward, _, _, info = env.step(act(observation))
        total += reward
        length += 1
    return total, length, info["outcome"]


ENGINES: dict[str, Engine] = {"reference": rollout_reference}
if native.problem() is None:
    ENGINES = {"native": native.rollout_native, **ENGINES}


def engine_status() -> list[tuple[str, bool, str]]:
    """List every engine, default first: its name, whether it can be used, and what it runs on or lacks."""
    reason = native.problem()
    with_native = ("native", reason is None, reason or f"C++ core, kernel {native.kernel()}")
    reference = ("reference", True, f"Box2D {version('box2d')} through pybox2d")
    return [reference, with_native] if reason else [with_native, reference]


def rollout(
    thetas: NDArray[np.float32],
    environment: Environment,
    seeds: NDArray[np.uint64],
    *,
    episode_limit: int | None = None,
    engine: str | None = None,
) -> Rollouts:
    """Run one episode for each controller; see `environments.domain.Domain.rollout`.

    Raises:
        ValueError: the shapes do not fit, or there is no such engine.
    """
    CONTROLLER.check(thetas, seeds)
    name = engine or next(iter(ENGINES))
    if name == "native" and name not in ENGINES:
        raise ValueError(f"engine is 'native', but {native.problem()}")
    if name not in ENGINES:
        raise ValueError(f"engine is {name!r}; it must be one of {', '.join(ENGINES)}")
    limit = EPISODE_LIMIT if episode_limit is None else episode_limit
    return ENGINES[name](thetas.astype(np.float32), environment, seeds.astype(np.uint64), limit)
