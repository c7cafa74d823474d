"""Episodes stepped from Python: for agents that no engine knows, and where every step is to be kept.

The engines' own loops know one controller and give sums. Here the controller thinks in NumPy, all episodes side by
side where there are such worlds: the same bits where the controller is the engine's, several times slower.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.batch import Batch
from environments.controller import Controller
from environments.environment import Environment
from environments.rollouts import NO_OUTCOME, Rollouts, Trajectories

MakeEnv = Callable[[Environment], gymnasium.Env[Any, Any]]


class _Steps:
    """Every step of some episodes, as they come."""

    def __init__(self, controller: Controller, episodes: int) -> None:
        self._rows: list[NDArray[np.intp]] = [np.zeros(0, dtype=np.intp)]
        self._observations = [np.zeros((0, controller.sizes[0]), dtype=np.float32)]
        self._actions = [np.zeros((0, controller.sizes[-1]), dtype=np.float32)]
        self._rewards = [np.zeros(0)]
        self._last = np.zeros((episodes, controller.sizes[0]), dtype=np.float32)

    def add(self, rows: NDArray[np.intp], observations: Any, actions: Any, rewards: Any, after: Any) -> None:
        """Take in a step of some episodes, a row each; what each saw after it may be its last."""
        self._rows.append(rows)
        self._observations.append(np.asarray(observations, dtype=np.float32))
        self._actions.append(np.asarray(actions, dtype=np.float32))
        self._rewards.append(np.asarray(rewards, dtype=np.float64))
        self._last[rows] = after

    def lay_out(self) -> Trajectories:
        """Put episode after episode."""
        order = np.argsort(np.concatenate(self._rows), kind="stable")
        return Trajectories(
            np.concatenate(self._observations)[order],
            np.concatenate(self._actions)[order],
            np.concatenate(self._rewards)[order],
            self._last,
        )


def play_one_by_one(make_env: MakeEnv, controller: Controller, batch: Batch, trajectory: bool = False) -> Rollouts:
    """Play a batch's rows one after another.

    Args:
        make_env: makes the environment of a task, with its episode limit.
        controller: of the agents.
        batch: the episodes.
        trajectory: keep every step.
    """
    returns, lengths = np.zeros(len(batch)), np.zeros(len(batch), dtype=np.int32)
    outcomes = np.zeros(len(batch), dtype=np.int8)
    steps = _Steps(controller, len(batch)) if trajectory else None
    for place, environment in enumerate(batch.environments):
        env = make_env(environment)
        for row in np.flatnonzero(batch.places == place):
            act = controller.policy(batch.thetas[row])
            observation, info = env.reset(seed=int(batch.seeds[row]))
            while info["outcome"] == NO_OUTCOME:
                action = act(observation)
                before = observation
                observation, reward, _, _, info = env.step(action)
                returns[row] += float(reward)
                lengths[row] += 1
                if steps is not None:
                    steps.add(np.array([row]), before[None], action[None], [reward], observation)
            outcomes[row] = info["outcome"]
        env.close()
    return Rollouts(returns, lengths, outcomes, None if steps is None else steps.lay_out())


def play_side_by_side(worlds: Any, controller: Controller, batch: Batch, trajectory: bool = False) -> Rollouts:
    """Play a batch's rows in worlds, one each, until the last is over; what a world does after its own is not counted.

    Args:
        worlds: a Gymnasium vector environment of the rows' tasks, in an autoreset mode of its own, which is closed.
        controller: of the agents.
        batch: the episodes.
        trajectory: keep every step.
    """
    returns, lengths = np.zeros(len(batch)), np.zeros(len(batch), dtype=np.int32)
    outcomes = np.full(len(batch), NO_OUTCOME, dtype=np.int8)
    steps = _Steps(controller, len(batch)) if trajectory else None
    act = controller.policies(batch.thetas)
    observations, _ = worlds.reset(seed=batch.seeds.tolist())
    while (going := outcomes == NO_OUTCOME).any():
        actions = act(observations)
        before = observations
        observations, rewards, terminations, truncations, infos = worlds.step(actions)
        returns[going] += rewards[going]
        lengths[going] += 1
        if steps is not None:
            steps.add(np.flatnonzero(going), before[going], actions[going], rewards[going], observations[going])
        over = going & (terminations | truncations)
        if over.any():
            outcomes[over] = np.asarray(infos["outcome"])[over].astype(np.int8)
    worlds.close()
    return Rollouts(returns, lengths, outcomes, None if steps is None else steps.lay_out())
