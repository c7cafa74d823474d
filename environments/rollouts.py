"""What episodes came to: how each ended, what it earned, and on request every step of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

__all__ = ["NO_OUTCOME", "Outcome", "Rollouts", "Trajectories"]


class Outcome(IntEnum):
    """How an episode ended."""

    FINISHED = 0  # reached the end of the course
    FELL = 1
    TIMED_OUT = 2  # the episode limit came first
    DIVERGED = 3  # NaN, or a state that the simulator refused


NO_OUTCOME = -1  # in the place of an `Outcome`: the episode goes on


@dataclass(frozen=True, slots=True, eq=False)
class Trajectories:
    """Every step of n episodes, one episode after another: T steps in all, nothing padded.

    The steps of episode i are those from `Rollouts.lengths[:i].sum()` on, as `Rollouts.episode` cuts them.
    """

    observations: NDArray[np.float32]  # (T, o), what the controller saw
    actions: NDArray[np.float32]  # (T, a), what it did
    rewards: NDArray[np.float64]  # (T,), what that earned
    last: NDArray[np.float32]  # (n, o), seen after each episode's last step: what a truncated one is bootstrapped from

    @staticmethod
    def join(parts: Sequence[Trajectories]) -> Trajectories:
        """Concatenate the episodes of several, in order."""
        return Trajectories(
            np.concatenate([part.observations for part in parts]),
            np.concatenate([part.actions for part in parts]),
            np.concatenate([part.rewards for part in parts]),
            np.concatenate([part.last for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class Rollouts:
    """n episodes, one row each."""

    returns: NDArray[np.float64]  # (n,) sum of rewards
    lengths: NDArray[np.int32]  # (n,) control steps
    outcomes: NDArray[np.int8]  # (n,) values of `Outcome`
    trajectories: Trajectories | None = None  # where they were asked for

    @staticmethod
    def join(parts: Sequence[Rollouts]) -> Rollouts:
        """Concatenate the rows of several rollouts, in order."""
        return Rollouts(
            np.concatenate([part.returns for part in parts]),
            np.concatenate([part.lengths for part in parts]),
            np.concatenate([part.outcomes for part in parts]),
            None if any(part.trajectories is None for part in parts) else _joined(parts),
        )

    def rows(self, chosen: NDArray[np.intp] | slice) -> Rollouts:
        """Take some rows, in the order given."""
        found = Rollouts(self.returns[chosen], self.lengths[chosen], self.outcomes[chosen])
        if self.trajectories is None:
            return found
        steps = Trajectories.join([self.episode(row) for row in np.arange(len(self.returns))[chosen].tolist()])
        return replace(found, trajectories=steps)

    def episode(self, row: int) -> Trajectories:
        """Cut one episode out of the trajectories.

        Raises:
            ValueError: they were not asked for.
        """
        if self.trajectories is None:
            raise ValueError("these rollouts have no trajectories; ask for them with trajectory=True")
        row = range(len(self.lengths))[row]
        start = int(self.lengths[:row].sum(dtype=np.int64))
        steps, whole = slice(start, start + int(self.lengths[row])), self.trajectories
        return Trajectories(
            whole.observations[steps], whole.actions[steps], whole.rewards[steps], whole.last[row : row + 1]
        )

    def check(self, episodes: int, domain: str) -> None:
        """Check that a domain gave a row for each episode that it was asked for.

        Raises:
            ValueError: it did not; the message names the domain and both lengths.
        """
        for name in ("returns", "lengths", "outcomes"):
            found = np.shape(getattr(self, name))
            if found != (episodes,):
                given = found[0] if len(found) == 1 else f"an array of shape {found}"
                raise ValueError(f"the domain {domain} was asked for {episodes} episodes and returned {given} {name}")

    def count(self, outcome: Outcome) -> int:
        """Say how many episodes ended so."""
        return int(np.count_nonzero(self.outcomes == outcome))


def _joined(parts: Sequence[Rollouts]) -> Trajectories:
    return Trajectories.join([part.trajectories for part in parts if part.trajectories is not None])
