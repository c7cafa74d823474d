"""What a family of tasks is: it draws tasks, and makes worlds that can be told, all at once, which task each plays.

One file beside this is one family. Worlds are a Gymnasium vector environment; families computed in NumPy for all
worlds at once, such as `navigation.py`, meet the protocols by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from meta_learners.acting import Actions

__all__ = ["Step", "TaskFamily", "Worlds"]

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

Step = tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


class Worlds(Protocol[T_contra]):
    """What the sampler needs of a Gymnasium vector environment, in autoreset mode NEXT_STEP.

    An episode that is over starts anew at the next step, which ignores its action and rewards nothing. So the
    observation after an episode's last step is its true last one, which bootstrapping needs.

    Where worlds are to run on between rollouts, what one shows after a seeded reset depends on its task, that seed and
    its actions alone. An info "outcome", int (n,), tells of falls as a domain's environments do (`Outcome.FELL`).
    """

    num_envs: int

    def set_tasks(self, tasks: Sequence[T_contra]) -> None:
        """Give every world its task (num_envs,), from the next reset on."""
        ...

    def reset(
        self, *, seed: Sequence[int], options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start anew: observations (n, o); only some worlds where `options["reset_mask"]`, bool (n,), is given."""
        ...

    def step(self, actions: NDArray[Any]) -> Step:
        """Act: observations (n, o), rewards (n,), terminations (n,), truncations (n,)."""
        ...

    def close(self) -> None:
        """Free what the worlds hold."""
        ...


class TaskFamily(Protocol[T]):
    """Tasks that share observations and actions."""

    name: str
    episode_limit: int  # steps

    @property
    def observation_size(self) -> int:
        """How many numbers an observation has."""
        ...

    @property
    def actions(self) -> Actions:
        """What may be done in one step."""
        ...

    def sample_tasks(self, count: int, generator: np.random.Generator, split: str = "train") -> list[T]:
        """Draw tasks of a split."""
        ...

    def worlds(self, count: int) -> Worlds[T]:
        """Make worlds that step together."""
        ...
