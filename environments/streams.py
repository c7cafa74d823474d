"""Episodes of many bodies on one course, stepped side by side in a vector of worlds and shown as they go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from environments.rollouts import NO_OUTCOME, Outcome

Policies: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From observations (n, k) of n agents to their actions."""
Frame: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]
"""How the bodies stand, and what they have earned until then, a row each."""

STRETCH = 25  # frames; the first comes sooner


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """Some frames of all episodes; who has ended stays as it was."""

    poses: NDArray[np.float64]  # (frames, episodes, ...) as `poses` gives them
    returns: NDArray[np.float64]  # (frames, episodes)
    lengths: NDArray[np.int32]  # (episodes,) control steps
    outcomes: NDArray[np.int8]  # (episodes,)


def stretches(
    worlds: Any, act: Policies, seeds: NDArray[np.uint64], poses: Callable[[], NDArray[np.float64]], stride: int
) -> Iterator[Told]:
    """Play an episode in each world, and close the worlds.

    Args:
        worlds: a vector environment that says in `infos["outcome"]` how an episode ended.
        act: what the agents do.
        seeds: of the episodes, (n,).
        poses: says how the bodies of all worlds stand now, (n, ...).
        stride: every so many steps are a frame, and so is the first moment.
    """
    count = len(seeds)
    observations, _ = worlds.reset(seed=seeds.tolist())
    returns, lengths = np.zeros(count), np.zeros(count, dtype=np.int32)
    outcomes = np.full(count, NO_OUTCOME, dtype=np.int8)
    now = poses()
    frames: list[Frame] = [(now, returns.copy())]
    step, wanted = 0, 1
    while (going := outcomes == NO_OUTCOME).any():
        observations, rewards, terminations, truncations, infos = worlds.step(act(observations))
        returns[going] += rewards[going]
        lengths[going] += 1
        step += 1
        over = going & (terminations | truncations)
        outcomes[over] = np.asarray(infos["outcome"])[over].astype(np.int8)
        if step % stride == 0 or over.any():
            # A world whose episode is over begins another, which nobody asked for; one that broke down shows nothing.
            shown = going & (outcomes != Outcome.DIVERGED)
            now = np.where(shown.reshape(-1, *[1] * (now.ndim - 1)), poses(), now)
        if step % stride == 0 or not (outcomes == NO_OUTCOME).any():
            frames.append((now, returns.copy()))
        if len(frames) >= wanted:
            yield _told(frames, lengths, outcomes)
            frames, wanted = [], STRETCH
    worlds.close()
    if frames:
        yield _told(frames, lengths, outcomes)


def _told(frames: list[Frame], lengths: NDArray[np.int32], outcomes: NDArray[np.int8]) -> Told:
    poses, returns = (np.array(part) for part in zip(*frames, strict=True))
    return Told(poses, returns, lengths.copy(), outcomes.copy())
