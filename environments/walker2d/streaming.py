"""Many walkers on one course, shown as they go: the native worlds stepped side by side; see `environments.sketch`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from environments.controller import Controller
from environments.domain import NO_OUTCOME, Environment
from environments.sketch import Figure, Stretch
from environments.walker2d import native
from environments.walker2d.env import START
from environments.walker2d.filming import drawn_shapes
from environments.walker2d.physics import Physics
from environments.walker2d.vector import WalkerVectorEnv

STRETCH = 25  # frames; the first comes sooner
HULL = 2  # among the bodies that are drawn


def figure(environment: Environment) -> Figure:
    """Give the corners of the parts of a course's walker."""
    return Figure(shapes=drawn_shapes(Physics.of(environment)))


def stream(
    environment: Environment,
    thetas: NDArray[np.float32],
    seeds: NDArray[np.uint64],
    *,
    episode_limit: int,
    controller: Controller,
    stride: int = 1,
) -> Iterator[Stretch] | None:
    """Play one episode a row; see `environments.sketch.Streamed.stream`. None where the native engine is not built."""
    controller.check(thetas, seeds)
    return None if native.problem() else _play(environment, thetas, seeds, episode_limit, controller, stride)


def _play(
    environment: Environment,
    thetas: NDArray[np.float32],
    seeds: NDArray[np.uint64],
    episode_limit: int,
    controller: Controller,
    stride: int,
) -> Iterator[Stretch]:
    count = len(thetas)
    worlds = WalkerVectorEnv([environment] * count, episode_limit=episode_limit)
    act = controller.policies(thetas)
    observations, _ = worlds.reset(seed=seeds.tolist())
    returns, lengths = np.zeros(count), np.zeros(count, dtype=np.int32)
    outcomes = np.full(count, NO_OUTCOME, dtype=np.int8)
    poses = worlds.poses()
    frames = [(poses, returns.copy())]
    step, wanted = 0, 1
    while (going := outcomes == NO_OUTCOME).any():
        observations, rewards, terminations, truncations, infos = worlds.step(act(observations))
        returns[going] += rewards[going]
        lengths[going] += 1
        step += 1
        over = going & (terminations | truncations)
        outcomes[over] = np.asarray(infos["outcome"])[over].astype(np.int8)
        if step % stride == 0 or over.any():
            # A world whose episode is over begins another, which nobody asked for.
            poses = np.where(going[:, None, None], worlds.poses(), poses)
        if step % stride == 0 or not (outcomes == NO_OUTCOME).any():
            frames.append((poses, returns.copy()))
        if len(frames) >= wanted:
            yield _stretch(frames, lengths, outcomes)
            frames, wanted = [], STRETCH
    worlds.close()
    if frames:
        yield _stretch(frames, lengths, outcomes)


def _stretch(
    frames: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
    lengths: NDArray[np.int32],
    outcomes: NDArray[np.int8],
) -> Stretch:
    poses = np.array([poses for poses, _ in frames])
    returns = np.array([returns for _, returns in frames])
    return Stretch(poses, returns, poses[:, :, HULL, 0] - START, lengths.copy(), outcomes.copy())
